package oracle

// Budget is the most $resync that a client may get, by reason. A reason that
// is absent may not come at all; bulk and truncate are counted by the truth.
type Budget map[string]int

// Verdict is what Judge found, and figures for a report.
type Verdict struct {
	Violations []Violation

	Transactions int            // committed
	Owed         int            // events to clients: an event of two clients is two
	Delivered    int            // events that came for the first time
	Repeated     int            // events that came to a client again, in a replay or on another connection
	Connections  int            // of all clients
	Refetches    int            // of all clients
	Resyncs      map[string]int // of all clients, by reason
	Most         map[string]int // the most that one client got, by reason
}

// Violation is one promise broken.
type Violation struct {
	Client, Rule, Text string
}

// The rules that can be broken.
const (
	Lost        = "lost"        // owed, never received, in no refetch of that topic
	Invented    = "invented"    // never committed
	Altered     = "altered"     // another content, other topics, another id than committed
	Leaked      = "leaked"      // of topics that were not joined
	Doubled     = "doubled"     // twice on a connection, or twice in a replay
	Order       = "order"       // an effect before its cause
	Resyncs     = "resyncs"     // more than the budget
	Replay      = "replay"      // $joined says something else than what came
	Unannounced = "unannounced" // recovered is false, and no $resync follows
)
