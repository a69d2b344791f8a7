package sse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
	"rowcast/rooms/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a daemon's endpoint with its hub.
type world struct {
	t       *testing.T
	hub     *rooms.Hub
	gate    *auth.Gate
	handler *Handler
	url     string
	client  *http.Client
	xid     uint64 // of the last event

	mu     sync.Mutex
	log    strings.Builder
	tokens []string // that were issued
}

type setting func(*rooms.Options, *auth.Options, *Options)

// setup starts a world over TCP.
func setup(t *testing.T, settings ...setting) *world {
	t.Helper()
	w := &world{t: t, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	server := httptest.NewUnstartedServer(nil)
	w.start(settings...)
	server.Config.Handler = w.handler
	server.Start()
	w.url = server.URL
	t.Cleanup(func() { w.stop(); server.Close() })
	return w
}

// inMemory starts a world in a synctest bubble, over pipes.
func inMemory(t *testing.T, settings ...setting) *world {
	t.Helper()
	conns := make(chan net.Conn)
	w := &world{t: t, url: "http://127.0.0.1:80", client: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			conns <- server
			return client, nil
		},
	}}}
	w.start(settings...)
	server := &http.Server{Handler: w.handler, ReadHeaderTimeout: 5 * time.Second}
	l := &pipes{conns: conns, closed: make(chan struct{})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { w.stop(); _ = server.Close(); serving.Wait() })
	return w
}

func (w *world) start(settings ...setting) {
	ro, ao, o := rooms.Options{}, auth.Options{Addr: "127.0.0.1:80"}, Options{}
	for _, set := range settings {
		set(&ro, &ao, &o)
	}
	log := slog.New(slog.NewTextHandler(writer(w.record), &slog.HandlerOptions{Level: slog.LevelDebug}))
	ro.Logger, ao.Logger, o.Logger = log, log, log
	w.xid, w.hub = 100, rooms.New(ro)
	ao.Hub = w.hub
	var err error
	if w.gate, err = auth.New(ao); err != nil {
		w.t.Fatal(err)
	}
	w.hub.Reset(rooms.Reset{Epoch: "test", Snapshot: snapshot.New(101), Floor: snapshot.New(101)})
	w.handler = New(w.hub, w.gate, o)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.hub.Run(ctx) })
	running.Go(func() { _ = w.gate.Run(ctx) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
}

func (w *world) stop() {
	over, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = w.handler.Shutdown(over)
	if n := w.gate.Stats().Connections; n != 0 {
		w.t.Errorf("%d places in the gate were not given back", n)
	}
	if n := w.hub.Stats().Subscribers; n != 0 {
		w.t.Errorf("%d subscribers were left in the hub", n)
	}
	w.keptSecret("the log", w.log.String())
}

// writer makes a function an io.Writer.
type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// record takes down what is logged.
func (w *world) record(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.Write(p)
}

// keptSecret looks for tokens, or parts of them, where none may be.
func (w *world) keptSecret(where, text string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, token := range w.tokens {
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(text, part) {
				w.t.Errorf("%s holds a piece of a token: %s", where, text)
			}
		}
	}
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }

func cursor(xid uint64) string {
	return snapshot.Cursor{Epoch: "test", Snapshot: snapshot.New(xid + 1)}.Encode()
}

// publish sends one event and returns the block a stream shows it as.
func (w *world) publish(topics ...string) string {
	w.xid++
	data := fmt.Sprintf(`{"type":"test_created","id":"test.%d"}`, w.xid)
	w.hub.Publish(rooms.Batch{
		Items:    []rooms.Item{{Topics: topics, Data: []byte(data), Cursor: cursor(w.xid), XID: w.xid}},
		Snapshot: snapshot.New(w.xid + 1),
	})
	return "id: " + cursor(w.xid) + "\ndata: " + data
}

// listener is what a client reads.
type listener struct {
	t        *testing.T
	w        *world
	response *http.Response
	lines    *bufio.Reader
}

// get opens path with headers given as name, value, …
func (w *world) get(t *testing.T, path string, headers ...string) *listener {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, w.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	w.keptSecret("the answer's head", fmt.Sprint(response.Header))
	return &listener{t, w, response, bufio.NewReader(response.Body)}
}

