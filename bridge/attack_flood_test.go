package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// flood sends texts, again and again for as long as they are taken, reads up to the
// end, and returns how often each code was said, and the close code.
func flood(t *testing.T, c *client, kind websocket.MessageType, texts ...string) (codes map[string]int, end websocket.StatusCode) {
	t.Helper()
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := 0; c.conn.Write(context.WithoutCancel(t.Context()), kind, []byte(texts[i%len(texts)])) == nil; i++ {
		}
	})
	defer sending.Wait()
	deadline := time.After(patience)
	codes = map[string]int{}
	for {
		select {
		case f, more := <-c.frames:
			switch {
			case !more:
				return codes, websocket.CloseStatus(c.end)
			case f.Type == "$error":
				codes[fmt.Sprint(f.Payload.Code)]++
			case !strings.HasPrefix(f.Type, "$"):
				t.Errorf("got %v", f)
			}
		case <-deadline:
			t.Error("goes on")
			c.close()
		}
	}
}

// times are n texts, each with its number in the place of %d.
func times(n int, format string) (texts []string) {
	for i := range n {
		texts = append(texts, strings.ReplaceAll(format, "%d", fmt.Sprint(i)))
	}
	return texts
}

// TestAttackFlood: who sends too much, or nonsense, is told so and put out.
func TestAttackFlood(t *testing.T) {
	t.Parallel()
	s := besiege(t, tokenOf(t, "victim"), bySecret)
	mallory := tokenOf(t, "mallory")
	long := strings.Repeat("x", 70<<10)
	for _, tt := range []struct {
		name  string
		kind  websocket.MessageType
		texts []string
		code  string
		times int
		end   websocket.StatusCode
	}{
		{"joins", websocket.MessageText, times(500, `{"type":"join","topics":["x_%d"]}`), "rate_limited", 10, 4429},
		{"joins_of_one_topic", websocket.MessageText, times(500, `{"type":"join","topics":["topic_9"]}`), "rate_limited", 10, 4429},
		{"pings", websocket.MessageText, times(500, `{"type":"ping","ref":%d}`), "rate_limited", 10, 4429},
		{"leaves", websocket.MessageText, times(500, `{"type":"leave","topics":["topic_9"]}`), "rate_limited", 10, 4429},
		{"no_frames", websocket.MessageText, times(50, `{"type":%d}`), "bad_frame", 10, 4400},
		{"no_JSON", websocket.MessageText, times(50, strings.Repeat("[", 10_000)), "bad_frame", 10, 4400},
		{"too_many_names", websocket.MessageText, times(50, `{"type":"join","topics":["a"`+strings.Repeat(`,"a"`, 1000)+`]}`), "bad_frame", 10, 4400},
		{"bad_tokens", websocket.MessageText, times(49, `{"type":"auth","token":"a.b.%d"}`), "unauthenticated", 10, 4401},
		{"tokens_of_another", websocket.MessageText, times(49, `{"type":"auth","token":"`+tokenOf(t, "victim")+`"}`), "forbidden", 10, 4403},
		{"large_frames", websocket.MessageText, times(5, `"`+long+`"`), "too_large", 1, websocket.StatusMessageTooBig},
		{"binary_frames", websocket.MessageBinary, times(5, `{"type":"ping"}`), "", 0, websocket.StatusUnsupportedData},
		{"no_UTF-8", websocket.MessageText, times(5, "\"\xff\""), "", 0, websocket.StatusInvalidFramePayloadData},
	} {
		s.attack(t, tt.name, func(t *testing.T) {
			asked, began := s.gate.Stats().Questions.Asked, time.Now()
			c := s.enter(t, mallory, "topic_9")
			codes, end := flood(t, c, tt.kind, tt.texts...)
			if codes[tt.code] != tt.times || end != tt.end {
				t.Errorf("%v, closed with %d", codes, end)
			}
			most := float64(s.gate.Limits().JoinsPerSecond) * (2 + time.Since(began).Seconds()) // the victim asks, too
			if n := s.gate.Stats().Questions.Asked - asked; float64(n) > most {
				t.Errorf("the database was asked %d times, %.0f may be", n, most)
			}
		})
	}

	s.attack(t, "frames_from_nobody", func(t *testing.T) {
		for _, text := range []string{`{"type":"join","topics":["topic_9"]}`, `{"type":"leave","topics":["topic_9"]}`, `{"type":"auth","token":"x"}`} {
			c, _ := knock(t, s.http, "", nil, "rowcast.v1")
			if codes, end := flood(t, c, websocket.MessageText, times(50, text)...); codes["unauthenticated"] != 1 || end != 4401 {
				t.Errorf("%s: %v, closed with %d", text, codes, end)
			}
		}
	})
	s.attack(t, "names_by_the_thousand", func(t *testing.T) {
		asked := s.gate.Stats().Questions.Asked
		c := s.enter(t, mallory, "topic_9")
		topics := times(1000, "y_%d")
		c.send(map[string]any{"type": "join", "topics": topics})
		if f := c.want("$joined"); denial(f, topics[0]) != "forbidden" || denial(f, topics[999]) != "too_many_topics" {
			t.Errorf("%s, %s", denial(f, topics[0]), denial(f, topics[999]))
		}
		if n := s.gate.Stats().Questions.Asked - asked; n > 150 {
			t.Errorf("the database was asked %d times", n)
		}
	})
	s.attack(t, "joins_by_many", func(t *testing.T) {
		var flooding sync.WaitGroup
		var many []*client
		for i := range 20 { // each within its limit, perhaps: they wait for the database
			c := s.enter(t, mallory, "topic_9")
			many = append(many, c)
			flooding.Go(func() {
				for n := range 200 {
					if c.conn.Write(context.WithoutCancel(t.Context()), websocket.MessageText, fmt.Appendf(nil, `{"type":"join","topics":["z_%d_%d"]}`, i, n)) != nil {
						return
					}
				}
			})
			flooding.Go(func() {
				for range c.frames {
				}
			})
		}
		begin := time.Now()
		for range 5 {
			s.step(t)
			s.victim.join("topic_8", "")
			s.victim.send(map[string]any{"type": "leave", "topics": []string{"topic_8"}})
			s.victim.want("$left")
		}
		t.Logf("five events and five joins of the victim's took %v", time.Since(begin))
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the victim waited %v", took)
		}
		for _, c := range many {
			c.close()
		}
		flooding.Wait()
	})
	s.attack(t, "pings_of_the_WebSocket", func(t *testing.T) {
		c := upgraded(t, s.http, mallory)
		go c.write(bytes.Repeat(masked(0x89, "x"), 20_000))
		if codes, end := c.drain(); codes["rate_limited"] != 10 || end != 4429 {
			t.Errorf("%v, closed with %d", codes, end)
		}
	})
	s.attack(t, "pongs_of_the_WebSocket", func(t *testing.T) {
		c := upgraded(t, s.http, mallory)
		go c.write(bytes.Repeat(masked(0x8a, "x"), 20_000))
		if codes, end := c.drain(); codes["rate_limited"] != 10 || end != 4429 {
			t.Errorf("%v, closed with %d", codes, end)
		}
	})
	s.attack(t, "fragments", func(t *testing.T) {
		c := upgraded(t, s.http, mallory)
		c.write(append(masked(0x01, `{"type":`), bytes.Repeat(masked(0x00, ""), 20_000)...))
		c.write(masked(0x00, `"ping"`))
		s.step(t)
		c.write(masked(0x80, `}`))
		if _, payload := c.read(); !strings.Contains(string(payload), "$pong") {
			t.Errorf("got %s", payload)
		}
	})
	s.attack(t, "frames_that_break_the_framing", func(t *testing.T) {
		for _, frame := range []string{
			"\x81\x02{}", "\x80\x80\x00\x00\x00\x00", "\xc1\x80\x00\x00\x00\x00", "\x83\x80\x00\x00\x00\x00", "\x09\x80\x00\x00\x00\x00",
			"\x89\xfe\x00\x7e\x00\x00\x00\x00",
		} {
			c := upgraded(t, s.http, mallory)
			c.write([]byte(frame))
			if _, end := c.drain(); end != websocket.StatusProtocolError {
				t.Errorf("%q: closed with %d", frame, end)
			}
		}
	})
	s.attack(t, "half_frames", func(t *testing.T) {
		for _, frame := range []string{"\x81", "\x81\xfe", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00xyz", "\x81\x8f\x00\x00\x00\x00{"} {
			c := upgraded(t, s.http, mallory)
			c.write([]byte(frame))
			_ = c.conn.Close()
		}
	})
}

