package sse

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// secret signs the tokens that the gate believes.
const secret = "of these thirty-two bytes nobody knows"

// issue makes a token: olena's, for an hour, but as the claims say.
func (w *world) issue(claims jwt.MapClaims) string { return w.sign(secret, claims) }

// sign makes a token with any secret.
func (w *world) sign(secret string, claims jwt.MapClaims) string {
	w.t.Helper()
	all := jwt.MapClaims{"sub": "olena", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(secret))
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens = append(w.tokens, token)
	return token
}

// application is the database that the gate asks.
type application struct {
	mu      sync.Mutex
	takes   time.Duration // to answer
	away    bool          // answers nothing but errors
	members map[string][]string
}

func chat() *application {
	return &application{members: map[string][]string{"private": {"olena"}, "other": {"olena"}, "public": {"olena", ""}}}
}

// Authenticate implements auth.Database: there is one session.
func (a *application) Authenticate(ctx context.Context, token string) ([]byte, error) {
	if err := a.wait(ctx); err != nil || token != "s3cr3t" {
		return nil, err
	}
	return []byte(`{"sub":"olena"}`), nil
}

// Authorize implements auth.Database.
func (a *application) Authorize(ctx context.Context, topic string, claims []byte) (bool, error) {
	if err := a.wait(ctx); err != nil {
		return false, err
	}
	var who struct{ Sub string }
	err := json.Unmarshal(claims, &who)
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.members[topic], who.Sub), err
}

func (a *application) wait(ctx context.Context) error {
	a.mu.Lock()
	takes, away := a.takes, a.away
	a.mu.Unlock()
	if away {
		return errors.New("database is away")
	}
	select {
	case <-time.After(takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// change changes the application.
func (a *application) change(how func(a *application)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how(a)
}

// guarded asks clients for tokens, and the application who may join what.
func guarded(app *application) setting {
	return func(_ *rooms.Options, a *auth.Options, _ *Options) {
		a.Mode, a.JWT.Secret = auth.JWT, secret
		a.Authorize, a.Database = true, app
	}
}

// change publishes a change of access.
func (w *world) change(topic string, access rooms.Access) {
	access.At = time.Now()
	w.hub.Publish(rooms.Batch{
		Items:    []rooms.Item{{Topics: []string{topic}, Access: &access, XID: w.xid}},
		Snapshot: snapshot.New(w.xid + 1),
	})
}

// signedIn streams with a token.
func (w *world) signedIn(t *testing.T, topics string) *listener {
	t.Helper()
	s := w.get(t, "/sse?topics="+topics, "Authorization", "Bearer "+w.issue(nil))
	s.expect(anyRetry + "\nid: .*")
	return s
}

// expectStatus reads an answer that is final.
func (s *listener) expectStatus(status int, code rooms.Code) {
	s.t.Helper()
	body := s.body()
	if s.response.StatusCode != status || !strings.Contains(body, `"type":"$error"`) || !strings.Contains(body, `"`+string(code)+`"`) {
		s.t.Errorf("want %d %s, got %d %s", status, code, s.response.StatusCode, body)
	}
	if challenge := s.response.Header.Get("WWW-Authenticate"); (challenge == "Bearer") != (status == http.StatusUnauthorized) {
		s.t.Errorf("WWW-Authenticate %q", challenge)
	}
}

// expectLater reads an answer that says to come back.
func (s *listener) expectLater(code rooms.Code) {
	s.t.Helper()
	if s.response.StatusCode != http.StatusOK {
		s.t.Fatal(s.response.Status)
	}
	s.expect(anyRetry + "\n" + `data: {"type":"\$error",.*"` + string(code) + `".*`)
	s.expectEnd()
}

// TestArrival: each place of a token, each token.
func TestArrival(t *testing.T) {
	t.Parallel()
	page := []string{"Origin", "http://localhost:5173"}
	carriers := map[string]struct {
		carry func(token string) (query string, headers []string)
		set   func(a *auth.Options)
		blind bool // the token is not looked at
	}{
		"header": {carry: func(token string) (string, []string) { return "", []string{"Authorization", "Bearer " + token} }},
		"cookie": {
			carry: func(token string) (string, []string) { return "", append(page, "Cookie", "session="+token) },
			set:   func(a *auth.Options) { a.Cookie = "session" },
		},
		"cookie of no page": {
			carry: func(token string) (string, []string) { return "", []string{"Cookie", "session=" + token} },
			set:   func(a *auth.Options) { a.Cookie = "session" },
			blind: true,
		},
		"query": {
			carry: func(token string) (string, []string) { return "&token=" + token, nil },
			set:   func(a *auth.Options) { a.QueryToken = true },
		},
		"query, not allowed": {
			carry: func(token string) (string, []string) { return "&token=" + token, nil },
			blind: true,
		},
		"nowhere": {carry: func(string) (string, []string) { return "", nil }, blind: true},
	}
	tokens := map[string]struct {
		issue func(w *world) string
		code  rooms.Code // "": it is good
	}{
		"good":    {issue: func(w *world) string { return w.issue(nil) }},
		"expired": {func(w *world) string { return w.issue(jwt.MapClaims{"exp": time.Now().Unix() - 1}) }, rooms.TokenExpired},
		"forged":  {func(w *world) string { return w.sign(secret+"!", nil) }, rooms.Unauthenticated},
		"none":    {func(*world) string { return "nonsense" }, rooms.Unauthenticated},
	}
	for where, carrier := range carriers {
		for which, token := range tokens {
			t.Run(where+" "+which, func(t *testing.T) {
				t.Parallel()
				w := setup(t, guarded(chat()), func(_ *rooms.Options, a *auth.Options, _ *Options) {
					if carrier.set != nil {
						carrier.set(a)
					}
				})
				query, headers := carrier.carry(token.issue(w))
				s := w.get(t, "/sse?topics=private"+query, headers...)
				switch {
				case carrier.blind:
					s.expectStatus(http.StatusUnauthorized, rooms.Unauthenticated)
					if n := w.gate.Stats().Refused["auth.mode"]; n != 1 {
						t.Errorf("counted %d times", n)
					}
				case token.code != "":
					s.expectStatus(http.StatusUnauthorized, token.code)
				default:
					s.expect(anyRetry + "\nid: .*")
					s.expectEvent(w.publish("private"))
				}
			})
		}
	}
}

// TestJudged: the topics of a stream are joined all or not at all.
func TestJudged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := chat()
		w := inMemory(t, guarded(app), func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Anonymous = true })
		header := []string{"Authorization", "Bearer " + w.issue(nil)}
		w.get(t, "/sse?topics=private,elsewhere", header...).expectStatus(http.StatusForbidden, rooms.Forbidden)
		w.get(t, "/sse?topics=private,$x", header...).expectStatus(http.StatusBadRequest, rooms.BadTopic)
		w.get(t, "/sse?topics=private").expectStatus(http.StatusForbidden, rooms.Forbidden)
		s := w.get(t, "/sse?topics=public")
		s.expect(anyRetry + "\nid: .*")
		s.expectEvent(w.publish("public"))
		app.change(func(a *application) { a.away = true })
		w.get(t, "/sse?topics=other", header...).expectLater(rooms.Unavailable)
		if n := w.hub.Stats().Memberships; n != 1 {
			t.Errorf("%d topics are joined", n)
		}
	})
}