// block reads up to the next blank line.
func (s *listener) block() (string, error) {
	var lines []string
	for {
		line, err := s.lines.ReadString('\n')
		s.w.keptSecret("a stream", line)
		if err != nil {
			return strings.Join(lines, "\n"), err
		}
		if line == "\n" {
			return strings.Join(lines, "\n"), nil
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
}

// expect reads the next block, which must match the pattern.
func (s *listener) expect(pattern string) {
	s.t.Helper()
	got, err := s.block()
	if err != nil || !regexp.MustCompile("^(?:"+pattern+")$").MatchString(got) {
		s.t.Fatalf("want %s, got %q, %v", pattern, got, err)
	}
}

func (s *listener) expectEvent(block string) {
	s.t.Helper()
	s.expect(regexp.QuoteMeta(block))
}

// expectEnd reads the end of a stream that was ended well.
func (s *listener) expectEnd() {
	s.t.Helper()
	if got, err := s.block(); !errors.Is(err, io.EOF) || got != "" {
		s.t.Fatalf("want the end, got %q, %v", got, err)
	}
}

func (s *listener) body() string {
	b, _ := io.ReadAll(s.lines)
	s.w.keptSecret("a body", string(b))
	return string(b)
}

const anyRetry = `retry: \d+`

func TestStream(t *testing.T) {
	t.Parallel()
	t.Run("events", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		s := w.get(t, "/sse?topics=topic_7,messages")
		if s.response.StatusCode != http.StatusOK {
			t.Fatal(s.response.Status)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", "Cache-Control": "no-store",
		} {
			if got := s.response.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		first, second := w.publish("topic_7"), w.publish("topic_7", "messages")
		w.publish("elsewhere")
		s.expect(anyRetry + "\nid: " + cursor(100))
		s.expectEvent(first)
		s.expectEvent(second)
		s.expectEvent(w.publish("messages"))
	})
	t.Run("an event without a cursor", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		s := w.get(t, "/sse?topics=a")
		w.hub.Publish(rooms.Batch{Items: []rooms.Item{{Topics: []string{"a"}, Data: []byte(`{"type":"x"}`)}}, Snapshot: snapshot.New(101)})
		s.expect(anyRetry + "\nid: .*")
		s.expect(`data: {"type":"x"}`)
	})
	t.Run("since and Last-Event-ID", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		start := w.hub.Cursor()
		first, second := w.publish("a"), w.publish("a")
		s := w.get(t, "/sse?topics=a&since="+start)
		s.expect(anyRetry)
		s.expectEvent(first)
		s.expectEvent(second)
		s = w.get(t, "/sse?topics=a&since="+start, "Last-Event-ID", cursor(101))
		s.expect(anyRetry)
		s.expectEvent(second)
		s.expectEvent(w.publish("a"))
	})
	t.Run("a cursor that means nothing", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		s := w.get(t, "/sse?topics=a", "Last-Event-ID", "what?")
		s.expect(anyRetry)
		s.expect("id: " + cursor(100) + "\n" + `data: {"type":"\$resync",.*"cursor_foreign".*}`)
		s.expectEvent(w.publish("a"))
	})
	t.Run("heartbeat", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t)
			s := w.get(t, "/sse?topics=a")
			s.expect(anyRetry + "\nid: " + cursor(100))
			begin := time.Now()
			w.publish("elsewhere")
			for range 3 {
				s.expect("id: " + cursor(101))
			}
			if d := time.Since(begin); d < 3*rooms.DefaultHeartbeat || d > 4*rooms.DefaultHeartbeat {
				t.Errorf("three heartbeats in %v", d)
			}
		})
	})
	t.Run("retry has jitter", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		seen := map[string]bool{}
		for range 10 {
			block, err := w.get(t, "/sse?topics=a").block()
			if err != nil {
				t.Fatal(err)
			}
			seen[block] = true
		}
		if len(seen) < 2 {
			t.Errorf("always %v", seen)
		}
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	limits := func(l auth.Limits) setting {
		return func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Limits = l }
	}
	t.Run("for good", func(t *testing.T) {
		t.Parallel()
		w := setup(t, limits(auth.Limits{Topics: 2}))
		for _, tt := range []struct {
			path    string
			headers []string
			status  int
			want    string
		}{
			{"/sse", nil, 400, "bad_topic"},
			{"/sse?topics=", nil, 400, "bad_topic"},
			{"/sse?topics=a,b*", nil, 400, "bad_topic"},
			{"/sse?topics=%zz", nil, 400, "bad_topic"},
			{"/sse?topics=a,b,c", nil, 400, "too_many_topics"},
			{"/sse?topics=a", []string{"Origin", "http://evil.example"}, 403, "http.allowed_origins"},
			{"/sse?topics=a", []string{"X-Forwarded-For", "192.0.2.1"}, 403, "auth.mode"},
		} {
			s := w.get(t, tt.path, tt.headers...)
			if body := s.body(); s.response.StatusCode != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%s %v: %d %s", tt.path, tt.headers, s.response.StatusCode, body)
			}
			if s.response.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %v: CORS for a page that is refused", tt.path, tt.headers)
			}
		}
		response, err := w.client.Post(w.url+"/sse?topics=a", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusMethodNotAllowed {
			t.Error(response.Status)
		}
	})
	t.Run("an allowed origin", func(t *testing.T) {
		t.Parallel()
		s := setup(t).get(t, "/sse?topics=a", "Origin", "http://localhost:5173")
		if got := s.response.Header.Get("Access-Control-Allow-Origin"); got != "http://localhost:5173" {
			t.Errorf("Access-Control-Allow-Origin %q", got)
		}
		if got := s.response.Header.Get("Vary"); got != "Origin" {
			t.Errorf("Vary %q", got)
		}
	})
	t.Run("for now: connections", func(t *testing.T) {
		t.Parallel()
		w := setup(t, limits(auth.Limits{Connections: 1}))
		w.get(t, "/sse?topics=a")
		s := w.get(t, "/sse?topics=a")
		if s.response.StatusCode != http.StatusOK {
			t.Fatal(s.response.Status)
		}
		s.expect(anyRetry + "\n" + `data: {"type":"\$error",.*"unavailable".*limits\.connections.*`)
		s.expectEnd()
	})
	t.Run("for now: the database is away", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(r *rooms.Options, _ *auth.Options, _ *Options) {
				r.Refresh = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			})
			s := w.get(t, "/sse?topics=a&since="+cursor(500))
			s.expect(anyRetry + "\n" + `data: {"type":"\$error",.*"unavailable".*`)
			s.expectEnd()
		})
	})
	t.Run("for now: the hub is closed", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		w.hub.Close()
		s := w.get(t, "/sse?topics=a")
		s.expect(anyRetry + "\n" + `data: {"type":"\$error",.*"unavailable".*`)
		s.expectEnd()
	})
}

