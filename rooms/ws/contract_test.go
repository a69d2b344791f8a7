package ws

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// What the socket takes for granted of the library, which promises little of it: to be
// run at each upgrade of github.com/coder/websocket.

// accepted is a connection of the library's on our socket.
type accepted struct {
	*end
	conn   *websocket.Conn
	spy    *spy
	client *rawConn
	err    chan error // what reading ended with
}

// spy stands between the library and the socket, and takes down what is written.
type spy struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
	after  func() // called after each write; nil: nothing is
}

func (s *spy) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.writes = append(s.writes, bytes.Clone(p))
	after := s.after
	s.mu.Unlock()
	n, err := s.Conn.Write(p)
	if after != nil {
		after()
	}
	return n, err
}

// wrote returns what the library has written.
func (s *spy) wrote() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// spied is a hijacker that puts a spy before the socket, and gives the library a buffer
// of another size.
type spied struct {
	*hijacker
	buffer int
	spy    *spy
}

func (s *spied) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := s.hijacker.Hijack()
	if err != nil {
		return nil, nil, err
	}
	s.spy = &spy{Conn: conn}
	return s.spy, bufio.NewReadWriter(rw.Reader, bufio.NewWriterSize(s.spy, s.buffer)), nil
}

// accept has the library accept a connection as Handler does, with a write buffer of the
// size, and read it.
func accept(t *testing.T, buffer int, o websocket.AcceptOptions) *accepted {
	t.Helper()
	a := &accepted{err: make(chan error, 1)}
	ready := make(chan error, 1)
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := &spied{buffer: buffer, hijacker: &hijacker{ResponseWriter: w, wrap: func(c net.Conn) *socket {
				a.end = newEnd(c)
				return a.socket
			}}}
			var err error
			a.conn, err = websocket.Accept(h, r, &o)
			a.spy = h.spy
			ready <- err
		}),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(l) })
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = client.SetDeadline(time.Now().Add(time.Minute))
	a.client = &rawConn{t, client, bufio.NewReader(client)}
	a.client.shakeHands("/", plain, "")
	if err := <-ready; err != nil || a.end == nil {
		t.Fatalf("the library did not take our connection: %v", err)
	}
	running.Go(func() {
		_, _, err := a.conn.Read(context.Background())
		a.err <- err
	})
	t.Cleanup(func() {
		_ = client.Close()
		_ = a.conn.CloseNow()
		_ = server.Close()
		running.Wait()
		a.flushers.Wait()
	})
	return a
}

// TestContract_bytes: what a client gets, from the first byte to the last, is what it
// got when this was written.
func TestContract_bytes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	c := w.raw(t)
	c.write([]byte(strings.NewReplacer("/ws", "/ws?topics=a", library, plain).Replace(handshake)))
	head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-Websocket-Protocol: rowcast.plain\r\nUpgrade: websocket\r\nDate: "
	sees := func(more string) {
		t.Helper()
		got := make([]byte, len(more))
		if _, err := io.ReadFull(c.in, got); err != nil || string(got) != more {
			t.Fatalf("%q, %v, want %q", got, err, more)
		}
	}
	sees(head)
	if _, err := c.in.Discard(len(http.TimeFormat)); err != nil {
		t.Fatal(err)
	}
	sees("\r\n\r\n")
	for _, data := range []string{`{"type":"t"}`, strings.Repeat("x", 300), strings.Repeat("y", 70_000)} {
		w.hub.Publish(rooms.Batch{Items: []rooms.Item{{Topics: []string{"a"}, Data: []byte(data), XID: 1}}, Partial: true})
	}
	sees("\x81\x0c{\"type\":\"t\"}")
	sees("\x81\x7e\x01\x2c" + strings.Repeat("x", 300))
	sees("\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x70" + strings.Repeat("y", 70_000))
	c.write(masked(0x89, "hey"))
	sees("\x8a\x03hey")
	c.write(masked(0x88, "\x03\xe8"))
	sees("\x88\x02\x03\xe8")
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v at the end", rest, err)
	}
}

