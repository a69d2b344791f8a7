package auth

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"rowcast/rooms"
)

// What a connection may do where Limits leaves a field at 0.
const (
	DefaultTopics         = 100
	DefaultFrameBytes     = 64 << 10
	DefaultJoinsPerSecond = 50
)

// Limits bound what clients may take.
type Limits struct {
	Connections         int // at once, of this daemon; 0: no limit
	HandshakesPerSecond int // of this daemon; 0: no limit
	Topics              int // per connection; 0: DefaultTopics
	FrameBytes          int // of one message from a client; 0: DefaultFrameBytes
	JoinsPerSecond      int // per connection; 0: DefaultJoinsPerSecond, below: no limit
}

// Options say whom a Gate lets in.
type Options struct {
	// Addr is the address the daemon listens on. On a loopback address pages
	// of http://localhost and http://127.0.0.1, any port, are let in unless
	// Origins says otherwise.
	Addr string
	// Origins are patterns of pages' origins beside the daemon's own:
	// "https://app.example.com", "https://*.example.com", "*" for any.
	Origins []string
	// Chosen: somebody wrote auth.mode down. Without it nothing that a proxy
	// forwarded comes in.
	Chosen bool
	Limits Limits
	Logger *slog.Logger // nil: silent
}

// Gate admits connections and judges what they want to join.
type Gate struct {
	chosen  bool
	origins []string
	limits  Limits
	log     *slog.Logger

	mu          sync.Mutex
	connections int
	refused     uint64
	handshakes  *Bucket
}

// New returns a Gate.
func New(o Options) *Gate {
	l := o.Limits
	if l.Topics == 0 {
		l.Topics = DefaultTopics
	}
	if l.FrameBytes == 0 {
		l.FrameBytes = DefaultFrameBytes
	}
	if l.JoinsPerSecond == 0 {
		l.JoinsPerSecond = DefaultJoinsPerSecond
	}
	if len(o.Origins) == 0 && loopback(o.Addr) {
		o.Origins = []string{"http://localhost", "http://localhost:*", "http://127.0.0.1", "http://127.0.0.1:*"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Gate{
		chosen:     o.Chosen,
		origins:    o.Origins,
		limits:     l,
		log:        o.Logger,
		handshakes: NewBucket(l.HandshakesPerSecond),
	}
}

// Limits returns the limits in force.
func (g *Gate) Limits() Limits { return g.limits }

// Stats are a Gate's counts.
type Stats struct {
	Connections int    // inside now
	Refused     uint64 // requests refused so far
}

// Stats returns the counts of this moment.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Connections: g.connections, Refused: g.refused}
}

// Refusal is why somebody may not come in, in words that name the setting.
type Refusal struct {
	Code    rooms.Code
	Message string
}

// Check says whether the request may come in at all; nil is yes.
func (g *Gate) Check(r *http.Request) *Refusal {
	if !g.chosen && (r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "") {
		g.log.Warn("request through a proxy refused", "setting", "auth.mode")
		return g.refuse(rooms.Forbidden, "a proxy forwarded this request: auth.mode must be chosen")
	}
	if !g.originAllowed(r) {
		g.log.Warn("origin refused", "setting", "http.allowed_origins", "origin", r.Header.Get("Origin"))
		return g.refuse(rooms.Forbidden, "origin is not in http.allowed_origins")
	}
	return nil
}

// Enter takes a place for one connection; nil is yes, and then Leave gives the
// place back.
func (g *Gate) Enter() *Refusal {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.handshakes.Take(now) {
		g.refused++
		return &Refusal{rooms.RateLimited, "over limits.handshakes_per_second"}
	}
	if g.limits.Connections > 0 && g.connections >= g.limits.Connections {
		g.refused++
		return &Refusal{rooms.Unavailable, "limits.connections reached"}
	}
	g.connections++
	return nil
}

// Leave gives back the place that Enter took.
func (g *Gate) Leave() {
	g.mu.Lock()
	g.connections--
	g.mu.Unlock()
}

// Topics sorts the names a connection asks for, being in the topics joined:
// those it may join, each once, and for each of the others why not.
func (g *Gate) Topics(names, joined []string) (allowed []string, denied map[string]rooms.Denial) {
	denied = map[string]rooms.Denial{}
	member := make(map[string]bool, len(joined)+len(names))
	for _, t := range joined {
		member[t] = true
	}
	seen := make(map[string]bool, len(names))
	for _, t := range names {
		switch {
		case seen[t]:
			continue
		case !rooms.ValidTopic(t):
			denied[t] = rooms.Denial{Code: rooms.BadTopic, Message: "not a topic name"}
		case !member[t] && len(member) >= g.limits.Topics:
			denied[t] = rooms.Denial{
				Code:    rooms.TooManyTopics,
				Message: fmt.Sprintf("limits.topics_per_connection is %d", g.limits.Topics),
			}
		default:
			member[t] = true
			allowed = append(allowed, t)
		}
		seen[t] = true
	}
	return allowed, denied
}

func (g *Gate) refuse(code rooms.Code, message string) *Refusal {
	g.mu.Lock()
	g.refused++
	g.mu.Unlock()
	return &Refusal{code, message}
}
