package auth

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"rowcast/rooms"
)

// Mode says how clients prove who they are.
type Mode string

// The modes. The zero Mode is None that nobody chose: right on a loopback
// address, and nowhere else.
const (
	None Mode = "none" // not at all
	JWT  Mode = "jwt"  // by a signed token
	SQL  Mode = "sql"  // by what the application's database knows, its sessions or keys
)

// Defaults of Options.
const (
	DefaultTopicsClaim  = "topics"
	DefaultSubjectClaim = "sub"
	DefaultCache        = 30 * time.Second
	DefaultTimeout      = 5 * time.Second
	DefaultQueries      = 4
)

// What a connection may do where Limits leaves a field at 0.
const (
	DefaultTopics         = 100
	DefaultFrameBytes     = 64 << 10
	DefaultJoinsPerSecond = 50
)

// Limits bound what clients may take.
type Limits struct {
	Connections           int // at once, of this daemon; 0: no limit
	ConnectionsPerAddress int // at once, of one client's address, in IPv6 of its /64; 0: no limit
	HandshakesPerSecond   int // of this daemon; 0: no limit
	Topics                int // per connection; 0: DefaultTopics
	FrameBytes            int // of one message from a client; 0: DefaultFrameBytes
	JoinsPerSecond        int // per connection; 0: DefaultJoinsPerSecond, below: no limit
}

// Database is the application's: its functions know sessions and members. Any
// number of goroutines call it; the Gate bounds how many at once. Its errors are
// logged: they hold neither token nor claims.
type Database interface {
	// Authenticate returns the claims of a session, a JSON object; nil when
	// there is no such session.
	Authenticate(ctx context.Context, token string) (claims []byte, err error)
	// Authorize says whether the bearer of the claims may join the topic.
	Authorize(ctx context.Context, topic string, claims []byte) (bool, error)
}

// Options say whom a Gate lets in.
type Options struct {
	// Mode is auth.mode; "" when nobody wrote it down. Then nothing that a proxy
	// forwarded comes in.
	Mode Mode
	// Addr is the address the daemon listens on. On a loopback address pages
	// of http://localhost and http://127.0.0.1, any port, are let in unless
	// Origins says otherwise.
	Addr string
	// Origins are patterns of pages' origins beside the daemon's own:
	// "https://app.example.com", "https://*.example.com", "*" for any.
	Origins []string
	// TrustedProxies are the peers whose word about a client's address counts.
	// A peer without an IP address, on a unix socket, is one of them.
	TrustedProxies []netip.Prefix
	Limits         Limits

	JWT          JWTOptions // of Mode JWT
	TopicsClaim  string     // holds the patterns of the topics one may join; default DefaultTopicsClaim
	SubjectClaim string     // holds who it is; default DefaultSubjectClaim
	Cookie       string     // the cookie that carries a token; "": none does
	QueryToken   bool       // ?token= is taken
	Anonymous    bool       // who brings no token comes in, and joins what Authorize allows

	Authorize bool          // Database.Authorize decides about each topic
	Database  Database      // of Mode SQL, and of Authorize
	Hub       *rooms.Hub    // knows whose access changed, and is the one that is joined
	Cache     time.Duration // a topic allowed stays so; default DefaultCache, below 0: it is asked each time
	Timeout   time.Duration // the most that a question to the database may take; default DefaultTimeout
	Queries   int           // questions to the database at once; default DefaultQueries

	Logger *slog.Logger // nil: silent
}
