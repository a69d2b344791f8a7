package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error {
		if err := migrations.Up(ctx, url, migrations.Options{}); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, Schema); err != nil {
			return err
		}
		return conn.Close(ctx)
	})
}

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// world is an API on a fresh database that rowcast watches.
type world struct {
	*testing.T
	api *API
	url string
	db  *pgx.Conn
	log *buffer
}

func setup(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, url: pgtest.Database(t), log: &buffer{}}
	w.db = pgtest.Connect(t, w.url)
	w.exec("SELECT setval('rowcast.doorbell', (extract(epoch FROM now()) * 1000)::bigint + 3600000)") // as if a daemon read
	pool, err := Connect(t.Context(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	w.api = New(Options{DB: pool, Secret: "a secret of the tests, long enough", Psql: "psql …", Logger: slog.New(slog.NewTextHandler(w.log, nil))})
	return w
}

// run runs the API until the returned function is called, or the test ends.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.api.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Errorf("run: %v", err)
		}
	})
	w.Cleanup(stop)
	return stop
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.db.Exec(w.Context(), sql, args...); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
}

// value is what a query of one value returns.
func value[T any](w *world, sql string, args ...any) (v T) {
	w.Helper()
	if err := w.db.QueryRow(w.Context(), sql, args...).Scan(&v); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
	return v
}

// blocked waits until somebody waits for a lock on the table.
func (w *world) blocked(table string) {
	w.Helper()
	other := pgtest.Connect(w.T, w.url)
	w.until("somebody waits for "+table, func() (waits bool) {
		err := other.QueryRow(w.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass)", table).Scan(&waits)
		if err != nil {
			w.Fatal(err)
		}
		return waits
	})
}

// until waits for what must come.
func (w *world) until(what string, came func() bool) {
	w.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !came() {
		select {
		case <-ticker.C:
		case <-deadline:
			w.Fatalf("not yet: %s", what)
		}
	}
}

// ask makes a request: a method and a path, the headers as "Name: value".
func (w *world) ask(what, body string, headers ...string) answer {
	w.Helper()
	return ask(w.T, w.api.Handler(), what, body, headers...)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, h http.Handler, what, body string, headers ...string) answer {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	return answer{recorder.Code, recorder.Header(), strings.TrimSpace(recorder.Body.String())}
}

// expect compares the answer, in which times read T.
func (a answer) expect(t *testing.T, what string, status int, body string) {
	t.Helper()
	times := regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"`)
	if got := times.ReplaceAllString(a.body, `"T"`); a.status != status || got != body {
		t.Errorf("%s:\n got %d %s\nwant %d %s", what, a.status, got, status, body)
	}
	if body != "" && !json.Valid([]byte(a.body)) {
		t.Errorf("%s: no JSON: %s", what, a.body)
	}
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
