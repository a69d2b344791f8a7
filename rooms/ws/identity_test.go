package ws

import (
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// hello is what a client may change about its handshake.
type hello struct {
	query     url.Values
	header    http.Header
	protocols []string
}

// TestArrival: each place of a token in the handshake, each token, each level.
func TestArrival(t *testing.T) {
	t.Parallel()
	carriers := map[string]struct {
		dress func(h *hello, token string)
		set   func(a *auth.Options)
		blind bool // the token is not looked at
	}{
		"subprotocol":       {dress: func(h *hello, token string) { h.protocols = append(h.protocols, "bearer."+token) }},
		"subprotocol first": {dress: func(h *hello, token string) { h.protocols = append([]string{"bearer." + token}, h.protocols...) }},
		"header":            {dress: func(h *hello, token string) { h.header.Set("Authorization", "Bearer "+token) }},
		"cookie": {
			dress: func(h *hello, token string) {
				h.header.Set("Cookie", "session="+token)
				h.header.Set("Origin", "http://localhost:5173")
			},
			set: func(a *auth.Options) { a.Cookie = "session" },
		},
		"cookie of no page": {
			dress: func(h *hello, token string) { h.header.Set("Cookie", "session="+token) },
			set:   func(a *auth.Options) { a.Cookie = "session" },
			blind: true,
		},
		"another cookie": {
			dress: func(h *hello, token string) {
				h.header.Set("Cookie", "session="+token)
				h.header.Set("Origin", "http://localhost:5173")
			},
			blind: true,
		},
		"query": {
			dress: func(h *hello, token string) { h.query.Set("token", token) },
			set:   func(a *auth.Options) { a.QueryToken = true },
		},
		"query, not allowed": {
			dress: func(h *hello, token string) { h.query.Set("token", token) },
			blind: true,
		},
		"nowhere": {dress: func(*hello, string) {}, blind: true},
	}
	tokens := map[string]struct {
		issue func(w *world) string
		code  rooms.Code // "": it is good
	}{
		"good":    {issue: func(w *world) string { return w.issue(t, nil) }},
		"expired": {func(w *world) string { return w.issue(t, jwt.MapClaims{"exp": in(-time.Second)}) }, rooms.TokenExpired},
		"forged":  {func(w *world) string { return w.sign(t, secret+"!", nil) }, rooms.Unauthenticated},
		"none":    {func(*world) string { return "nonsense" }, rooms.Unauthenticated},
	}
	for where, carrier := range carriers {
		for which, token := range tokens {
			for _, level := range []string{library, plain} {
				t.Run(where+" "+which+" "+level, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						w := inMemory(t, guarded(chat()), func(_ *rooms.Options, a *auth.Options, _ *Options) {
							if carrier.set != nil {
								carrier.set(a)
							}
						})
						h := hello{url.Values{"topics": {"private"}}, http.Header{}, []string{level}}
						carrier.dress(&h, token.issue(w))
						c := w.connectWith(t, h.header, "/ws?"+h.query.Encode(), h.protocols...)
						if got := c.conn.Subprotocol(); got != level {
							t.Errorf("the server selected %q", got)
						}
						switch {
						case carrier.blind && level == library:
							c.waitsForAuth()
						case carrier.blind:
							c.expectRefused(rooms.Unauthenticated, closeUnauthenticated)
						case token.code != "":
							c.expectRefused(token.code, closeUnauthenticated)
						case level == library:
							c.expect("$welcome")
							c.join("private")
							c.expectEvent(w.publish("private"))
						default:
							c.expectEvent(w.publish("private"))
						}
					})
				})
			}
		}
	}
}

// waitsForAuth checks that the client may say who it is, and has ten seconds.
func (c *client) waitsForAuth() {
	c.t.Helper()
	begin := time.Now()
	c.send(`{"type":"ping","ref":1}`)
	c.expect("$pong")
	c.expectRefused(rooms.Unauthenticated, closeUnauthenticated)
	if d := time.Since(begin); d != DefaultHandshakeTimeout {
		c.t.Errorf("it had %v", d)
	}
}

