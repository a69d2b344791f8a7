package auth

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"rowcast/rooms"
)

// Gate admits connections and judges what they want to join.
type Gate struct {
	o      Options
	limits Limits
	log    *slog.Logger
	tokens *verifier // of mode jwt

	mu          sync.Mutex
	connections int
	refused     map[string]uint64
	handshakes  *Bucket
}

// New returns a Gate. It fails on a key that is none.
func New(o Options) (*Gate, error) {
	l := &o.Limits
	l.Topics = cmp.Or(l.Topics, DefaultTopics)
	l.FrameBytes = cmp.Or(l.FrameBytes, DefaultFrameBytes)
	l.JoinsPerSecond = cmp.Or(l.JoinsPerSecond, DefaultJoinsPerSecond)
	if len(o.Origins) == 0 && loopback(o.Addr) {
		o.Origins = []string{"http://localhost", "http://localhost:*", "http://127.0.0.1", "http://127.0.0.1:*"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gate{
		o:          o,
		limits:     o.Limits,
		log:        o.Logger,
		refused:    map[string]uint64{},
		handshakes: NewBucket(l.HandshakesPerSecond),
	}
	names := claimNames{topics: o.TopicsClaim, subject: o.SubjectClaim}
	var err error
	switch o.Mode {
	case "", None:
	case JWT:
		g.tokens, err = newVerifier(o.JWT, names, o.Logger)
	case SQL:
	default:
		err = fmt.Errorf("auth.mode: is none, jwt or sql (got %q)", o.Mode)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// Run keeps the keys fresh and asks the database, until ctx ends and all that
// it started has.
func (g *Gate) Run(ctx context.Context) error {
	if g.tokens != nil {
		return g.tokens.run(ctx)
	}
	<-ctx.Done()
	return nil
}

// Open says whether the Gate asks nobody who they are: auth.mode none.
func (g *Gate) Open() bool { return g.o.Mode == "" || g.o.Mode == None }

// Limits returns the limits in force.
func (g *Gate) Limits() Limits { return g.limits }

// Stats are a Gate's counts.
type Stats struct {
	Connections int                   // inside now
	Refused     map[string]uint64     // requests and tokens refused so far, by the setting that refused
	Denied      map[rooms.Code]uint64 // topics not joined
	CacheHits   uint64                // decisions that were there already
	Queries     uint64                // questions to the database
	QueryErrors uint64                // those that it did not answer
	QueryTime   time.Duration         // all that they took
	QueryMax    time.Duration         // the longest
}

// Stats returns the counts of this moment.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Connections: g.connections, Refused: map[string]uint64{}, Denied: map[rooms.Code]uint64{}}
}

// Refusal is why somebody may not come in. The message names the setting, where
// that says nothing about tokens.
type Refusal struct {
	Code    rooms.Code
	Message string
}

// Check says whether the request may come in at all; nil is yes.
func (g *Gate) Check(r *http.Request) *Refusal {
	if g.o.Mode == "" && (r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "") {
		g.log.Warn("request through a proxy refused", "setting", "auth.mode")
		return g.refuse("auth.mode", rooms.Forbidden, "a proxy forwarded this request: auth.mode must be chosen")
	}
	if !g.originAllowed(r) {
		g.log.Warn("origin refused", "setting", "http.allowed_origins", "origin", r.Header.Get("Origin"))
		return g.refuse("http.allowed_origins", rooms.Forbidden, "origin is not in http.allowed_origins")
	}
	return nil
}

// Enter takes a place for one connection; leave gives it back. It is not called
// where there is a refusal.
func (g *Gate) Enter(_ *http.Request) (leave func(), refused *Refusal) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.handshakes.Take(now) {
		return nil, &Refusal{Code: rooms.RateLimited, Message: "over limits.handshakes_per_second"}
	}
	if g.limits.Connections > 0 && g.connections >= g.limits.Connections {
		return nil, &Refusal{Code: rooms.Unavailable, Message: "limits.connections reached"}
	}
	g.connections++
	return g.leave, nil
}

func (g *Gate) leave() {
	g.mu.Lock()
	g.connections--
	g.mu.Unlock()
}

func (g *Gate) refuse(setting string, code rooms.Code, message string) *Refusal {
	g.mu.Lock()
	g.refused[setting]++
	g.mu.Unlock()
	return &Refusal{Code: code, Message: message}
}

// Token returns the token that the request carries: as the subprotocol
// bearer.<token>, in the cookie, as Authorization: Bearer, or as ?token= where
// that is allowed. The Check comes first: a cookie is a page's only if its
// origin may be here.
func (g *Gate) Token(r *http.Request) (token string, found bool) {
	if g.Open() {
		return "", false
	}
	return carried(r, carriage{cookie: g.o.Cookie, query: g.o.QueryToken})
}

// Authenticate says whose token it is.
func (g *Gate) Authenticate(ctx context.Context, token string) (*Identity, *Refusal) {
	if g.tokens == nil {
		return &Identity{}, nil
	}
	return g.tokens.verify(ctx, token)
}

// Anonymous is who brings no token; nil where nobody may come in without.
func (g *Gate) Anonymous() *Identity { return &Identity{} }