// TestStuck: a client that takes nothing is cut off; the others never notice.
func TestStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t)
		other, stuck := w.get(t, "/sse?topics=a"), w.get(t, "/sse?topics=a")
		for _, s := range []*listener{other, stuck} {
			s.expect(anyRetry + "\nid: .*")
		}
		begin := time.Now()
		for range 100 {
			other.expectEvent(w.publish("a"))
		}
		for w.handler.Streams() > 1 {
			<-time.After(100 * time.Millisecond)
		}
		if d := time.Since(begin).Round(time.Second); d != DefaultWriteTimeout {
			t.Errorf("cut off after %v", d)
		}
		for range 10 {
			if _, err := stuck.block(); err != nil {
				return
			}
		}
		t.Error("the stuck stream goes on")
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	t.Run("ends what is there", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		s := w.get(t, "/sse?topics=a")
		event := w.publish("a")
		if err := w.handler.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expect(anyRetry + "\nid: .*")
		s.expectEvent(event)
		s.expect(anyRetry)
		s.expectEnd()
		s = w.get(t, "/sse?topics=a")
		s.expect(anyRetry + "\n" + `data: {"type":"\$error".*`)
		s.expectEnd()
	})
	t.Run("while a join waits", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(r *rooms.Options, _ *auth.Options, _ *Options) {
				r.Refresh = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			})
			var asking sync.WaitGroup
			var s *listener
			asking.Go(func() { s = w.get(t, "/sse?topics=a&since="+cursor(500)) })
			synctest.Wait()
			begin := time.Now()
			if err := w.handler.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(begin); d != 0 {
				t.Errorf("waited %v for the join", d)
			}
			asking.Wait()
			s.expect(anyRetry + "\n" + `data: {"type":"\$error".*"shutting down".*`)
			s.expectEnd()
		})
	})
	t.Run("cuts at the deadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(_ *rooms.Options, _ *auth.Options, o *Options) { o.WriteTimeout = time.Hour })
			s := w.get(t, "/sse?topics=a")
			s.expect(anyRetry + "\nid: .*")
			for range 100 { // more than the client's buffer holds
				w.hub.Publish(rooms.Batch{Items: []rooms.Item{{Topics: []string{"a"}, Data: []byte(strings.Repeat("x", 1000)), XID: 1}}})
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			begin := time.Now()
			err := w.handler.Shutdown(ctx)
			if d := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || d != 3*time.Second {
				t.Errorf("%v after %v", err, d)
			}
		})
	})
}