// TestSignIn: who they are is a client's first words.
func TestSignIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, w *world, c *client){
		"all in one go": func(t *testing.T, w *world, c *client) {
			c.send(`{"type":"auth","ref":1,"token":%q}`, w.issue(t, nil))
			c.send(`{"type":"join","ref":2,"topics":["private","nowhere"]}`)
			if f := c.expect("$authed"); string(f.Ref) != "1" || f.Payload.Expires == nil || *f.Payload.Expires != 3_600_000 {
				t.Fatal(f.raw)
			}
			c.expect("$welcome")
			f := c.expect("$joined")
			if !reflect.DeepEqual(f.Payload.Topics, []string{"private"}) || f.Payload.Denied["nowhere"].Code != rooms.Forbidden {
				t.Fatal(f.raw)
			}
			c.expectEvent(w.publish("private"))
		},
		"a ping and nonsense before": func(t *testing.T, w *world, c *client) {
			c.send(`{"type":"ping","ref":1}`)
			c.expect("$pong")
			c.send(`{"type":"auth","token":7}`)
			if f := c.expect("$error"); f.Payload.Code != "bad_frame" {
				t.Fatal(f.raw)
			}
			c.send(`{"type":"auth","token":%q}`, w.issue(t, nil))
			c.expect("$authed")
			c.expect("$welcome")
			<-time.After(2 * DefaultHandshakeTimeout)
			c.join("private")
		},
		"a join before": func(_ *testing.T, _ *world, c *client) {
			c.send(`{"type":"join","ref":1,"topics":["public"]}`)
			if f := c.expectRefused(rooms.Unauthenticated, closeUnauthenticated); string(f.Ref) != "1" {
				t.Fatal(f.raw)
			}
		},
		"a leave before": func(t *testing.T, w *world, c *client) {
			c.send(`{"type":"leave","ref":1,"topics":["public"]}`)
			c.expectRefused(rooms.Unauthenticated, closeUnauthenticated)
			if n := w.gate.Stats().Refused["auth.mode"]; n != 1 {
				t.Errorf("counted %d times", n)
			}
		},
		"a join before, and then the token": func(t *testing.T, w *world, c *client) {
			_ = c.write(websocket.MessageText, []byte(`{"type":"join","ref":1,"topics":["public"]}`))
			_ = c.write(websocket.MessageText, []byte(`{"type":"auth","ref":2,"token":"`+w.issue(t, nil)+`"}`))
			c.expectRefused(rooms.Unauthenticated, closeUnauthenticated)
		},
		"a bad token": func(t *testing.T, w *world, c *client) {
			c.send(`{"type":"auth","ref":1,"token":%q}`, w.sign(t, secret+"!", nil))
			if f := c.expectRefused(rooms.Unauthenticated, closeUnauthenticated); string(f.Ref) != "1" {
				t.Fatal(f.raw)
			}
		},
		"an expired token": func(t *testing.T, w *world, c *client) {
			c.send(`{"type":"auth","ref":1,"token":%q}`, w.issue(t, jwt.MapClaims{"exp": in(-time.Hour)}))
			c.expectRefused(rooms.TokenExpired, closeUnauthenticated)
		},
		"no token": func(_ *testing.T, _ *world, c *client) {
			c.send(`{"type":"auth","ref":1}`)
			c.expectRefused(rooms.Unauthenticated, closeUnauthenticated)
		},
		"nothing but the header of one": func(t *testing.T, w *world, c *client) {
			c.waitsForAuth()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := inMemory(t, guarded(chat()))
				test(t, w, w.connect(t, "/ws", library))
			})
		})
	}
}

