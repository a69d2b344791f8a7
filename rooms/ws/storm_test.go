package ws

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// TestSlowApplication: who waits for the application's answer delays nobody, and
// not itself.
func TestSlowApplication(t *testing.T) {
	t.Parallel()
	t.Run("to join", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := chat()
			w := inMemory(t, guarded(app))
			c, other := w.signedIn(t, nil), w.signedIn(t, nil)
			c.join("other")
			other.join("other")
			app.change(func(a *application) { a.takes = 2 * time.Second })
			<-time.After(time.Minute) // older than any lookback
			early := w.publish("private")
			<-time.After(400 * time.Millisecond)
			begin := time.Now()
			c.send(`{"type":"join","topics":["private"],"lookback_ms":500}`)
			c.send(`{"type":"ping"}`)
			c.expect("$pong")
			event := w.publish("other")
			c.expectEvent(event)
			other.expectEvent(event)
			if d := time.Since(begin); d != 0 {
				t.Fatalf("it took %v", d)
			}
			c.expectEvent(early) // half a second before it asked: the wait is not the client's
			c.expectAfter("$joined", 2*time.Second, begin)
		})
	})
	t.Run("to know a session", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := chat()
			app.sessions = map[string]string{"s3cr3t": `{"sub":"olena"}`}
			w := inMemory(t, guarded(app), func(_ *rooms.Options, a *auth.Options, _ *Options) {
				a.Mode, a.JWT = auth.SQL, auth.JWTOptions{}
			})
			c := w.connect(t, "/ws", library, "bearer.s3cr3t")
			c.expect("$welcome")
			c.join("private")
			app.change(func(a *application) { a.takes = 2 * time.Second })
			begin := time.Now()
			c.send(`{"type":"auth","token":"s3cr3t"}`)
			c.send(`{"type":"ping"}`)
			c.expect("$pong")
			c.expectEvent(w.publish("private"))
			if d := time.Since(begin); d != 0 {
				t.Fatalf("it took %v", d)
			}
			c.expectAfter("$authed", 2*time.Second, begin)
		})
	})
}

// TestSilentApplication: who cannot be judged is told to come back, and does not
// wait for ever.
func TestSilentApplication(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(t *testing.T, w *world) *client{
		"in the handshake": func(t *testing.T, w *world) *client { return w.connect(t, "/ws?topics=a", library, "bearer.x") },
		"of a URL's join":  func(t *testing.T, w *world) *client { return w.connect(t, "/ws?topics=a", plain, "bearer.x") },
		"by a frame": func(t *testing.T, w *world) *client {
			c := w.connect(t, "/ws", library)
			c.send(`{"type":"auth","token":"x"}`)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				app := chat()
				app.takes = time.Hour
				w := inMemory(t, guarded(app), func(_ *rooms.Options, a *auth.Options, _ *Options) {
					a.Mode, a.JWT, a.Timeout = auth.SQL, auth.JWTOptions{}, time.Minute
				})
				begin := time.Now()
				connect(t, w).expectRefused(rooms.Unavailable, websocket.StatusTryAgainLater)
				if d := time.Since(begin); d != DefaultHandshakeTimeout {
					t.Errorf("after %v", d)
				}
			})
		})
	}
}

// TestUnknown: connections that nobody says anything on end by themselves,
// whether they shook hands or not.
func TestUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, guarded(chat()))
		friend := w.signedIn(t, nil)
		friend.join("other")
		var reading sync.WaitGroup
		for i := range 300 {
			c := w.raw(t)
			_ = c.conn.SetDeadline(time.Time{})
			part := len(handshake) // and the answer is not taken
			if i%2 == 0 {
				part = 1 + i%(len(handshake)-1)
			}
			reading.Go(func() { c.write([]byte(handshake[:part])) })
		}
		synctest.Wait()
		if n := w.handler.Stats().Sessions; n < 150 {
			t.Fatalf("%d shook hands", n)
		}
		begin := time.Now()
		friend.expectEvent(w.publish("other"))
		if d := time.Since(begin); d != 0 {
			t.Errorf("they delayed a friend's event by %v", d)
		}
		for w.handler.Stats().Sessions > 1 {
			<-time.After(time.Second)
		}
		if d := time.Since(begin); d > DefaultHandshakeTimeout+DefaultWriteTimeout+time.Second {
			t.Errorf("they stayed for %v", d)
		}
		friend.expectEvent(w.publish("other"))
		if n := w.gate.Stats().Connections; n != 1 {
			t.Errorf("%d connections are counted", n)
		}
		reading.Wait()
	})
}

