package ws

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// compressing is a world with http.compression.
func compressing(_ *rooms.Options, _ *auth.Options, o *Options) { o.Compression = true }

// agreed is what the daemon answers to every offer that it takes.
const agreed = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"

// offering shakes hands with an offer of extensions, and returns the answer.
func (c *rawConn) offering(path, protocol, offer string) (answer string) {
	c.t.Helper()
	c.write(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\nSec-WebSocket-Extensions: %s\r\n\r\n", path, protocol, offer))
	response, err := http.ReadResponse(c.in, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatal(response, err)
	}
	return response.Header.Get("Sec-WebSocket-Extensions")
}

// compressed connects a client that has agreed on permessage-deflate.
func (w *world) compressed(t *testing.T, path, protocol string) *rawConn {
	t.Helper()
	c := w.raw(t)
	if answer := c.offering(path, protocol, "permessage-deflate; client_max_window_bits"); answer != agreed {
		t.Fatalf("agreed on %q", answer)
	}
	if protocol == library {
		c.expectText("$welcome")
	}
	return c
}

// expectText reads the next frame, which must be plain and hold this.
func (c *rawConn) expectText(part string) {
	c.t.Helper()
	if first, data := c.read(); first != 0x81 || !strings.Contains(string(data), part) {
		c.t.Fatalf("want %s, got %#x %q", part, first, data)
	}
}

// expectDeflated reads the next frame, which must be this message, deflated.
func (c *rawConn) expectDeflated(want string) (payload []byte) {
	c.t.Helper()
	first, payload := c.read()
	if first != 0xC1 {
		c.t.Fatalf("%#x %.100q", first, payload)
	}
	if got, err := inflate(payload); got != want || err != nil {
		c.t.Fatalf("%v\ngot  %s\nwant %s", err, got, want)
	}
	return payload
}

// inflate does what RFC 7692 section 7.2.2 says, and looks that nothing is left over.
func inflate(payload []byte) (string, error) {
	const finalBlock = "\x01\x00\x00\xff\xff" // so that the stream has an end
	rest := bytes.NewReader(slices.Concat(payload, []byte(flushed), []byte(finalBlock)))
	message, err := io.ReadAll(flate.NewReader(rest))
	if err == nil && rest.Len() > 0 {
		err = fmt.Errorf("%d bytes are left over", rest.Len())
	}
	return string(message), err
}

// deflated is a frame that a client sends to a daemon that has agreed on it.
func deflated(first byte, message string) []byte {
	d := newDeflater()
	return maskedLong(first|0x40, d.deflate([]byte(message)))
}

// maskedLong is a frame of any length as a client must send it, masked with zeros.
func maskedLong(first byte, payload []byte) []byte {
	head := binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(len(payload)))
	return slices.Concat(head, make([]byte, 4), payload)
}

// TestCompression_offers: what browsers offer is taken so that neither side keeps a
// window, and what cannot be kept is not promised.
func TestCompression_offers(t *testing.T) {
	t.Parallel()
	on, off := setup(t, compressing), setup(t)
	for name, tt := range map[string]struct{ offer, answer string }{
		"Chromium, Node and ws":   {"permessage-deflate; client_max_window_bits", agreed},
		"Firefox and Safari":      {"permessage-deflate", agreed},
		"a smaller window":        {"permessage-deflate; server_max_window_bits=10", ""},
		"or else any window":      {"permessage-deflate; server_max_window_bits=10, permessage-deflate", agreed},
		"something else":          {"x-webkit-deflate-frame", ""},
		"something else, or this": {"x-webkit-deflate-frame, permessage-deflate", agreed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := on.raw(t).offering("/ws", library, tt.offer); got != tt.answer {
				t.Errorf("answered with %q, want %q", got, tt.answer)
			}
			if got := off.raw(t).offering("/ws", library, tt.offer); got != "" {
				t.Errorf("not switched on, and answered with %q", got)
			}
		})
	}
}