// TestExpiry: at its token's end a stream ends, and the next one is refused.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, guarded(chat()), func(r *rooms.Options, _ *auth.Options, _ *Options) { r.Heartbeat = 24 * time.Hour })
		token := w.issue(nil)
		begin := time.Now()
		s := w.get(t, "/sse?topics=private", "Authorization", "Bearer "+token)
		s.expect(anyRetry + "\nid: .*")
		s.expect(`data: {"type":"\$error",.*"token_expired".*`)
		s.expectEnd()
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("after %v", d)
		}
		w.get(t, "/sse?topics=private", "Authorization", "Bearer "+token).expectStatus(http.StatusUnauthorized, rooms.TokenExpired)
	})
}

func TestRevoked(t *testing.T) {
	t.Parallel()
	t.Run("a listener", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := chat()
			w := inMemory(t, guarded(app))
			s, untouched := w.signedIn(t, "private,other"), w.signedIn(t, "other")
			before := w.publish("private")
			app.change(func(a *application) { a.members["private"] = nil })
			w.change("private", rooms.Access{Subject: "olena", Effect: rooms.Revoked})
			w.publish("private")
			s.expectEvent(before)
			s.expect(`data: {"type":"\$error",.*"forbidden".*`)
			s.expectEnd()
			untouched.expectEvent(w.publish("other"))
			w.get(t, "/sse?topics=private", "Authorization", "Bearer "+w.issue(nil)).expectStatus(http.StatusForbidden, rooms.Forbidden)
		})
	})
	t.Run("while the application is asked", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := chat()
			app.takes = time.Second
			w := inMemory(t, guarded(app))
			var asking sync.WaitGroup
			var s *listener
			asking.Go(func() { s = w.get(t, "/sse?topics=private", "Authorization", "Bearer "+w.issue(nil)) })
			<-time.After(500 * time.Millisecond)
			w.change("private", rooms.Access{Subject: "olena", Effect: rooms.Revoked})
			asking.Wait()
			s.expectLater(rooms.Unavailable)
		})
	})
	t.Run("perhaps", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, guarded(chat()))
			s := w.signedIn(t, "private")
			w.change("private", rooms.Access{Everyone: true, Effect: rooms.Unknown})
			s.expect(anyRetry)
			s.expectEnd()
			w.signedIn(t, "private").expectEvent(w.publish("private"))
		})
	})
}

