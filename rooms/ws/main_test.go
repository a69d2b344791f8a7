package ws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
	"rowcast/rooms/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a daemon's endpoint with its hub, reached over TCP or in memory.
type world struct {
	hub     *rooms.Hub
	gate    *auth.Gate
	handler *Handler
	dial    func(context.Context) (net.Conn, error)
	offer   websocket.CompressionMode // of clients; default: none

	mu     sync.Mutex
	xid    uint64   // of the last event
	tokens []string // that were issued
	log    bytes.Buffer
}

// setting changes what a world is made of.
type setting func(*rooms.Options, *auth.Options, *Options)

// setup starts a world over TCP.
func setup(t *testing.T, settings ...setting) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, l, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}, settings...)
}

// inMemory starts a world in a synctest bubble: connections are pipes, which
// hold not a single byte, and time is the bubble's.
func inMemory(t *testing.T, settings ...setting) *world {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	return start(t, l, l.dial, settings...)
}

func start(t *testing.T, l net.Listener, dial func(context.Context) (net.Conn, error), settings ...setting) *world {
	t.Helper()
	ro, ao, o := rooms.Options{Lookback: time.Hour}, auth.Options{Addr: "127.0.0.1:80"}, Options{}
	for _, set := range settings {
		set(&ro, &ao, &o)
	}
	w := &world{dial: dial, xid: 100}
	log := slog.New(slog.NewTextHandler(writer(w.record), &slog.HandlerOptions{Level: slog.LevelDebug}))
	ro.Logger, ao.Logger, o.Logger = log, log, log
	w.hub = rooms.New(ro)
	ao.Hub = w.hub
	var err error
	if w.gate, err = auth.New(ao); err != nil {
		t.Fatal(err)
	}
	w.hub.Reset(rooms.Reset{Epoch: "test", Snapshot: snapshot.New(101), Floor: snapshot.New(101)})
	w.handler = New(w.hub, w.gate, o)
	server := &http.Server{
		Handler:           w.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelError),
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.hub.Run(ctx) })
	running.Go(func() { _ = w.gate.Run(ctx) })
	running.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		over, stop := context.WithTimeout(context.Background(), 200*time.Millisecond)
		_ = w.handler.Shutdown(over)
		stop()
		_ = server.Close()
		cancel()
		running.Wait()
		if n := w.gate.Stats().Connections; n != 0 {
			t.Errorf("%d places in the gate were not given back", n)
		}
		if n := w.hub.Stats().Subscribers; n != 0 {
			t.Errorf("%d subscribers were left in the hub", n)
		}
		w.keptSecret(t, "the log", w.log.String())
	})
	return w
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
func (w *world) keptSecret(t *testing.T, where, text string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, token := range w.tokens {
		for part := range strings.SplitSeq(token, ".") {
			if part != "" && strings.Contains(text, part) {
				t.Errorf("%s holds a piece of a token: %s", where, text)
			}
		}
	}
}

// cursor resumes after the event of xid.
func cursor(xid uint64) string {
	return snapshot.Cursor{Epoch: "test", Snapshot: snapshot.New(xid + 1)}.Encode()
}

// publish sends one event to the topics and returns its text.
func (w *world) publish(topics ...string) string { return w.publishSized(0, topics...) }

// publishSized pads the event with so many bytes.
func (w *world) publishSized(pad int, topics ...string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.xid++
	names, _ := json.Marshal(topics)
	data := fmt.Sprintf(`{"type":"test_created","topics":%s,"payload":{"pad":%q},"id":"test.%d","cursor":%q}`,
		names, strings.Repeat("x", pad), w.xid, cursor(w.xid))
	w.hub.Publish(rooms.Batch{
		Items:    []rooms.Item{{Topics: topics, Data: []byte(data), Cursor: cursor(w.xid), XID: w.xid}},
		Snapshot: snapshot.New(w.xid + 1),
	})
	return data
}

// client is one end of a connection, as a program with a WebSocket library has
// it: it reads always, which answers pings too.
type client struct {
	t      *testing.T
	w      *world
	conn   *websocket.Conn
	frames chan frame // closed when reading failed
	err    error      // why; set before the close
}

// connect opens path, asking for the protocols.
func (w *world) connect(t *testing.T, path string, protocols ...string) *client {
	t.Helper()
	return w.connectWith(t, nil, path, protocols...)
}

