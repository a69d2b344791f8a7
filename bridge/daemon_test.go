package bridge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/pglisten"
	"rowcast/rooms/sse"
	"rowcast/rooms/ws"
)

// watched is a table as an application might have it.
const watched = `
CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic_id bigint, content text);
SELECT rowcast.watch('messages', 'topic_id', topics => array['topic_{topic_id}', 'messages']);`

// running is a daemon that serves.
type running struct {
	*Daemon
	http, admin string
	stop        context.CancelFunc
	done        chan error
	log         *buffer
}

// launch starts a daemon on the database, as the role that deploy/daemon-role.sql
// makes; the end of the test stops it.
func launch(t *testing.T, url string, edit ...func(*Options)) *running {
	t.Helper()
	r := &running{done: make(chan error, 1), log: &buffer{}}
	ready := make(chan struct{})
	o := Options{
		HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
		Source: pglisten.Options{URL: pgtest.Daemon(t, url)},
		WS:     ws.Options{Spread: time.Millisecond},
		SSE:    sse.Options{Spread: time.Millisecond},
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		Ready: func(public, admin net.Addr) {
			r.http, r.admin = public.String(), admin.String()
			close(ready)
		},
	}
	for _, f := range edit {
		f(&o)
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r.Daemon, r.stop = d, cancel
	go func() { r.done <- r.Run(ctx) }()
	t.Cleanup(func() {
		if err := r.end(t); err != nil {
			t.Errorf("daemon: %v\n%s", err, r.log)
		}
	})
	select {
	case <-ready:
	case err := <-r.done:
		r.done <- nil
		t.Fatalf("start: %v", err)
	case <-time.After(patience):
		t.Fatalf("not ready\n%s", r.log)
	}
	return r
}

// end stops the daemon, once, and returns what Run returned.
func (r *running) end(t *testing.T) error {
	t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(patience):
		return fmt.Errorf("does not stop")
	}
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// application is a database with a watched table, and a connection to it.
func application(t *testing.T) (string, *pgx.Conn) {
	t.Helper()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	exec(t, conn, watched)
	return url, conn
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestDaemon(t *testing.T) {
	t.Parallel()

	t.Run("every_change_arrives_by_every_road", func(t *testing.T) {
		t.Parallel()
		url, conn := application(t)
		d := launch(t, url)
		library := dial(t, d.http, "")
		library.join("topic_7", "")
		for name, c := range map[string]*client{
			"plain":   dial(t, d.http, "topics=topic_7,messages"),
			"sse":     stream(t, d.http, "topics=topic_7,topic_8"),
			"library": library,
		} {
			// One road after the other: each starts with the same table.
			exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'a')`)
			f := c.want("message_created")
			if f.Payload.Message["content"] != "a" || *f.Payload.TopicID != "7" || f.Op != "insert" {
				t.Errorf("%s: insert: %v", name, f)
			}
			if name == "sse" && f.sseID != f.Cursor {
				t.Errorf("sse: id %q, cursor %q", f.sseID, f.Cursor)
			}
			id := f.Payload.ID
			exec(t, conn, `UPDATE messages SET content = 'b' WHERE id = `+id)
			if f := c.want("message_updated"); f.Payload.Message["content"] != "b" || f.Payload.ID != id {
				t.Errorf("%s: update: %v", name, f)
			}
			exec(t, conn, `UPDATE messages SET topic_id = 8, content = 'secret' WHERE id = `+id)
			if f := c.want("message_deleted"); !f.Payload.Moved || f.Payload.Message["content"] != nil || *f.Payload.TopicID != "7" {
				t.Errorf("%s: move: %v", name, f)
			}
			if name != "library" { // the others are in a topic it came to
				if f := c.want("message_updated"); *f.Payload.TopicID != "8" || f.Payload.Message["content"] != "secret" {
					t.Errorf("%s: move: %v", name, f)
				}
			}
			exec(t, conn, `UPDATE messages SET topic_id = 7 WHERE id = `+id)
			if name == "sse" {
				c.want("message_deleted")
			}
			c.want("message_updated")
			exec(t, conn, `DELETE FROM messages WHERE id = `+id)
			if f := c.want("message_deleted"); f.Payload.Moved || f.Payload.ID != id {
				t.Errorf("%s: delete: %v", name, f)
			}
			exec(t, conn, `SELECT rowcast.emit('typing', '{"topic_id":"7"}', array['topic_7'])`)
			if f := c.want("typing"); f.Op != "emit" {
				t.Errorf("%s: emit: %v", name, f)
			}
			exec(t, conn, `TRUNCATE messages`)
			if f := c.want("$resync"); f.Payload.Reason != "truncate" {
				t.Errorf("%s: truncate: %v", name, f)
			}
		}
	})

	t.Run("a_client_resumes_on_another_instance", func(t *testing.T) {
		t.Parallel()
		url, conn := application(t)
		a, b := launch(t, url), launch(t, url)
		c := dial(t, a.http, "")
		c.join("topic_7", "")
		exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'one')`)
		c.want("message_created")
		c.close()
		exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'two'), (8, 'elsewhere'), (7, 'three')`)

		again := dial(t, b.http, "")
		replay, joined := again.join("topic_7", c.cursor)
		if joined.Payload.Recover == nil || !*joined.Payload.Recover || joined.Payload.Replayed != len(replay) {
			t.Errorf("joined: %v", joined)
		}
		exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'four')`)
		for n, want := range []string{"two", "three", "four"} {
			f := frame{}
			if n < len(replay) { // what b had not read by then comes live
				f = replay[n]
			} else {
				f = again.want("message_created")
			}
			if f.Payload.Message["content"] != want {
				t.Errorf("got %v, want %q", f, want)
			}
		}
	})

	// b never looks by itself; that the client knows more makes it look.
	t.Run("a_client_comes_from_an_instance_that_is_ahead", func(t *testing.T) {
		t.Parallel()
		url, conn := application(t)
		a := launch(t, url)
		b := launch(t, url, func(o *Options) {
			o.Source.Mode, o.Source.PollInterval = pglisten.Poll, time.Hour
		})
		c := dial(t, a.http, "")
		c.join("topic_7", "")
		exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'one')`)
		c.want("message_created")

		again := dial(t, b.http, "")
		replay, joined := again.join("topic_7", c.cursor)
		if joined.Payload.Recover == nil || !*joined.Payload.Recover || len(replay) != 0 {
			t.Errorf("joined: %v after %v", joined, replay)
		}
		if joined.Payload.Cursor == "" || b.source.Stats().Changes != 1 {
			t.Errorf("b read %d changes", b.source.Stats().Changes)
		}
	})

	t.Run("poll_mode", func(t *testing.T) {
		t.Parallel()
		url, conn := application(t)
		d := launch(t, url, func(o *Options) { o.Source.Mode = pglisten.Poll })
		c := dial(t, d.http, "topics=topic_7")
		exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
		c.want("message_created")
	})

	t.Run("a_large_transaction_is_announced", func(t *testing.T) {
		t.Parallel()
		url, conn := application(t)
		d := launch(t, url, func(o *Options) { o.TransactionEvents = 10 })
		c := dial(t, d.http, "topics=topic_7")
		exec(t, conn, `INSERT INTO messages (topic_id) SELECT 7 FROM generate_series(1, 11)`)
		if f := c.want("$resync"); f.Payload.Reason != "bulk" || f.Payload.Topics[0] != "topic_7" {
			t.Errorf("got %v", f)
		}
		exec(t, conn, `INSERT INTO messages (topic_id, content) SELECT 7, 'few' FROM generate_series(1, 10)`)
		if f := c.want("message_created"); f.Payload.Message["content"] != "few" {
			t.Errorf("got %v", f)
		}
	})

	t.Run("a_channel_that_an_application_already_uses", func(t *testing.T) {
		t.Parallel()
		url, conn := application(t)
		d := launch(t, url, func(o *Options) {
			o.Channels = []Channel{{Name: "orders", Type: "order_changed", Topics: []string{"order_{id}"}}}
		})
		c := dial(t, d.http, "topics=order_5")
		exec(t, conn, `NOTIFY orders, '{"id": "5"}'`)
		if f := c.want("order_changed"); f.ID != "" || f.Cursor != "" || f.Payload.ID != "5" {
			t.Errorf("got %v", f)
		}
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	d := launch(t, url)
	if code, body := get(t, "http://"+d.admin+"/readyz"); code != http.StatusOK {
		t.Errorf("readyz: %d %s", code, body)
	}
	library := dial(t, d.http, "")
	library.join("topic_7", "")
	plain := dial(t, d.http, "topics=topic_7")
	sse := stream(t, d.http, "topics=topic_7")
	exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'last')`)
	for _, c := range []*client{library, plain, sse} {
		c.want("message_created")
	}

	mute, err := net.Dial("tcp", d.http) // asks for nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close() //nolint:errcheck // nothing was written
	if err := d.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if f := library.want("$bye"); f.Payload.Code != 1012.0 {
		t.Errorf("bye: %v", f)
	}
	if code := library.ended(); code != websocket.StatusServiceRestart {
		t.Errorf("library closed with %v", library.end)
	}
	if code := plain.ended(); code != websocket.StatusServiceRestart {
		t.Errorf("plain closed with %v", plain.end)
	}
	sse.ended()

	// In the direction of the road.
	rest := d.log.String()
	for _, step := range []string{"readiness", `"new sockets"`, "source", "sessions", "hub", "http", "admin"} {
		_, after, found := strings.Cut(rest, "step="+step+" ")
		if !found {
			t.Fatalf("no step %s in its place:\n%s", step, d.log)
		}
		if step == "http" { // net/http itself would wait 5 s
			var took string
			if _, err := fmt.Sscanf(after, "took=%s", &took); err != nil {
				t.Fatal(err)
			}
			if d, err := time.ParseDuration(took); err != nil || d > 4*time.Second {
				t.Errorf("a connection that asks for nothing held it up for %s", took)
			}
		}
		rest = after
	}
}