// TestCompression_events: who agreed on it gets large events deflated, live and in a
// replay, all the same bytes; everybody gets the same events.
func TestCompression_events(t *testing.T) {
	t.Parallel()
	w := setup(t, compressing)
	one, two := w.compressed(t, "/ws?topics=a", plain), w.compressed(t, "/ws", library)
	two.write(masked(0x81, `{"type":"join","topics":["a"]}`))
	two.expectText("$joined")
	without := w.connect(t, "/ws?topics=a")
	declined := w.raw(t)
	if answer := declined.offering("/ws?topics=a", plain, "permessage-deflate; server_max_window_bits=9"); answer != "" {
		t.Fatal(answer)
	}

	since := w.hub.Cursor()
	var events []string
	for _, pad := range []int{0, 600, 10, 70_000, 20_000} {
		events = append(events, w.publishSized(pad, "a"))
	}
	for i, event := range events {
		without.expectEvent(event)
		declined.expectText(event)
		if i == 0 || i == 2 {
			one.expectText(event)
			two.expectText(event)
			continue
		}
		if a, b := one.expectDeflated(event), two.expectDeflated(event); !bytes.Equal(a, b) {
			t.Errorf("two clients got other bytes of event %d", i)
		}
	}

	two.write(deflated(0x81, fmt.Sprintf(`{"type":"join","topics":["a"],"since":%q}`, since)))
	for i, event := range events {
		if i == 0 || i == 2 {
			two.expectText(event)
			continue
		}
		two.expectDeflated(event)
	}
	two.expectText(`"replayed":5`)
}

// TestCompression_own: an answer is one client's, and goes plain whatever its length.
func TestCompression_own(t *testing.T) {
	t.Parallel()
	w := setup(t, compressing)
	c := w.compressed(t, "/ws", library)
	name := strings.Repeat("x", 150)
	c.write(deflated(0x81, fmt.Sprintf(`{"type":"join","topics":["%[1]s1","%[1]s2","%[1]s3","%[1]s4"]}`, name)))
	c.expectText("$joined")
}

// TestCompression_library: a client with the library, which would rather keep windows,
// and sends deflated frames of its own.
func TestCompression_library(t *testing.T) {
	t.Parallel()
	w := setup(t, compressing)
	w.offer = websocket.CompressionContextTakeover
	c := w.library(t)
	c.join("a", strings.Repeat("x", 190))
	for _, pad := range []int{1000, 5, 200_000, 512} {
		c.expectEvent(w.publishSized(pad, "a"))
	}
	c.send(`{"type":"ping","ref":%q}`, strings.Repeat("x", 120))
	c.expect("$pong")
}

// TestCompression_clients: what clients send may come deflated, in pieces too.
func TestCompression_clients(t *testing.T) {
	t.Parallel()
	w := setup(t, compressing)
	const ping = `{"type":"ping","ref":1}`
	t.Run("taken", func(t *testing.T) {
		t.Parallel()
		c := w.compressed(t, "/ws", library)
		for range 3 {
			c.write(deflated(0x81, ping))
			c.expectText("$pong")
			c.write(masked(0x81, ping))
			c.expectText("$pong")
		}
		d := newDeflater()
		payload := d.deflate([]byte(ping))
		c.write(join(maskedLong(0x41, payload[:3]), masked(0x89, "hey"), maskedLong(0x00, payload[3:9]), maskedLong(0x80, payload[9:])))
		if first, data := c.read(); first != 0x8A || string(data) != "hey" {
			t.Fatalf("%#x %s", first, data)
		}
		c.expectText("$pong")
	})
	for name, frame := range map[string][]byte{
		"no deflate":                   maskedLong(0xC1, []byte("\xff\xff\xff\xff")),
		"a bit in a later frame":       join(masked(0x01, `{"type"`), masked(0xC0, ping)),
		"a bit in a control frame":     masked(0xC9, ""),
		"a bit that nobody has a name": masked(0xA1, ping),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := w.compressed(t, "/ws", library)
			c.write(frame)
			c.expectClose(websocket.StatusProtocolError)
		})
	}
	t.Run("not agreed on", func(t *testing.T) {
		t.Parallel()
		c := w.raw(t)
		c.upgrade()
		c.write(deflated(0x81, ping))
		c.expectClose(websocket.StatusProtocolError)
	})
}