// TestContract_control: the library writes whole control frames and nothing else, each
// in one Write, if its buffer is as long as ours.
func TestContract_control(t *testing.T) {
	t.Parallel()
	a := accept(t, writeBuffer, websocket.AcceptOptions{})
	long := strings.Repeat("x", 125)
	for _, payload := range []string{"", "hey", long} {
		a.client.write(masked(0x89, payload))
		if op, got := a.client.read(); op != 0x8A || string(got) != payload {
			t.Errorf("%#x %q answers a ping", op, got)
		}
	}
	var pinging sync.WaitGroup
	pinging.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := a.conn.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
	_, payload := a.client.read()
	a.client.write(masked(0x8A, string(payload)))
	pinging.Wait()
	a.client.write(masked(0x88, "\x0f\xa0"+long[2:])) // is answered by the same
	if op, got := a.client.read(); op != 0x88 || string(got) != "\x0f\xa0"+long[2:] {
		t.Errorf("%#x %q answers a close frame", op, got)
	}
	if err := <-a.err; websocket.CloseStatus(err) != 4000 {
		t.Errorf("reading ended with %v", err)
	}
	writes := a.spy.wrote()
	if len(writes) != 5 {
		t.Errorf("%d writes of 5 frames", len(writes))
	}
	for _, p := range writes {
		if frameLen(p) != len(p) || p[0]&0x88 != 0x88 {
			t.Errorf("the library wrote %q", p)
		}
	}
}

// TestContract_cut: frames leave whole though the library's buffer be too short for
// them, and a ping of ours comes between.
func TestContract_cut(t *testing.T) {
	t.Parallel()
	a := accept(t, 16, websocket.AcceptOptions{})
	const pings = 20
	payload := strings.Repeat("x", 125)
	a.spy.mu.Lock()
	a.spy.after = a.ping
	a.spy.mu.Unlock()
	a.client.write(bytes.Repeat(masked(0x89, payload), pings))
	ours := 0
	for pongs := 0; pongs < pings; {
		switch op, got := a.client.read(); {
		case op == 0x89 && len(got) == 0:
			ours++
		case op == 0x8A && string(got) == payload:
			pongs++
		default:
			t.Fatalf("%#x %q", op, got)
		}
	}
	if n := len(a.spy.wrote()); n <= pings || ours < pings {
		t.Errorf("%d writes, %d pings of ours: nothing was cut", n, ours)
	}
}