// TestSignIn_flood: nobody makes the daemon ask as often as they like.
func TestSignIn_flood(t *testing.T) {
	t.Parallel()
	sessions := func(app *application) setting {
		app.takes, app.sessions = time.Second, map[string]string{"s3cr3t": `{"sub":"olena"}`}
		return func(r *rooms.Options, a *auth.Options, o *Options) {
			guarded(app)(r, a, o)
			a.Mode, a.JWT, a.Limits.JoinsPerSecond = auth.SQL, auth.JWTOptions{}, 3
		}
	}
	t.Run("with bad tokens", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := chat()
			c := inMemory(t, sessions(app)).connect(t, "/ws", library)
			for range 3 {
				c.send(`{"type":"auth","token":"x"}`)
			}
			c.expectRefused(rooms.Unauthenticated, closeUnauthenticated)
			app.change(func(a *application) {
				if a.asked != 1 {
					t.Errorf("the application was asked %d times", a.asked)
				}
			})
		})
	})
	t.Run("with a good one", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := inMemory(t, sessions(chat())).connect(t, "/ws", library)
			for range 4 {
				c.send(`{"type":"auth","token":"s3cr3t"}`)
			}
			if f := c.expect("$error"); f.Payload.Code != "rate_limited" {
				t.Fatal(f.raw)
			}
			c.expect("$authed")
		})
	})
}

// TestSession_forgotten: a session that ended is not kept until its token would
// have run out.
func TestSession_forgotten(t *testing.T) {
	t.Parallel()
	w := setup(t, guarded(chat()))
	c := w.signedIn(t, nil)
	var session weak.Pointer[session]
	w.handler.mu.Lock()
	for _, s := range w.handler.sessions {
		session = weak.Make(s)
	}
	w.handler.mu.Unlock()
	_ = c.conn.CloseNow()
	w.handler.running.Wait()
	for begin := time.Now(); session.Value() != nil; runtime.GC() {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("something holds the session")
		}
	}
}

// TestFlood: frames that come too fast, at both levels.
func TestFlood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		level string
		per   int // second
		free  int // frames before the first complaint
	}{
		{library, 0, DefaultFramesPerSecond},
		{library, 5, 5},
		{plain, 5, 5},
		{library, -1, 1000},
	} {
		t.Run(tt.level, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := inMemory(t, func(_ *rooms.Options, _ *auth.Options, o *Options) { o.FramesPerSecond = tt.per })
				c := w.connect(t, "/ws?topics=a", tt.level)
				if tt.level == library {
					c.expect("$welcome")
				}
				for range tt.free {
					c.send(`{"type":"ping"}`)
					if tt.level == library {
						c.expect("$pong")
					}
				}
				if tt.per < 0 {
					return
				}
				for range maxFaults - 1 {
					c.send(`{"type":"ping","ref":1}`)
					if f := c.expect("$error"); f.Payload.Code != "rate_limited" || string(f.Ref) != "1" {
						t.Fatal(f.raw)
					}
				}
				c.send(`{"type":"ping"}`)
				c.expectRefused(rooms.RateLimited, closeRateLimited)
			})
		})
	}
}

// TestShutdown_arriving: nobody who is being looked at keeps the daemon.
func TestShutdown_arriving(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(t *testing.T, w *world) *client{
		"in the handshake, library": func(t *testing.T, w *world) *client { return w.connect(t, "/ws", library, "bearer.x") },
		"in the handshake, plain":   func(t *testing.T, w *world) *client { return w.connect(t, "/ws?topics=a", plain, "bearer.x") },
		"by a frame": func(t *testing.T, w *world) *client {
			c := w.connect(t, "/ws", library)
			c.send(`{"type":"auth","token":"x"}`)
			return c
		},
		"not at all": func(t *testing.T, w *world) *client { return w.connect(t, "/ws", library) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				app := chat()
				app.takes = 4 * time.Second
				w := inMemory(t, guarded(app), func(_ *rooms.Options, a *auth.Options, _ *Options) {
					a.Mode, a.JWT = auth.SQL, auth.JWTOptions{}
				})
				var connecting sync.WaitGroup
				var c *client
				connecting.Go(func() { c = connect(t, w) })
				synctest.Wait()
				begin := time.Now()
				if err := w.handler.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(begin); d > 100*time.Millisecond {
					t.Errorf("waited %v", d)
				}
				connecting.Wait()
				if c.conn.Subprotocol() == library {
					c.expect("$bye")
				}
				c.expectClose(websocket.StatusServiceRestart)
			})
		})
	}
}

// TestNotices: what answers no frame lets nobody ask for more.
func TestNotices(t *testing.T) {
	t.Parallel()
	hub := rooms.New(rooms.Options{})
	gate, err := auth.New(auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := hub.Subscribe(rooms.SubscriberOptions{Level: rooms.Library})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close(errGone)
	s := newSession(New(hub, gate, Options{}), rooms.Library, func() {})
	s.sub = sub
	s.admit(gate.Anonymous(), []byte(`{"type":"$authed"}`)) // and $welcome
	s.warn(time.Minute)
	s.owed.owed = 3
	frames, err := next(t, sub)
	if err != nil || len(frames) != 3 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	if s.owed.pay(answers(frames)); s.owed.owed != 2 {
		t.Errorf("%d are owed, of three with one answer", s.owed.owed)
	}
}
