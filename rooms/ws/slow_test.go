package ws

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/ws?topics=a", "/ws"} {
		t.Run("silent "+path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := inMemory(t)
				c := w.raw(t)
				_ = c.conn.SetDeadline(time.Time{})
				if path == "/ws" {
					c.upgrade()
				} else {
					c.plainUpgrade(path)
				}
				begin := time.Now()
				pings := 0
				for {
					op, payload := c.read() // reads, but answers no ping
					if op == 0x89 {
						pings++
					}
					if op == 0x88 {
						if code := websocket.StatusCode(uint16(payload[0])<<8 | uint16(payload[1])); code != closeSilent {
							t.Fatalf("closed with %d", code)
						}
						break
					}
				}
				if d := time.Since(begin); d < 50*time.Second || d > 60*time.Second || pings != 1 {
					t.Fatalf("closed after %v and %d pings, want two heartbeats and one", d, pings)
				}
			})
		})
	}
	t.Run("answered", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t)
			p, l := w.connect(t, "/ws?topics=a"), w.library(t)
			l.join("a")
			<-time.After(time.Hour)
			event := w.publish("a")
			p.expectEvent(event)
			l.expectEvent(event)
		})
	})
	t.Run("a client that speaks is not pinged", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t)
			c := w.raw(t)
			_ = c.conn.SetDeadline(time.Time{})
			c.upgrade()
			var reading sync.WaitGroup
			reading.Go(func() {
				for op, _, err := readFrame(c.in); err == nil; op, _, err = readFrame(c.in) {
					if op == 0x89 {
						t.Error("pinged")
					}
				}
			})
			for range 20 {
				<-time.After(20 * time.Second)
				c.write(masked(0x81, `{"type":"ping"}`))
			}
			_ = c.conn.Close()
			reading.Wait()
		})
	})
}

// plainUpgrade shakes hands at the plain level.
func (c *rawConn) plainUpgrade(path string) {
	c.t.Helper()
	c.shakeHands(path, plain, "")
}

// TestStuck: a client that stops reading is closed after the write timeout; the
// others in its room never notice.
func TestStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t)
		other := w.library(t)
		other.join("a")
		stuck := w.raw(t)
		_ = stuck.conn.SetDeadline(time.Time{})
		stuck.plainUpgrade("/ws?topics=a")
		begin := time.Now()
		for range 100 {
			other.expectEvent(w.publish("a"))
		}
		if d := time.Since(begin); d != 0 {
			t.Fatalf("the other waited %v", d)
		}
		for w.handler.Stats().Sessions > 1 {
			<-time.After(100 * time.Millisecond)
		}
		if d := time.Since(begin).Round(time.Second); d != DefaultWriteTimeout {
			t.Fatalf("closed after %v", d)
		}
		if n := w.handler.Stats().Ended[int(closeStuck)]; n != 1 {
			t.Fatalf("ended %v", w.handler.Stats().Ended)
		}
		if _, err := io.ReadAll(stuck.in); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSlow: a client that takes a little now and then keeps its connection, and
// gets all events in order when its queue has overflown.
func TestSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, func(r *rooms.Options, _ *auth.Options, _ *Options) { r.QueueBytes = 10_000 })
		slow := w.raw(t)
		_ = slow.conn.SetDeadline(time.Time{})
		slow.plainUpgrade("/ws?topics=a")
		var events []string
		for range 200 {
			events = append(events, w.publishSized(500, "a"))
		}
		if w.hub.Stats().Overflows == 0 {
			t.Fatal("the queue did not overflow")
		}
		var early []byte
		for range 10 { // a sip now and then, for longer than any timeout
			<-time.After(9 * time.Second)
			sip := make([]byte, 100)
			if _, err := io.ReadFull(slow.conn, sip); err != nil {
				t.Fatal(err)
			}
			early = append(early, sip...)
			slow.write(masked(0x8A, "")) // it lives: RFC 6455 section 5.5.3
		}
		all := io.MultiReader(bytes.NewReader(early), slow.conn)
		for i := 0; i < len(events); {
			op, payload, err := readFrame(all)
			if err != nil {
				t.Fatal(err)
			}
			if op == 0x89 {
				slow.write(masked(0x8A, ""))
				continue
			}
			if string(payload) != events[i] {
				t.Fatalf("event %d is %s", i, payload)
			}
			i++
		}
	})
}

// TestSlow_unheard: who takes what it is sent is not asked for an answer that would
// have to wait behind it; when it has taken all, it is.
func TestSlow_unheard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t)
		slow := w.raw(t)
		_ = slow.conn.SetDeadline(time.Time{})
		slow.plainUpgrade("/ws?topics=a")
		total := 0
		for range 4 { // more than a batch
			total += len(w.publishSized(60_000, "a"))
		}
		var taken []byte
		for len(taken) < total {
			<-time.After(time.Second)
			sip := make([]byte, 1000)
			n, err := slow.conn.Read(sip)
			if err != nil {
				t.Fatalf("%v after %d bytes of %d", err, len(taken), total)
			}
			taken = append(taken, sip[:n]...)
		}
		begin := time.Now()
		if _, err := io.Copy(io.Discard, slow.conn); err != nil {
			t.Fatal(err)
		}
		w.handler.running.Wait()
		if d := time.Since(begin); w.handler.Stats().Ended[int(closeSilent)] != 1 || d > 75*time.Second {
			t.Errorf("ended %v after %v", w.handler.Stats().Ended, d)
		}
	})
}