// TestContract_interleaved: what is sent past the library and what it writes itself come
// out whole, each in its order.
func TestContract_interleaved(t *testing.T) {
	t.Parallel()
	a := accept(t, writeBuffer, websocket.AcceptOptions{})
	const events, pings = 5_000, 500
	for _, err := range []error{ // congested soon, and often
		a.Conn.(*net.TCPConn).SetWriteBuffer(4 << 10),
		a.client.conn.(*net.TCPConn).SetReadBuffer(4 << 10),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var running sync.WaitGroup
	running.Go(func() {
		for i := 0; i < events; {
			var batch []rooms.Frame
			for range 1 + i%7 {
				batch = append(batch, text(fmt.Sprintf("%d %s", i, strings.Repeat("x", (i*37)%700))))
				i++
			}
			if err := a.sendAll(batch...); err != nil {
				t.Error(err)
				return
			}
		}
		_ = a.conn.Close(4001, "bye")
	})
	running.Go(func() {
		for i := range pings {
			a.client.write(masked(0x89, fmt.Sprint(i)))
		}
	})
	event, ours, pong := 0, 0, -1
	for last := false; !last; {
		op, payload := a.client.read()
		var n int
		_, err := fmt.Sscanf(string(payload), "%d", &n)
		switch {
		case op == 0x81 && err == nil && n == event:
			if event++; event%(events/pings) == 0 {
				a.ping() // now there is room, and the flusher may be in the middle of a frame
			}
		case op == 0x8A && err == nil && n > pong: // some may be left out
			pong = n
		case op == 0x89 && len(payload) == 0:
			ours++
		case op == 0x88 && string(payload) == "\x0f\xa1bye":
			last = true
		default:
			t.Fatalf("%#x %.100q after event %d and pong %d", op, payload, event, pong)
		}
	}
	if event < events || pong < 0 || ours == 0 {
		t.Errorf("%d events, %d of our pings, pongs up to %d", event, ours, pong)
	}
	a.client.write(masked(0x88, "\x0f\xa1"))
	if rest, err := io.ReadAll(a.client.in); err != nil || len(rest) > 0 {
		t.Errorf("%q follows the close frame, %v", rest, err)
	}
	running.Wait()
}

// TestContract_last: nothing follows a close frame, be it the first one of the two or the
// answer, while others go on sending as fast as they can.
func TestContract_last(t *testing.T) {
	t.Parallel()
	for _, client := range []bool{false, true} {
		for range 10 {
			a := accept(t, writeBuffer, websocket.AcceptOptions{})
			var running sync.WaitGroup
			running.Go(func() {
				batch := []rooms.Frame{text("one"), text(strings.Repeat("x", 300))}
				for a.alive() {
					if err := a.sendAll(batch...); err != nil {
						return
					}
				}
			})
			running.Go(func() {
				for a.alive() {
					a.ping()
				}
			})
			for range 100 {
				a.client.read()
			}
			if client {
				a.client.write(masked(0x88, "\x0f\xa1"))
			} else {
				running.Go(func() { _ = a.conn.Close(4001, "") })
			}
			a.client.expectClose(4001)
			if !client {
				a.client.write(masked(0x88, "\x0f\xa1"))
			}
			if rest, err := io.ReadAll(a.client.in); err != nil || len(rest) > 0 {
				t.Fatalf("%d bytes follow the close frame, %v", len(rest), err)
			}
			_ = a.conn.CloseNow()
			running.Wait()
		}
	}
}

// TestContract_buffers: the short cut of net.Buffers leads to Write, which knows what may
// still be sent.
func TestContract_buffers(t *testing.T) {
	t.Parallel()
	s, client := tcpSocket(t)
	late := text("late").Framed
	for _, p := range [][]byte{wholePing, {0x88, 0}, late} {
		b := net.Buffers{p[:1], p[1:]}
		if _, err := b.WriteTo(s.socket); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "\x89\x00\x88\x00" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestContract_dead: the library's reader ends when the socket has, and it closes without
// waiting for anything.
func TestContract_dead(t *testing.T) {
	t.Parallel()
	for name, die := range map[string]func(*accepted){
		"closed by us":    func(a *accepted) { _ = a.Close() },
		"reset by client": func(a *accepted) { reset(t, a.client.conn) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := accept(t, writeBuffer, websocket.AcceptOptions{})
			die(a)
			begin := time.Now()
			if err := <-a.err; err == nil || websocket.CloseStatus(err) != -1 {
				t.Errorf("reading ended with %v", err)
			}
			_ = a.conn.Close(4001, "")
			_ = a.conn.CloseNow()
			_ = a.conn.Close(4001, "")
			if d := time.Since(begin); d > 4*time.Second { // the library's shortest wait is 5 s
				t.Errorf("closing took %v", d)
			}
		})
	}
}

// reset closes the connection so that the peer is told by RST.
func reset(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Error(err)
	}
	_ = conn.Close()
}

// TestContract_callbacks: pings and pongs are told of, those too that nobody asked for,
// and who says so does not answer a ping.
func TestContract_callbacks(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 10)
	a := accept(t, writeBuffer, websocket.AcceptOptions{
		OnPingReceived: func(_ context.Context, payload []byte) bool {
			heard <- "ping " + string(payload)
			return string(payload) != "quiet"
		},
		OnPongReceived: func(_ context.Context, payload []byte) { heard <- "pong " + string(payload) },
	})
	a.client.write(join(masked(0x8A, "unasked"), masked(0x89, "quiet"), masked(0x8A, ""), masked(0x89, "hey")))
	for _, want := range []string{"pong unasked", "ping quiet", "pong ", "ping hey"} {
		if got := <-heard; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	if op, payload := a.client.read(); op != 0x8A || string(payload) != "hey" {
		t.Errorf("%#x %q answers", op, payload)
	}
}

// TestContract_early: what a client sends behind its handshake, without waiting for the
// answer, is read, be it long or short.
func TestContract_early(t *testing.T) {
	t.Parallel()
	w := setup(t, func(_ *rooms.Options, a *auth.Options, o *Options) {
		o.FramesPerSecond, a.Limits.FrameBytes = -1, 100_000
	})
	const frames = 300
	var many []byte
	for i := range frames {
		many = append(many, masked(0x81, fmt.Sprintf(`{"type":"ping","ref":%d}`, i))...)
	}
	for name, early := range map[string][]byte{
		"many frames":                   many,
		"as much as the library's read": many[:readBuffer],
		"a byte":                        many[:1],
		"one long frame": append(longHead(0x81, 20_000+len(`{"type":"ping","ref":0}`)),
			strings.Replace(`{"type":"ping","ref":0}`, ":", ":"+strings.Repeat(" ", 20_000), 1)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := w.raw(t)
			want := 1
			var sending sync.WaitGroup
			sending.Go(func() {
				c.write(append([]byte(handshake), early...))
				if rest, ok := bytes.CutPrefix(many, early); ok {
					c.write(rest)
				}
			})
			if bytes.HasPrefix(many, early) {
				want = frames
			}
			defer sending.Wait()
			if _, err := http.ReadResponse(c.in, nil); err != nil {
				t.Fatal(err)
			}
			if _, data := c.read(); !strings.Contains(string(data), "$welcome") {
				t.Fatalf("%s", data)
			}
			for i := range want {
				_, data := c.read()
				f := parseFrame(t, data)
				if f.Type != "$pong" || string(f.Ref) != fmt.Sprint(i) {
					t.Fatalf("frame %d is answered by %s", i, f.raw)
				}
			}
		})
	}
}

// longHead is the header of a masked frame, masked with zeros.
func longHead(first byte, size int) []byte {
	head := binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(size))
	return append(head, 0, 0, 0, 0)
}
