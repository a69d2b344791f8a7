package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rowcast/rooms"
)

// Gate admits connections and judges what they want to join.
type Gate struct {
	o         Options
	names     claimNames
	tokens    *verifier // of mode jwt
	anonymous *Identity // nil: nobody comes in without a token

	questions *questions
	decisions *decisions
	refusals  *refusals

	mu          sync.Mutex
	connections int
	addresses   map[netip.Prefix]int // connections of each that has any
	handshakes  *Bucket
	denied      map[rooms.Code]uint64
}

// New returns a Gate. It fails on a key that is none, and on options that would
// leave open what somebody meant to shut.
func New(o Options) (*Gate, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	g := &Gate{
		o:          o,
		names:      claimNames{topics: o.TopicsClaim, subject: o.SubjectClaim},
		questions:  newQuestions(o.Timeout),
		decisions:  newDecisions(o.Cache),
		refusals:   &refusals{log: o.Logger, of: map[cause]*tally{}},
		addresses:  map[netip.Prefix]int{},
		handshakes: NewBucket(o.Limits.HandshakesPerSecond),
		denied:     map[rooms.Code]uint64{},
	}
	var err error
	if o.Mode == JWT {
		g.tokens, err = newVerifier(o.JWT, g.names, o.Logger)
	}
	if err != nil {
		return nil, err
	}
	if g.Open() || o.Anonymous {
		g.anonymous = nobody
	}
	return g, nil
}

// withDefaults fills what is left open.
func (o Options) withDefaults() Options {
	l := &o.Limits
	l.Topics = cmp.Or(l.Topics, DefaultTopics)
	l.FrameBytes = cmp.Or(l.FrameBytes, DefaultFrameBytes)
	l.JoinsPerSecond = cmp.Or(l.JoinsPerSecond, DefaultJoinsPerSecond)
	o.TopicsClaim = cmp.Or(o.TopicsClaim, DefaultTopicsClaim)
	o.SubjectClaim = cmp.Or(o.SubjectClaim, DefaultSubjectClaim)
	o.Cache = cmp.Or(o.Cache, DefaultCache)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Queries = cmp.Or(o.Queries, DefaultQueries)
	if len(o.Origins) == 0 && loopback(o.Addr) {
		o.Origins = []string{"http://localhost", "http://localhost:*", "http://127.0.0.1", "http://127.0.0.1:*"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// check finds what contradicts itself.
func (o Options) check() error {
	open := false
	switch o.Mode {
	case "", None:
		open = true
	case JWT, SQL:
	default:
		return fmt.Errorf("auth.mode: is none, jwt or sql (got %q)", o.Mode)
	}
	switch {
	case open && o.Authorize:
		return errors.New("auth.authorize: decides nothing with auth.mode none")
	case o.Anonymous && !o.Authorize:
		return errors.New("auth.anonymous: nobody would decide what they may join without auth.authorize")
	case o.Database == nil && (o.Authorize || o.Mode == SQL):
		return errors.New("auth: there is no database to ask")
	case o.Cookie != "" && slices.Contains(o.Origins, "*"):
		return errors.New("auth.cookie: any page could use it with * in http.allowed_origins")
	}
	return nil
}

// Run keeps the keys fresh and asks the database, until ctx ends and all that
// it started has. Without it nothing is asked, and what needs an answer is
// `unavailable`.
func (g *Gate) Run(ctx context.Context) error {
	var running errgroup.Group
	if g.tokens != nil {
		running.Go(func() error { return g.tokens.run(ctx) })
	}
	running.Go(func() error {
		g.questions.run(ctx, g.o.Queries)
		return nil
	})
	return running.Wait()
}

// Open says whether nobody is asked who they are: auth.mode none.
func (g *Gate) Open() bool { return g.o.Mode == "" || g.o.Mode == None }

// Limits returns the limits in force.
func (g *Gate) Limits() Limits { return g.o.Limits }

// Check says whether the request may come in at all; nil is yes.
func (g *Gate) Check(r *http.Request) *Refusal {
	if g.o.Mode == "" && (r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "") {
		return g.Refuse("auth.mode", rooms.Forbidden, "a proxy forwarded this request: auth.mode must be chosen")
	}
	if !g.originAllowed(r) {
		g.refusals.add("http.allowed_origins", rooms.Forbidden, slog.String("origin", printable(r.Header.Get("Origin"))))
		return &Refusal{rooms.Forbidden, "origin is not in http.allowed_origins"}
	}
	return nil
}

// Enter takes a place for one connection; leave gives it back, once. There is
// none where there is a refusal.
func (g *Gate) Enter(r *http.Request) (leave func(), refused *Refusal) {
	var from netip.Prefix // invalid: nobody's
	if g.o.Limits.ConnectionsPerAddress > 0 {
		from = neighbourhood(proxies(g.o.TrustedProxies).client(r))
	}
	setting, code := g.enter(from, time.Now())
	if setting != "" {
		return nil, g.Refuse(setting, code, "over "+setting)
	}
	return func() { g.leave(from) }, nil
}

// enter returns the limit that is reached, if one is. The daemon's handshakes
// are last: who is over a limit of his own takes none of them from the others.
func (g *Gate) enter(from netip.Prefix, now time.Time) (setting string, code rooms.Code) {
	l := &g.o.Limits
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case from.IsValid() && g.addresses[from] >= l.ConnectionsPerAddress:
		return "limits.connections_per_address", rooms.RateLimited
	case l.Connections > 0 && g.connections >= l.Connections:
		return "limits.connections", rooms.Unavailable
	case !g.handshakes.Take(now):
		return "limits.handshakes_per_second", rooms.RateLimited
	}
	g.connections++
	if from.IsValid() {
		g.addresses[from]++
	}
	return "", ""
}

func (g *Gate) leave(from netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.connections--
	if !from.IsValid() {
		return
	}
	if g.addresses[from]--; g.addresses[from] == 0 {
		delete(g.addresses, from)
	}
}

// Refuse counts a refusal and notes it in the log. The message is for the
// client. The endpoints call it for the limits that they keep themselves.
func (g *Gate) Refuse(setting string, code rooms.Code, message string) *Refusal {
	g.refusals.add(setting, code)
	return &Refusal{code, message}
}

// failed notes why a question to the database has no answer.
func (g *Gate) failed(setting string, err error) {
	g.refusals.add(setting, rooms.Unavailable, slog.Any("err", err))
}

// Stats are a Gate's counts.
type Stats struct {
	Connections int                   // inside now
	Refused     map[string]uint64     // requests, tokens and joins so far, by the setting that refused
	Denied      map[rooms.Code]uint64 // topics not joined so far
	Decisions   int                   // of the database, kept now
	Shared      uint64                // wishes so far for which the database was not asked once more
	Questions   QuestionStats
}

// Stats returns the counts of this moment.
func (g *Gate) Stats() Stats {
	s := Stats{Refused: g.refusals.counts(), Questions: g.questions.counts()}
	s.Decisions, s.Shared = g.decisions.counts()
	g.mu.Lock()
	defer g.mu.Unlock()
	s.Connections, s.Denied = g.connections, maps.Clone(g.denied)
	return s
}
