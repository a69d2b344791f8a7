package ws

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// revoke takes a topic from olena, as an application does: the membership goes,
// and the hub hears of it.
func (w *world) revoke(app *application, topic string) {
	app.change(func(a *application) { a.members[topic] = nil })
	w.change(topic, rooms.Access{Subject: "olena", Effect: rooms.Revoked})
}

// expectLeft reads the $left of a revocation.
func (c *client) expectLeft(topics ...string) {
	c.t.Helper()
	if f := c.expect("$left"); f.Payload.Code != "revoked" || !reflect.DeepEqual(f.Payload.Topics, topics) {
		c.t.Fatalf("want %q revoked, got %s", topics, f.raw)
	}
}

// plainly connects at the plain level.
func (w *world) plainly(t *testing.T, topics string) *client {
	t.Helper()
	return w.connect(t, "/ws?topics="+topics, plain, "bearer."+w.issue(t, nil))
}

func TestRevoked(t *testing.T) {
	t.Parallel()
	t.Run("a member", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := chat()
			w := inMemory(t, guarded(app))
			l, p, untouched := w.signedIn(t, nil), w.plainly(t, "private,other"), w.plainly(t, "other")
			l.join("private", "other")
			before := w.publish("private")
			w.revoke(app, "private")
			w.publish("private")
			after := w.publish("other")

			l.expectEvent(before)
			l.expectLeft("private")
			l.expectEvent(after)
			l.send(`{"type":"join","topics":["private"],"since":%q}`, cursor(100))
			if f := l.expect("$joined"); f.Payload.Denied["private"].Code != rooms.Forbidden || f.Payload.Replayed != 0 {
				t.Fatal(f.raw)
			}

			p.expectEvent(before)
			p.expectRefused(rooms.Forbidden, closeForbidden)
			w.plainly(t, "private").expectRefused(rooms.Forbidden, closeForbidden)
			untouched.expectEvent(after)
		})
	})
	t.Run("while it joins", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := chat()
			w := inMemory(t, guarded(app))
			l := w.signedIn(t, nil)
			app.change(func(a *application) { a.takes = time.Second })
			var connecting sync.WaitGroup
			var p *client
			connecting.Go(func() { p = w.plainly(t, "private") })
			l.send(`{"type":"join","topics":["private"]}`)
			<-time.After(500 * time.Millisecond)
			// The application has looked already, but not answered.
			w.change("private", rooms.Access{Subject: "olena", Effect: rooms.Revoked})
			if f := l.expect("$joined"); f.Payload.Denied["private"].Code != rooms.Unavailable {
				t.Fatal(f.raw)
			}
			connecting.Wait()
			p.expectRefused(rooms.Unavailable, websocket.StatusTryAgainLater)
		})
	})
	t.Run("while a URL's join waits", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app, read := chat(), make(chan struct{})
			w := inMemory(t, guarded(app), func(r *rooms.Options, _ *auth.Options, _ *Options) { r.Refresh = refreshAfter(read) })
			var connecting sync.WaitGroup
			var p *client
			connecting.Go(func() { p = w.plainly(t, "private&since="+cursor(w.xid+5)) })
			synctest.Wait()
			w.revoke(app, "private")
			close(read)
			connecting.Wait()
			p.expectRefused(rooms.Unavailable, websocket.StatusTryAgainLater)
		})
	})
	t.Run("while events wait", func(t *testing.T) {
		t.Parallel()
		for name, limit := range map[string]int64{"in its queue": 1 << 20, "in the history": 3000} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					app := chat()
					w := inMemory(t, guarded(app), func(r *rooms.Options, _ *auth.Options, _ *Options) { r.QueueBytes = limit })
					l, p := w.raw(t), w.raw(t)
					l.shakeHands("/ws", library, w.issue(t, nil))
					if _, data := l.read(); parseFrame(t, data).Type != "$welcome" {
						t.Fatalf("%s", data)
					}
					l.write(masked(0x81, `{"type":"join","topics":["private"]}`))
					if _, data := l.read(); parseFrame(t, data).Type != "$joined" {
						t.Fatalf("%s", data)
					}
					p.shakeHands("/ws?topics=private", plain, w.issue(t, nil))
					var before []string
					for range 20 {
						before = append(before, w.publishSized(1000, "private"))
					}
					if overflown := w.hub.Stats().Overflows > 0; overflown != (limit < 1<<20) {
						t.Fatalf("overflown %t", overflown)
					}
					w.revoke(app, "private")
					for range 20 {
						w.publishSized(1000, "private")
					}
					for _, c := range []*rawConn{l, p} {
						for _, want := range before {
							if _, data := c.read(); string(data) != want {
								t.Fatalf("%.200s, want %.200s", data, want)
							}
						}
					}
					if _, data := l.read(); string(data) != string(rooms.RevokedFrame([]string{"private"})) {
						t.Fatalf("%.200s", data)
					}
					if _, data := p.read(); parseFrame(t, data).Payload.Code != "forbidden" {
						t.Fatalf("%.200s", data)
					}
					p.expectClose(closeForbidden)
				})
			})
		}
	})
	t.Run("everywhere", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, guarded(chat()))
			l := w.signedIn(t, nil)
			l.join("private", "other")
			w.change("*", rooms.Access{Subject: "olena", Effect: rooms.Revoked})
			l.expectLeft("other", "private")
			l.send(`{"type":"ping"}`)
			l.expect("$pong")
		})
	})
}

