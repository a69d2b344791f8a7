package chat

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options of an API. DB and Secret are needed.
type Options struct {
	DB     *pgxpool.Pool // made by Connect
	Secret string        // signs the tokens, at least 32 bytes; the daemon's auth.jwt.secret
	Psql   string        // the line to paste into a terminal
	Logger *slog.Logger  // nil: silent
}

// API is the demo's backend: JSON over ordinary tables. That its rows reach
// the other browser is not its work; all it does for rowcast is to pass on a
// mutation id (transact), and to sign tokens that the daemon takes too (login).
type API struct {
	db     *pgxpool.Pool
	secret []byte
	psql   string
	log    *slog.Logger

	requests *requests

	jobs  chan burst
	ended chan struct{} // closed with Run

	mu   sync.Mutex
	busy map[ID]bool // the topics with a burst
}

// New returns an API. Bursts are written while Run runs.
func New(o Options) *API {
	return &API{
		db:       o.DB,
		secret:   []byte(o.Secret),
		psql:     o.Psql,
		log:      cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		requests: newRequests(),
		jobs:     make(chan burst),
		ended:    make(chan struct{}),
		busy:     make(map[ID]bool),
	}
}

// Connect returns a pool on which times are read as UTC, the way events carry
// them.
func Connect(ctx context.Context, url string) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database url: %w", err)
	}
	c.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name:  "timestamptz",
			OID:   pgtype.TimestamptzOID,
			Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	return pgxpool.NewWithConfig(ctx, c)
}

// Handler serves /api/.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, e := range map[string]endpoint{
		"POST /api/login": a.login,

		"GET /api/topics":                a.topics,
		"GET /api/topics/{id}/messages":  a.messages,
		"POST /api/topics/{id}/messages": a.createMessage,
		"PATCH /api/messages/{id}":       a.updateMessage,
		"DELETE /api/messages/{id}":      a.deleteMessage,

		"GET /api/topics/{id}/members":             a.members,
		"POST /api/topics/{id}/members":            a.addMember,
		"DELETE /api/topics/{id}/members/{member}": a.removeMember,

		"GET /api/projects":         a.projects,
		"GET /api/projects/{id}":    a.project,
		"POST /api/projects":        a.createProject,
		"PATCH /api/projects/{id}":  a.updateProject,
		"DELETE /api/projects/{id}": a.deleteProject,

		"GET /api/proposals":        a.proposals,
		"POST /api/proposals":       a.createProposal,
		"PATCH /api/proposals/{id}": a.updateProposal,

		"GET /api/analysis/runs":        a.runs,
		"GET /api/analysis/runs/{id}":   a.run,
		"POST /api/analysis/runs":       a.createRun,
		"PATCH /api/analysis/runs/{id}": a.updateRun,

		"GET /api/knowledge/atoms":        a.atoms,
		"POST /api/knowledge/atoms":       a.createAtom,
		"PATCH /api/knowledge/atoms/{id}": a.updateAtom,

		"GET /api/dashboard": a.dashboard,
		"POST /api/burst":    a.createBurst,
		"/api/":              a.nothing,
	} {
		mux.Handle(pattern, a.requests.counted(a.serve(e)))
	}
	mux.Handle("GET /api/demo", a.serve(a.demo))
	mux.Handle("GET /api/requests", a.serve(a.counts))
	mux.Handle("DELETE /api/requests/{name}", a.serve(a.resetCount))

	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(a.serve(a.foreign))
	return guard.Handler(mux)
}

func (a *API) nothing(*http.Request) (reply, error) {
	return reply{}, refusal{http.StatusNotFound, "there is nothing here"}
}

// foreign answers a write that a page of another origin tried.
func (a *API) foreign(*http.Request) (reply, error) {
	return reply{}, refusal{http.StatusForbidden, "another origin may not write here"}
}

// demo says what to paste into a terminal.
func (a *API) demo(*http.Request) (reply, error) {
	return reply{body: struct {
		Psql   string `json:"psql"`
		Insert string `json:"insert"`
	}{a.psql, Insert}}, nil
}
