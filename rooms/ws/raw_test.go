package ws

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

const handshake = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: rowcast.v1\r\n\r\n"

// rawConn is a client that knows no manners.
type rawConn struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (w *world) raw(t *testing.T) *rawConn {
	t.Helper()
	conn, err := w.dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return &rawConn{t, conn, bufio.NewReader(conn)}
}

// upgrade shakes hands and reads the $welcome.
func (c *rawConn) upgrade() {
	c.t.Helper()
	c.shakeHands("/ws", library, "")
	if op, data := c.read(); op != 0x81 || !strings.Contains(string(data), "$welcome") {
		c.t.Fatalf("%#x %s", op, data)
	}
}

// shakeHands upgrades at any level, with a token unless it is "".
func (c *rawConn) shakeHands(path, protocol, token string) {
	c.t.Helper()
	if token != "" {
		protocol += ", bearer." + token
	}
	c.write(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", path, protocol))
	response, err := http.ReadResponse(c.in, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatal(response, err)
	}
}

func (c *rawConn) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the next frame: its first byte and its payload.
func (c *rawConn) read() (first byte, payload []byte) {
	c.t.Helper()
	first, payload, err := readFrame(c.in)
	if err != nil {
		c.t.Fatal(err)
	}
	return first, payload
}

// readFrame reads one unmasked frame.
func readFrame(r io.Reader) (first byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		_, err = io.ReadFull(r, head[2:4])
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		_, err = io.ReadFull(r, head[2:10])
		n = binary.BigEndian.Uint64(head[2:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return head[0], payload, err
}

// expectClose reads up to the close frame.
func (c *rawConn) expectClose(code websocket.StatusCode) {
	c.t.Helper()
	for {
		op, payload := c.read()
		if op != 0x88 {
			continue
		}
		if got := binary.BigEndian.Uint16(payload); got != uint16(code) {
			c.t.Fatalf("want close %d, got %d %s", code, got, payload[2:])
		}
		return
	}
}

// masked is a frame as a client must send it, masked with zeros.
func masked(first byte, payload string) []byte {
	if len(payload) > 125 {
		panic("short frames only")
	}
	return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func TestFraming(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const ping = `{"type":"ping","ref":1}`
	for name, bytes := range map[string][]byte{
		"unmasked":                         append([]byte{0x81, byte(len(ping))}, ping...),
		"unmasked control frame":           {0x89, 0},
		"continuation of nothing":          masked(0x80, ping),
		"new message inside a message":     join(masked(0x01, `{"type"`), masked(0x81, ping)),
		"reserved bit":                     masked(0xC1, ping),
		"reserved opcode":                  masked(0x83, ping),
		"reserved control opcode":          masked(0x8B, ""),
		"control frame in pieces":          masked(0x09, "x"),
		"control frame too long":           {0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0},
		"close with half a code":           masked(0x88, "\x03"),
		"close with a code nobody may use": masked(0x88, "\x03\xed"), // 1005
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := w.raw(t)
			c.upgrade()
			c.write(bytes)
			c.expectClose(websocket.StatusProtocolError)
		})
	}
	t.Run("a message in pieces with a ping between", func(t *testing.T) {
		t.Parallel()
		c := w.raw(t)
		c.upgrade()
		c.write(join(masked(0x01, `{"type":`), masked(0x89, "hey"), masked(0x00, `"ping",`), masked(0x80, `"ref":1}`)))
		if op, data := c.read(); op != 0x8A || string(data) != "hey" {
			t.Fatalf("%#x %s", op, data)
		}
		if op, data := c.read(); op != 0x81 || !strings.Contains(string(data), "$pong") {
			t.Fatalf("%#x %s", op, data)
		}
	})
	t.Run("a client's close is answered", func(t *testing.T) {
		t.Parallel()
		c := w.raw(t)
		c.upgrade()
		c.write(masked(0x88, "\x03\xe9")) // 1001
		c.expectClose(websocket.StatusGoingAway)
		if _, _, err := readFrame(c.in); !errors.Is(err, io.EOF) {
			t.Fatalf("after the close handshake: %v", err)
		}
	})
	t.Run("sent with the handshake", func(t *testing.T) {
		t.Parallel()
		c := w.raw(t)
		c.write(join([]byte(handshake), masked(0x81, ping)))
		if _, err := http.ReadResponse(c.in, nil); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"$welcome", "$pong"} {
			if _, data := c.read(); !strings.Contains(string(data), want) {
				t.Fatalf("want %s, got %s", want, data)
			}
		}
	})
	t.Run("half a frame, then gone", func(t *testing.T) {
		t.Parallel()
		c := w.raw(t)
		c.upgrade()
		c.write(masked(0x81, ping)[:9])
		_ = c.conn.Close()
	})
}

// TestHandshake: what is no handshake gets an HTTP status and leaves nothing
// behind (setup looks).
func TestHandshake(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"no upgrade":    {"GET /ws?topics=a HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusUpgradeRequired},
		"no key":        {strings.Replace(handshake, "Sec-WebSocket-Key", "X-Key", 1), http.StatusBadRequest},
		"a bad key":     {strings.Replace(handshake, "dGhl", "x", 1), http.StatusBadRequest},
		"other version": {strings.Replace(handshake, "Version: 13", "Version: 8", 1), http.StatusBadRequest},
		"POST":          {strings.Replace(handshake, "GET", "POST", 1), http.StatusMethodNotAllowed},
		"HTTP/1.0":      {strings.Replace(handshake, "HTTP/1.1", "HTTP/1.0", 1), http.StatusUpgradeRequired},
		"a proxy's":     {strings.Replace(handshake, "Host: ", "X-Forwarded-For: 192.0.2.1\r\nHost: ", 1), http.StatusForbidden},
		"foreign page":  {strings.Replace(handshake, "Host: ", "Origin: http://evil.example\r\nHost: ", 1), http.StatusForbidden},
		"two hosts":     {strings.Replace(handshake, "Host: ", "Host: y\r\nHost: ", 1), http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := w.raw(t)
			c.write([]byte(tt.request))
			response, err := http.ReadResponse(c.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != tt.status {
				body, _ := io.ReadAll(response.Body)
				t.Fatalf("status %d, want %d: %s", response.StatusCode, tt.status, body)
			}
		})
	}
	t.Run("half of it, then gone", func(t *testing.T) {
		t.Parallel()
		for _, part := range []int{1, 20, len(handshake) - 2} {
			c := w.raw(t)
			c.write([]byte(handshake[:part]))
			_ = c.conn.Close()
		}
	})
	t.Run("all of it, then gone", func(t *testing.T) {
		t.Parallel()
		c := w.raw(t)
		c.write([]byte(handshake))
		_ = c.conn.Close()
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	t.Run("connections", func(t *testing.T) {
		t.Parallel()
		w := setup(t, func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Limits.Connections = 1 })
		in := w.library(t)
		for _, protocol := range []string{library, plain} {
			out := w.connect(t, "/ws?topics=a", protocol)
			if f := out.expect("$error"); f.Payload.Code != "unavailable" || !strings.Contains(f.Payload.Message, "limits.connections") {
				t.Fatal(f.raw)
			}
			out.expectClose(websocket.StatusTryAgainLater)
		}
		in.join("a")
	})
	t.Run("handshakes", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Limits.HandshakesPerSecond = 1 })
			w.library(t)
			out := w.connect(t, "/ws", library)
			if f := out.expect("$error"); f.Payload.Code != "rate_limited" {
				t.Fatal(f.raw)
			}
			out.expectClose(closeRateLimited)
		})
	})
	t.Run("and will not go", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t)
			c := w.raw(t)
			_ = c.conn.SetDeadline(time.Time{})
			c.plainUpgrade("/ws")
			c.expectClose(closeViolation)
			begin := time.Now()
			// The head of a frame without end, which then comes in drops.
			c.write([]byte{0x82, 0x80 | 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
			for w.handler.Stats().Sessions > 0 {
				if time.Since(begin) > 2*closeWait {
					t.Fatal("the session does not end")
				}
				_, _ = c.conn.Write([]byte{0})
				<-time.After(time.Second)
			}
		})
	})
	t.Run("the database is away", func(t *testing.T) {
		t.Parallel()
		w := setup(t, func(r *rooms.Options, _ *auth.Options, _ *Options) {
			r.JoinWait, r.Refresh = time.Millisecond, refreshAfter(nil)
		})
		c := w.connect(t, "/ws?topics=a&since="+cursor(w.xid+5))
		if f := c.expect("$error"); f.Payload.Code != "unavailable" {
			t.Fatal(f.raw)
		}
		c.expectClose(websocket.StatusTryAgainLater)
	})
	t.Run("the hub is closed", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		w.hub.Close()
		if _, response, err := w.try(t, "/ws?topics=a", nil); err == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Fatal(response, err)
		}
	})
}