// TestSlow_tcp: the same over TCP, where the kernel swallows some megabytes first.
func TestSlow_tcp(t *testing.T) {
	t.Parallel()
	w := setup(t, func(r *rooms.Options, _ *auth.Options, o *Options) {
		r.QueueBytes, o.Heartbeat, o.WriteTimeout = 100_000, time.Hour, time.Hour
	})
	other := w.library(t)
	other.join("a")
	slow, _, err := w.try(t, "/ws?topics=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for w.hub.Stats().Overflows == 0 || len(events) < 100 {
		events = append(events, w.publishSized(20_000, "a"))
		other.expectEvent(events[len(events)-1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, want := range events {
		_, got, err := slow.Read(ctx)
		if err != nil || string(got) != want {
			t.Fatalf("event %d of %d: %.100s, %v", i, len(events), got, err)
		}
	}
}

// TestUnread: a client that asks and reads no answer is not read any more, so
// that what it is owed stays bounded.
func TestUnread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t)
		c := w.raw(t)
		_ = c.conn.SetDeadline(time.Time{})
		c.upgrade()
		_ = c.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
		sent := 0
		for {
			if _, err := c.conn.Write(masked(0x81, `{"type":"ping"}`)); err != nil {
				break
			}
			if sent++; sent > 10_000 {
				t.Fatal("the server reads without end")
			}
		}
		if sent < maxOwed {
			t.Fatalf("read no more than %d frames", sent)
		}
		_ = c.conn.SetDeadline(time.Time{})
		for range sent {
			if op, _ := c.read(); op != 0x81 {
				t.Fatalf("%#x", op)
			}
		}
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	t.Run("tells all to come back", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t)
			l := w.library(t)
			l.join("a")
			var plains []*client
			for range 10 {
				plains = append(plains, w.connect(t, "/ws?topics=a"))
			}
			event := w.publish("a") // still on its way
			if err := w.handler.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.expectEvent(event)
			f := l.expect("$bye")
			if f.Payload.Code != 1012. || !f.Payload.Reconnect || f.Payload.Retry < 0 || f.Payload.Retry >= 5000 {
				t.Fatal(f.raw)
			}
			l.expectClose(websocket.StatusServiceRestart)
			for _, p := range plains {
				p.expectEvent(event)
				p.expectClose(websocket.StatusServiceRestart)
			}
			if _, response, err := w.try(t, "/ws?topics=a", nil); err == nil || response.StatusCode != 503 {
				t.Fatal("came in after Shutdown")
			}
		})
	})
	t.Run("cuts at the deadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(_ *rooms.Options, _ *auth.Options, o *Options) { o.WriteTimeout = time.Hour })
			for range 3 {
				stuck := w.raw(t)
				_ = stuck.conn.SetDeadline(time.Time{})
				stuck.plainUpgrade("/ws?topics=a")
			}
			w.publish("a")
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			begin := time.Now()
			err := w.handler.Shutdown(ctx)
			if d := time.Since(begin); err == nil || d != 3*time.Second {
				t.Fatalf("%v after %v", err, d)
			}
		})
	})
	t.Run("while a join waits", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(r *rooms.Options, _ *auth.Options, _ *Options) { r.Refresh = refreshAfter(nil) })
			c := w.library(t)
			c.send(`{"type":"join","ref":1,"topics":["a"],"since":%q}`, cursor(w.xid+5))
			synctest.Wait()
			begin := time.Now()
			if err := w.handler.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(begin); d != 0 {
				t.Errorf("waited %v for the join", d)
			}
			c.expect("$bye")
			c.expectClose(websocket.StatusServiceRestart)
		})
	})
	t.Run("while more wait than are read", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(r *rooms.Options, _ *auth.Options, _ *Options) { r.Refresh = refreshAfter(nil) })
			c := w.raw(t)
			c.upgrade()
			ahead := masked(0x81, fmt.Sprintf(`{"type":"join","topics":["a"],"since":%q}`, cursor(w.xid+5)))
			more := bytes.Repeat(masked(0x81, `{"type":"join","topics":["a"]}`), maxOwed+1) // $bye counts as an answer
			c.write(join(ahead, more))
			var stopping sync.WaitGroup
			stopping.Go(func() {
				if err := w.handler.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
			if _, data := c.read(); !strings.Contains(string(data), "$bye") {
				t.Fatalf("%s", data)
			}
			synctest.Wait() // the reader has ended
			c.expectClose(websocket.StatusServiceRestart)
			_ = c.conn.Close()
			stopping.Wait()
		})
	})
	t.Run("while a URL's join waits", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(r *rooms.Options, _ *auth.Options, _ *Options) { r.Refresh = refreshAfter(nil) })
			var connecting sync.WaitGroup
			var c *client
			connecting.Go(func() { c = w.connect(t, "/ws?topics=a&since="+cursor(w.xid+5)) })
			synctest.Wait()
			begin := time.Now()
			if err := w.handler.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(begin); d > 100*time.Millisecond {
				t.Errorf("waited %v for the join", d)
			}
			connecting.Wait()
			c.expectClose(websocket.StatusServiceRestart)
		})
	})
	t.Run("a storm is paced", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(_ *rooms.Options, _ *auth.Options, o *Options) { o.Spread = 100 * time.Millisecond })
			for range 50 {
				w.connect(t, "/ws?topics=a")
			}
			begin := time.Now()
			if err := w.handler.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(begin); d < 50*time.Millisecond || d > 200*time.Millisecond {
				t.Fatalf("took %v", d)
			}
		})
	})
}