// TestCompression_bomb: a client's frame is bounded by what it inflates to, and not
// inflated further.
func TestCompression_bomb(t *testing.T) { // not parallel: it counts what is allocated
	w := setup(t, compressing)
	bomb := deflated(0x81, strings.Repeat("x", 64<<20))
	if len(bomb) > 1<<20 {
		t.Fatalf("a bomb of %d bytes", len(bomb))
	}
	for _, protocol := range []string{library, plain} {
		c := w.compressed(t, "/ws?topics=a", protocol)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var writing sync.WaitGroup
		writing.Go(func() { _, _ = c.conn.Write(bomb) }) // the daemon does not read all of it
		c.expectText("too_large")
		c.expectClose(websocket.StatusMessageTooBig)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
			t.Errorf("%s: %d bytes were allocated", protocol, n)
		}
		_ = c.conn.Close()
		writing.Wait()
	}
}

// BenchmarkDeflater says what an event costs that is made once for all connections
// (make), and each connection then (hand on); one by one each would cost both.
func BenchmarkDeflater(b *testing.B) {
	for _, size := range []int{512, 2 << 10, 16 << 10} {
		d, event := newDeflater(), prose(size)
		b.Run(fmt.Sprintf("make/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.deflate(event)
			}
			b.ReportMetric(float64(len(d.deflate(event))), "B/event")
		})
		b.Run(fmt.Sprintf("hand_on/%d", size), func(b *testing.B) {
			frames := []rooms.Frame{shared(b, event)}
			b.ReportAllocs()
			for b.Loop() {
				d.pack(frames)
			}
		})
	}
}

// prose is an event of this size, with a text in it that people could have written.
func prose(size int) []byte {
	const end = `"},"id":"1.81234","at":"2026-03-01T12:34:56.791Z","cursor":"v1.Zm9vYmFyYmF6cXV4.81234.81236.1"}`
	words := strings.Fields("who has seen that the list of open topics does not change when a row is closed later today " +
		"thanks I shall look at this page again before we release it tomorrow fine agreed but not for every project yet")
	rng := rand.New(rand.NewPCG(1, 2))
	event := []byte(`{"type":"message_created","topics":["topic_7","project_3"],"payload":{"id":81234,"topic_id":7,"author_id":41,` +
		`"created_at":"2026-03-01T12:34:56.789012Z","edited_at":null,"pinned":false,"kind":"text","reply_to":81200,"content":"`)
	for len(event) < size-len(end) {
		event = append(append(event, words[rng.IntN(len(words))]...), ' ')
	}
	return append(event[:size-len(end)], end...)
}

// shared is the frame of an event that is in a history.
func shared(b *testing.B, event []byte) rooms.Frame {
	hub := rooms.New(rooms.Options{})
	hub.Reset(rooms.Reset{Epoch: "test", Snapshot: snapshot.New(1), Floor: snapshot.New(1)})
	sub, err := hub.Subscribe(rooms.SubscriberOptions{Level: rooms.Plain})
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Close(nil)
	if err := sub.Join(b.Context(), rooms.JoinRequest{Topics: []string{"a"}}); err != nil {
		b.Fatal(err)
	}
	hub.Publish(rooms.Batch{Items: []rooms.Item{{Topics: []string{"a"}, Data: event, XID: 1}}, Snapshot: snapshot.New(2)})
	frames, err := sub.Next(b.Context(), nil)
	if err != nil || len(frames) != 1 {
		b.Fatal(frames, err)
	}
	return frames[0]
}