// TestUncertain: who might have been revoked comes back and is judged anew.
func TestUncertain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, guarded(chat()))
		l, p, elsewhere := w.signedIn(t, nil), w.plainly(t, "private"), w.plainly(t, "other")
		l.join("private")
		w.change("private", rooms.Access{Everyone: true, Effect: rooms.Unknown})
		if f := l.expect("$bye"); f.Payload.Code != 1012. || !f.Payload.Reconnect {
			t.Fatal(f.raw)
		}
		l.expectClose(websocket.StatusServiceRestart)
		p.expectClose(websocket.StatusServiceRestart)
		elsewhere.expectEvent(w.publish("other"))
	})
}

// TestUncertain_storm: they do not all come back at once, and are told nothing until
// then.
func TestUncertain_storm(t *testing.T) {
	t.Parallel()
	const many = 200
	storm := func(t *testing.T) (*world, []*client) {
		w := inMemory(t, guarded(chat()))
		var clients []*client
		for range many {
			clients = append(clients, w.plainly(t, "private"))
		}
		before := w.publish("private")
		w.change("private", rooms.Access{Everyone: true, Effect: rooms.Unknown})
		if n := w.hub.Stats().Memberships; n != 0 {
			t.Errorf("%d are still in the topic", n)
		}
		w.publish("private")
		for _, c := range clients {
			c.expectEvent(before)
		}
		return w, clients
	}
	t.Run("is spread", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, clients := storm(t)
			const parts = 5
			left := many
			for part := range parts {
				<-time.After(DefaultSpread/parts + time.Millisecond)
				synctest.Wait()
				now := w.handler.Stats().Sessions
				if went := left - now; went < many/parts/2 || went > many/parts*2 {
					t.Errorf("%d of %d went in part %d", went, many, part)
				}
				left = now
			}
			for _, c := range clients {
				c.expectClose(websocket.StatusServiceRestart)
			}
		})
	})
	t.Run("is cut at the end of a shutdown", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, _ := storm(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begin := time.Now()
			if err := w.handler.Shutdown(ctx); err == nil || time.Since(begin) != time.Second {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		})
	})
	t.Run("holds no place of who leaves", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w, clients := storm(t)
			for _, c := range clients {
				_ = c.conn.CloseNow()
			}
			synctest.Wait()
			if n := w.handler.Stats().Sessions; n != 0 {
				t.Errorf("%d sessions are left", n)
			}
		})
	})
}

// TestGranted: what was denied is asked anew.
func TestGranted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := chat()
		w := inMemory(t, guarded(app))
		c := w.signedIn(t, nil)
		c.send(`{"type":"join","topics":["secret"]}`)
		if f := c.expect("$joined"); f.Payload.Denied["secret"].Code != rooms.Forbidden {
			t.Fatal(f.raw)
		}
		app.change(func(a *application) { a.members["secret"] = []string{"olena"} })
		w.change("secret", rooms.Access{Subject: "olena", Effect: rooms.Granted})
		c.send(`{"type":"join","topics":["secret"]}`)
		if f := c.expect("$joined"); f.Payload.Denied != nil {
			t.Fatal(f.raw)
		}
	})
}

// TestUnidentified_quiet: who is not known yet is told nothing of what goes on.
func TestUnidentified_quiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, guarded(chat()), func(r *rooms.Options, _ *auth.Options, o *Options) {
			r.Heartbeat, o.HandshakeTimeout = time.Second, time.Minute
		})
		c := w.connect(t, "/ws", library)
		for range 20 {
			<-time.After(time.Second)
			w.publish("public")
		}
		c.send(`{"type":"auth","token":%q}`, w.issue(t, nil))
		for _, want := range []string{"$authed", "$welcome", "$ping"} {
			if f := <-c.frames; f.Type != want {
				t.Fatalf("want %s, got %s", want, f.raw)
			}
		}
	})
}