// rawConn is a WebSocket of somebody without manners.
type rawConn struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// reach connects.
func reach(t *testing.T, addr string) *rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawConn{t, conn, bufio.NewReader(conn)}
}

// upgraded has upgraded at the library level, and with a token read its $welcome.
func upgraded(t *testing.T, addr, token string) *rawConn {
	t.Helper()
	c := reach(t, addr)
	c.write(upgrade(addr, token))
	res, err := http.ReadResponse(c.in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res, err)
	}
	if token != "" {
		if _, payload := c.read(); !strings.Contains(string(payload), "$welcome") {
			t.Fatalf("got %s", payload)
		}
	}
	return c
}

func upgrade(addr, token string) []byte {
	protocols := "rowcast.v1"
	if token != "" {
		protocols += ", bearer." + token
	}
	return fmt.Appendf(nil, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", addr, protocols)
}

// masked is a short frame as a client must send it, masked with zeros.
func masked(first byte, payload string) []byte {
	return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// write fails silently: the other side may have had enough.
func (c *rawConn) write(b []byte) { _, _ = c.conn.Write(b) }

// read returns the next frame of the server's; nothing at the end.
func (c *rawConn) read() (first byte, payload []byte) {
	c.t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(c.in, head[:2]); err != nil {
		return 0, nil
	}
	n := int(head[1])
	if n == 126 {
		if _, err := io.ReadFull(c.in, head[2:]); err != nil {
			return 0, nil
		}
		n = int(binary.BigEndian.Uint16(head[2:]))
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return 0, nil
	}
	return head[0], payload
}

// drain reads up to the end, as flood does.
func (c *rawConn) drain() (codes map[string]int, end websocket.StatusCode) {
	c.t.Helper()
	codes = map[string]int{}
	for {
		switch first, payload := c.read(); first {
		case 0:
			return codes, -1
		case 0x88:
			return codes, websocket.StatusCode(binary.BigEndian.Uint16(payload))
		case 0x81:
			var f frame
			if err := json.Unmarshal(payload, &f); err != nil {
				c.t.Error(err)
			}
			if f.Type == "$error" {
				codes[fmt.Sprint(f.Payload.Code)]++
			}
		}
	}
}

// TestAttackHandshake: who does not say what they want, or who they are, is not
// waited for.
func TestAttackHandshake(t *testing.T) {
	t.Parallel()
	const soon = 2 * time.Second
	s := besiege(t, tokenOf(t, "victim"), bySecret, func(o *Options) {
		o.HandshakeTimeout, o.WS.HandshakeTimeout, o.WS.Heartbeat = soon, soon, 2*soon
	})
	mallory := tokenOf(t, "mallory")

	// closed fails when the daemon does not hang up.
	closed := func(t *testing.T, c *rawConn, name string) {
		t.Helper()
		if _, err := io.Copy(io.Discard, c.in); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: goes on", name)
		}
	}
	request := string(upgrade(s.http, mallory))
	s.attack(t, "half_requests", func(t *testing.T) {
		halves := map[string]string{
			"no_bytes": "", "half_a_line": "GET /w", "no_host": "GET /ws HTTP/1.1\r\n", "half_a_header": request[:len(request)-20], "no_end": request[:len(request)-2],
			"half_a_body":  "POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf",
			"half_a_chunk": "POST /sse?topics=topic_9 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
			"a_stream_with_half_a_body": "GET /sse?topics=topic_9 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + mallory +
				"\r\nContent-Length: 1000\r\n\r\nhalf",
			"an_upgrade_with_half_a_body": strings.Replace(request, "Host:", "Content-Length: 1000\r\nHost:", 1),
			"a_body_that_is_asked_for":    "POST /sse HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
		}
		conns := map[string]*rawConn{}
		for name, half := range halves {
			conns[name] = reach(t, s.http)
			conns[name].write([]byte(half))
		}
		s.step(t)
		for name, c := range conns {
			if err := c.conn.SetDeadline(time.Now().Add(10 * soon)); err != nil {
				t.Fatal(err)
			}
			closed(t, c, name)
		}
	})
	s.attack(t, "dripping_headers", func(t *testing.T) {
		c := reach(t, s.http)
		drip := time.NewTicker(soon / 10)
		defer drip.Stop()
		var dripping sync.WaitGroup
		defer dripping.Wait()
		done := make(chan struct{})
		defer close(done)
		dripping.Go(func() {
			c.write([]byte("GET /ws HTTP/1.1\r\nHost: x\r\nX: "))
			for {
				select {
				case <-drip.C:
					c.write([]byte("x"))
				case <-done:
					return
				}
			}
		})
		if err := c.conn.SetDeadline(time.Now().Add(10 * soon)); err != nil {
			t.Fatal(err)
		}
		closed(t, c, "dripping")
	})
	s.attack(t, "a_thousand_that_say_nothing", func(t *testing.T) {
		conns := make([]*rawConn, 1000)
		for i := range conns {
			conns[i] = reach(t, s.http)
			conns[i].write(upgrade(s.http, ""))
			if i%100 == 0 {
				s.step(t)
			}
		}
		for _, c := range conns {
			if res, err := http.ReadResponse(c.in, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(res, err)
			}
			if codes, end := c.drain(); codes["unauthenticated"] != 1 || end != 4401 {
				t.Fatalf("%v, closed with %d", codes, end)
			}
			_ = c.conn.Close()
		}
	})
	s.attack(t, "a_frame_that_never_ends", func(t *testing.T) {
		c := upgraded(t, s.http, mallory)
		c.write([]byte("\x81\xfe\x10\x00\x00\x00\x00\x00{"))
		if _, end := c.drain(); end != 4408 {
			t.Errorf("closed with %d", end)
		}
	})
}