// TestSlowApplication: who waits for the application's answer delays nobody.
func TestSlowApplication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := chat()
		w := inMemory(t, guarded(app))
		s := w.signedIn(t, "private")
		app.change(func(a *application) { a.takes = 2 * time.Second })
		begin := time.Now()
		var asking sync.WaitGroup
		asking.Go(func() { w.signedIn(t, "other") })
		synctest.Wait()
		s.expectEvent(w.publish("private"))
		if d := time.Since(begin); d != 0 {
			t.Errorf("it took %v", d)
		}
		asking.Wait()
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("the other came in after %v", d)
		}
	})
}

// TestShutdown_arriving: nobody who is being looked at keeps the daemon.
func TestShutdown_arriving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := chat()
		app.takes = 4 * time.Second
		w := inMemory(t, guarded(app), func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Mode, a.JWT = auth.SQL, auth.JWTOptions{} })
		w.tokens = []string{"s3cr3t"}
		var asking sync.WaitGroup
		var s *listener
		asking.Go(func() { s = w.get(t, "/sse?topics=private", "Authorization", "Bearer s3cr3t") })
		synctest.Wait()
		begin := time.Now()
		if err := w.handler.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("waited %v", d)
		}
		asking.Wait()
		s.expectLater(rooms.Unavailable)
	})
}

// TestCORS: what pages of other origins are told.
func TestCORS(t *testing.T) {
	t.Parallel()
	const own, foreign = "http://localhost:5173", "http://evil.example"
	for name, tt := range map[string]struct {
		method, origin, cookie string
		status                 int
		want                   map[string]string // of the headers; "" is none
	}{
		"preflight": {http.MethodOptions, own, "", http.StatusNoContent, map[string]string{
			"Access-Control-Allow-Origin":      own,
			"Access-Control-Allow-Methods":     "GET",
			"Access-Control-Allow-Headers":     "Authorization, Last-Event-ID",
			"Access-Control-Allow-Credentials": "",
		}},
		"preflight, with a cookie set": {http.MethodOptions, own, "session", http.StatusNoContent, map[string]string{
			"Access-Control-Allow-Origin":      own,
			"Access-Control-Allow-Credentials": "true",
		}},
		"preflight, foreign": {http.MethodOptions, foreign, "session", http.StatusForbidden, map[string]string{
			"Access-Control-Allow-Origin":      "",
			"Access-Control-Allow-Headers":     "",
			"Access-Control-Allow-Credentials": "",
		}},
		"GET": {http.MethodGet, own, "", http.StatusUnauthorized, map[string]string{
			"Access-Control-Allow-Origin":      own,
			"Access-Control-Allow-Credentials": "",
		}},
		"GET, with a cookie set": {http.MethodGet, own, "session", http.StatusUnauthorized, map[string]string{
			"Access-Control-Allow-Origin":      own,
			"Access-Control-Allow-Credentials": "true",
		}},
		"GET, of no page": {http.MethodGet, "", "session", http.StatusUnauthorized, map[string]string{
			"Access-Control-Allow-Origin":      "",
			"Access-Control-Allow-Credentials": "",
		}},
		"POST": {http.MethodPost, own, "", http.StatusMethodNotAllowed, map[string]string{"Allow": "GET, OPTIONS"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, guarded(chat()), func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Cookie = tt.cookie })
			r, err := http.NewRequestWithContext(t.Context(), tt.method, w.url+"/sse?topics=private", nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			response, err := w.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != tt.status || response.Header.Get("Vary") != "Origin" {
				t.Errorf("status %d, Vary %q", response.StatusCode, response.Header.Get("Vary"))
			}
			for header, want := range tt.want {
				if got := response.Header.Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
		})
	}
}