// connectWith does so with headers.
func (w *world) connectWith(t *testing.T, header http.Header, path string, protocols ...string) *client {
	t.Helper()
	conn, response, err := w.try(t, path, header, protocols...)
	if err != nil {
		t.Fatal(err)
	}
	w.keptSecret(t, "the answer's head", fmt.Sprint(response.Header))
	c := &client{t: t, w: w, conn: conn, frames: make(chan frame, 1<<16)}
	var reading sync.WaitGroup
	reading.Go(c.read)
	t.Cleanup(func() {
		_ = conn.CloseNow()
		reading.Wait()
	})
	return c
}

// try opens a connection that nobody reads, or fails.
func (w *world) try(t *testing.T, path string, header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) },
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, "ws://127.0.0.1:80"+path, &websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: transport},
		CompressionMode: w.offer,
		HTTPHeader:      header,
		Subprotocols:    protocols,
	})
	if err != nil {
		return nil, response, err
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, response, nil
}

// library connects at the library level and reads the $welcome.
func (w *world) library(t *testing.T) *client {
	t.Helper()
	c := w.connect(t, "/ws", library)
	c.expect("$welcome")
	return c
}

// send sends a frame.
func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if err := c.write(websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) write(kind websocket.MessageType, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return c.conn.Write(ctx, kind, data)
}

// frame is what tests look at in a server's frame.
type frame struct {
	raw     string
	Type    string          `json:"type"`
	Ref     json.RawMessage `json:"ref"`
	Payload struct {
		Code      any                     `json:"code"` // a string; in $bye a number
		Expires   *int64                  `json:"expires_in_ms"`
		In        int64                   `json:"in_ms"`
		Reconnect bool                    `json:"reconnect"`
		Retry     int                     `json:"retry_after_ms"`
		Message   string                  `json:"message"`
		Topics    []string                `json:"topics"`
		Denied    map[string]rooms.Denial `json:"denied"`
		Replayed  int                     `json:"replayed"`
		Recovered *bool                   `json:"recovered"`
		Reason    string                  `json:"reason"`
		Cursor    string                  `json:"cursor"`
	} `json:"payload"`
}

func parseFrame(t *testing.T, data []byte) frame {
	t.Helper()
	f := frame{raw: string(data)}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Errorf("%v in %s", err, data)
	}
	return f
}

func (c *client) read() {
	defer close(c.frames)
	for {
		kind, data, err := c.conn.Read(context.Background())
		if err == nil && kind != websocket.MessageText {
			err = errors.New("binary frame")
		}
		if err != nil {
			c.err = err
			return
		}
		c.w.keptSecret(c.t, "a frame", string(data))
		c.frames <- parseFrame(c.t, data)
	}
}

// receive returns the next frame but $ping, which comes when it comes.
func (c *client) receive() (frame, error) {
	for {
		select {
		case f, ok := <-c.frames:
			if !ok {
				return frame{}, c.err
			}
			if f.Type != "$ping" {
				return f, nil
			}
		case <-time.After(time.Minute):
			return frame{}, errors.New("no frame in a minute")
		}
	}
}

// expect reads the next frame, which must be of this type.
func (c *client) expect(kind string) frame {
	c.t.Helper()
	f, err := c.receive()
	if err != nil {
		c.t.Fatalf("want %s, got %v", kind, err)
	}
	if f.Type != kind {
		c.t.Fatalf("want %s, got %s", kind, f.raw)
	}
	return f
}

// expectEvent reads the next frame, which must be this event.
func (c *client) expectEvent(data string) {
	c.t.Helper()
	if f := c.expect("test_created"); f.raw != data {
		c.t.Fatalf("got event\n%s, want\n%s", f.raw, data)
	}
}

// expectClose reads the close frame.
func (c *client) expectClose(code websocket.StatusCode) {
	c.t.Helper()
	f, err := c.receive()
	if got := websocket.CloseStatus(err); got != code {
		c.t.Fatalf("want close %d, got %v %v %s", code, got, err, f.raw)
	}
}

// join joins topics and reads the $joined.
func (c *client) join(topics ...string) {
	c.t.Helper()
	names, _ := json.Marshal(topics)
	c.send(`{"type":"join","topics":%s}`, names)
	c.expect("$joined")
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }

// refreshAfter is a database that answers when answer is closed.
func refreshAfter(answer chan struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-answer:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