// TestRenew: a fresh token on the living connection.
func TestRenew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, w *world, app *application, c *client){
		"the same subject": func(t *testing.T, w *world, _ *application, c *client) {
			<-time.After(50 * time.Minute)
			c.send(`{"type":"auth","ref":1,"token":%q}`, w.issue(t, nil))
			if f := c.expect("$authed"); *f.Payload.Expires != 3_600_000 {
				t.Fatal(f.raw)
			}
			<-time.After(55 * time.Minute) // past the first one's end
			c.expectEvent(w.publish("private"))
		},
		"another subject": func(t *testing.T, w *world, _ *application, c *client) {
			c.send(`{"type":"auth","ref":1,"token":%q}`, w.issue(t, jwt.MapClaims{"sub": "maks"}))
			if f := c.expect("$error"); f.Payload.Code != "forbidden" || string(f.Ref) != "1" {
				t.Fatal(f.raw)
			}
			c.expectEvent(w.publish("private"))
		},
		"no subject": func(t *testing.T, w *world, _ *application, c *client) {
			c.send(`{"type":"auth","ref":1,"token":%q}`, w.issue(t, jwt.MapClaims{"sub": ""}))
			if f := c.expect("$error"); f.Payload.Code != "forbidden" {
				t.Fatal(f.raw)
			}
		},
		"a bad one, and the old one's end": func(t *testing.T, w *world, _ *application, c *client) {
			<-time.After(50 * time.Minute)
			c.send(`{"type":"auth","ref":1,"token":%q}`, w.sign(t, secret+"!", nil))
			if f := c.expect("$error"); f.Payload.Code != "unauthenticated" || string(f.Ref) != "1" {
				t.Fatal(f.raw)
			}
			c.expectEvent(w.publish("private"))
			c.expect("$token_expiring")
			c.expectRefused(rooms.TokenExpired, closeUnauthenticated)
		},
		"bad ones without end": func(t *testing.T, w *world, _ *application, c *client) {
			for range maxFaults - 1 {
				c.send(`{"type":"auth","token":"x"}`)
				c.expect("$error")
			}
			<-time.After(faultWindow)
			for range maxFaults - 1 {
				c.send(`{"type":"auth","token":"x"}`)
				c.expect("$error")
			}
			c.send(`{"type":"auth","token":"x"}`)
			c.expectRefused(rooms.Unauthenticated, closeUnauthenticated)
		},
		"the topics claim narrows": func(t *testing.T, w *world, _ *application, c *client) {
			c.send(`{"type":"auth","ref":1,"token":%q}`, w.issue(t, jwt.MapClaims{"topics": []string{"oth*", "public"}}))
			c.expect("$authed")
			if f := c.expect("$left"); f.Payload.Code != "revoked" || !reflect.DeepEqual(f.Payload.Topics, []string{"private"}) {
				t.Fatal(f.raw)
			}
			w.publish("private")
			c.expectEvent(w.publish("other"))
		},
		"and widens": func(t *testing.T, w *world, _ *application, c *client) {
			c.send(`{"type":"auth","token":%q}`, w.issue(t, jwt.MapClaims{"topics": []string{"private"}}))
			c.expect("$authed")
			c.expect("$left")
			c.send(`{"type":"auth","token":%q}`, w.issue(t, nil))
			c.expect("$authed")
			c.join("other")
			c.expectEvent(w.publish("other"))
		},
		"the application is away": func(t *testing.T, w *world, app *application, c *client) {
			app.change(func(a *application) { a.away = true })
			<-time.After(auth.DefaultCache)
			c.send(`{"type":"auth","token":%q}`, w.issue(t, jwt.MapClaims{"jti": "2"}))
			c.expect("$authed")
			synctest.Wait()
			c.expectEvent(w.publish("private"))
		},
		"the application is away, and the claims are others": func(t *testing.T, w *world, app *application, c *client) {
			app.change(func(a *application) { a.away = true })
			c.send(`{"type":"auth","token":%q}`, w.issue(t, jwt.MapClaims{"role": "guest"}))
			c.expect("$authed")
			c.expect("$bye")
			c.expectClose(websocket.StatusServiceRestart)
		},
		"a topic is joined again that is not allowed any more": func(t *testing.T, w *world, app *application, c *client) {
			app.change(func(a *application) { delete(a.members, "private") })
			<-time.After(auth.DefaultCache)
			c.send(`{"type":"join","topics":["private","public","other"]}`)
			f := c.expect("$joined")
			if !reflect.DeepEqual(f.Payload.Topics, []string{"public", "other"}) || f.Payload.Denied["private"].Code != rooms.Forbidden {
				t.Fatal(f.raw)
			}
			if f := c.expect("$left"); f.Payload.Code != "revoked" || !reflect.DeepEqual(f.Payload.Topics, []string{"private"}) {
				t.Fatal(f.raw)
			}
			w.publish("private")
			c.expectEvent(w.publish("other"))
		},
		"a topic is joined again while the application is away": func(t *testing.T, w *world, app *application, c *client) {
			app.change(func(a *application) { a.away = true })
			<-time.After(auth.DefaultCache)
			c.send(`{"type":"join","topics":["private"]}`)
			if f := c.expect("$joined"); f.Payload.Denied["private"].Code != rooms.Unavailable {
				t.Fatal(f.raw)
			}
			synctest.Wait()
			c.expectEvent(w.publish("private"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				app := chat()
				w := inMemory(t, guarded(app))
				c := w.signedIn(t, nil)
				c.join("private", "other")
				test(t, w, app, c)
			})
		})
	}
}