// While it drains, the balancer is told and clients are still served.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	d := launch(t, url, func(o *Options) { o.DrainDelay = 2 * time.Second })
	c := dial(t, d.http, "topics=topic_7")
	d.stop()
	poll(t, func() bool {
		code, _ := get(t, "http://"+d.admin+"/readyz")
		return code == http.StatusServiceUnavailable
	})
	if code, body := get(t, "http://"+d.admin+"/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d %s", code, body)
	}
	exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'late')`)
	c.want("message_created")
}

// poll asks until the answer is yes.
func poll(t *testing.T, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not come to pass")
		}
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // after the parallel tests
	bare := pgtest.Database(t)
	exec(t, pgtest.Connect(t, bare), `DROP SCHEMA rowcast CASCADE`)
	tests := map[string]struct {
		o    Options
		want string
	}{
		"port_taken":       {Options{HTTPAddr: taken.Addr().String(), Source: pglisten.Options{URL: url}}, "http.addr: "},
		"admin_port_taken": {Options{AdminAddr: taken.Addr().String(), Source: pglisten.Options{URL: url}}, "admin.addr: "},
		"open_to_all":      {Options{HTTPAddr: ":0", Source: pglisten.Options{URL: url}}, "auth.mode is not chosen"},
		"no_schema":        {Options{HTTPAddr: "127.0.0.1:0", Source: pglisten.Options{URL: bare}}, "rowcast migrate up"},
		"no_database":      {Options{HTTPAddr: "127.0.0.1:0", Source: pglisten.Options{URL: strings.Replace(url, "?", "x?", 1)}}, "does not exist"},
		"no_url":           {Options{HTTPAddr: "127.0.0.1:0", Source: pglisten.Options{URL: "postgres://%"}}, "parse"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &buffer{}
			tt.o.Logger = slog.New(slog.NewTextHandler(log, nil))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			d, err := New(tt.o)
			if err == nil {
				err = d.Run(ctx)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Run: %v, want %q", err, tt.want)
			}
			if log.String() != "" {
				t.Errorf("it said more than its error:\n%s", log)
			}
		})
	}
}

// An interrupt while it comes up is an orderly end.
func TestStartInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d, err := New(Options{HTTPAddr: "127.0.0.1:0", Source: pglisten.Options{URL: pgtest.Daemon(t, pgtest.Database(t))}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	d := launch(t, url, func(o *Options) { o.Gate.Limits.Connections = 17 })
	dial(t, d.http, "topics=no%20name").ended()
	c := dial(t, d.http, "topics=messages")
	exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
	c.want("message_created")
	exec(t, conn, `BEGIN; SELECT rowcast.bulk('messages'); INSERT INTO messages (topic_id) VALUES (7); COMMIT`)
	c.want("$resync")
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ok", "/debug/pprof/cmdline": "bridge",
		"/metrics": "rowcast_source_connected 1",
	} {
		code, body := get(t, "http://"+d.admin+path)
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	_, body := get(t, "http://"+d.admin+"/metrics")
	for _, want := range []string{
		"rowcast_events_total 1", "rowcast_deliveries_total 2", "rowcast_connections 1", "rowcast_ws_sessions 1", "go_goroutines",
		`rowcast_refused_total{setting="limits.connections"} 0`, `rowcast_denied_total{code="bad_topic"} 1`,
		"rowcast_connections_limit 17", "rowcast_auth_question_seconds_count 0", "rowcast_evictions_total 0",
		`rowcast_resyncs_total{reason="bulk"} 1`, `rowcast_resyncs_total{reason="cursor_expired"} 0`, "rowcast_resyncs_made_total 1",
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	if n := len(regexp.MustCompile(`(?m)^rowcast_source_state\{.* 1$`).FindAllString(body, -1)); n != 1 {
		t.Errorf("the source is in %d states", n)
	}
	if code, _ := get(t, "http://"+d.http+"/metrics"); code != http.StatusNotFound {
		t.Errorf("clients see the metrics: %d", code)
	}
	problems, err := testutil.CollectAndLint(newCollector(d.figures))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