// TestAnonymous: nobody in particular comes in, and may become somebody.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := chat()
		w := inMemory(t, guarded(app), func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Anonymous = true })
		w.connect(t, "/ws?topics=public").expectEvent(w.publish("public"))
		w.connect(t, "/ws?topics=private").expectRefused(rooms.Forbidden, closeForbidden)
		w.connect(t, "/ws", library, "bearer.x").expectRefused(rooms.Unauthenticated, closeUnauthenticated)

		liar := w.library(t)
		liar.send(`{"type":"auth","token":"x"}`)
		liar.expectRefused(rooms.Unauthenticated, closeUnauthenticated)

		c := w.library(t)
		<-time.After(2 * DefaultHandshakeTimeout)
		c.send(`{"type":"join","topics":["public","private"]}`)
		if f := c.expect("$joined"); !reflect.DeepEqual(f.Payload.Topics, []string{"public"}) || f.Payload.Denied["private"].Code != rooms.Forbidden {
			t.Fatal(f.raw)
		}
		c.send(`{"type":"auth","token":%q}`, w.issue(t, nil))
		c.expect("$authed")
		c.join("private")
		c.expectEvent(w.publish("private"))
		w.change("private", rooms.Access{Subject: "olena", Effect: rooms.Revoked})
		if f := c.expect("$left"); f.Payload.Code != "revoked" {
			t.Fatal(f.raw)
		}
		c.expectEvent(w.publish("public"))
	})
}

// TestSession_sql: an application's own sessions, in the cookie that it has.
func TestSession_sql(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := chat()
		app.sessions = map[string]string{"s3cr3t": `{"sub":"olena"}`}
		w := inMemory(t, guarded(app), func(_ *rooms.Options, a *auth.Options, _ *Options) {
			a.Mode, a.JWT, a.Cookie = auth.SQL, auth.JWTOptions{}, "session"
		})
		w.tokens = []string{"s3cr3t"}
		with := func(session string) http.Header {
			return http.Header{"Cookie": {"session=" + session}, "Origin": {"http://localhost:5173"}}
		}
		w.connectWith(t, with("s3cr3t"), "/ws?topics=private").expectEvent(w.publish("private"))
		w.connectWith(t, with("another"), "/ws?topics=private").expectRefused(rooms.Unauthenticated, closeUnauthenticated)
		app.change(func(a *application) { a.away = true })
		w.connectWith(t, with("s3cr3t"), "/ws?topics=private").expectRefused(rooms.Unavailable, websocket.StatusTryAgainLater)
		w.connectWith(t, with("s3cr3t"), "/ws", library).expectRefused(rooms.Unavailable, websocket.StatusTryAgainLater)
	})
}

// TestWhole: the topics of a URL are joined all or not at all.
func TestWhole(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		code rooms.Code
		with websocket.StatusCode
	}{
		"private,elsewhere": {rooms.Forbidden, closeForbidden},
		"private,$x":        {rooms.BadTopic, closeViolation},
		"private,away":      {rooms.Unavailable, websocket.StatusTryAgainLater},
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				app := chat()
				w := inMemory(t, guarded(app))
				if want.code == rooms.Unavailable {
					app.change(func(a *application) { a.away = true })
				}
				c := w.connect(t, "/ws?topics="+query, plain, "bearer."+w.issue(t, nil))
				c.expectRefused(want.code, want.with)
				if n := w.hub.Stats().Memberships; n != 0 {
					t.Errorf("%d topics were joined", n)
				}
			})
		})
	}
}
