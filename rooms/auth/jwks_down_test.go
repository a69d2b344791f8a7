package auth

import (
	"bytes"
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/rooms"
)

// Whatever is wrong with the issuer, it is "later", and better the keys there are
// than none.
func TestJWKS_down(t *testing.T) {
	t.Parallel()
	k := testKeys()
	good := set(jwkOf(t, k.ed, "good"))
	elsewhere := newIssuer(t, text(good))
	for name, answer := range map[string]http.HandlerFunc{
		"error":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, good, http.StatusInternalServerError) },
		"created": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated); text(good)(w, nil) },
		"no body": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"garbage": text("<!doctype html>"),
		"no keys": text(`{"message":"ok"}`),
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			text(good)(w, nil)
		},
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			text(good)(w, nil)
			space := bytes.Repeat([]byte(" "), 1<<16)
			for range 17 {
				_, _ = w.Write(space)
			}
		},
		"huge headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<17))
			text(good)(w, nil)
		},
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		},
		"redirects for ever": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusPermanentRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			down, up := newIssuer(t, answer), newIssuer(t, text(good))
			synctest.Test(t, func(t *testing.T) {
				token := by(t, "EdDSA", k.ed, "good")
				var log bytes.Buffer
				v := running(t, down.URL, func(j *jwks) { j.log = slog.New(slog.NewTextHandler(&log, nil)) })
				refused(t, v, "at the start", token, rooms.Unavailable)
				wait(time.Hour)
				refused(t, v, "an hour later", token, rooms.Unavailable)
				if n := down.asked.Load(); n > 20 {
					t.Errorf("the issuer was asked %d times in an hour", n)
				}
				down.answer.Store(text(good))
				wait(jwksBackOff + time.Second) // the second: not at the very moment of the fetch
				accepted(t, v, "up again", token)
				if !strings.Contains(log.String(), "setting=auth.jwt.jwks_url") || strings.Contains(log.String(), down.URL) {
					t.Errorf("logged: %q", log.String())
				}

				v = running(t, up.URL)
				accepted(t, v, "up", token)
				up.answer.Store(answer)
				wait(2 * jwksFresh)
				if up.asked.Load() < 3 {
					t.Error("nobody asked for fresh keys")
				}
				accepted(t, v, "down, with the keys there are", token)
				refused(t, v, "down, with another key", by(t, "ES256", k.p256, "new"), rooms.Unavailable)
				refused(t, v, "down, tampered with", token+"AAAA", rooms.Unauthenticated)
			})
		})
	}
	t.Cleanup(func() {
		if n := elsewhere.asked.Load(); n != 0 {
			t.Errorf("a redirect was followed %d times", n)
		}
	})
}

// Nobody is there at all.
func TestJWKS_refusedConnection(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, text(set()))
	i.Close()
	synctest.Test(t, func(t *testing.T) {
		refused(t, running(t, i.URL), "no server", by(t, "EdDSA", testKeys().ed, "good"), rooms.Unavailable)
	})
}

// An issuer that hangs holds up neither the start, nor those whose keys are
// known, nor anybody for longer than they want to wait.
func TestJWKS_hanging(t *testing.T) {
	t.Parallel()
	k := testKeys()
	release := make(chan struct{})
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	defer close(release) // before the server is closed, which waits for its requests

	v := running(t, i.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	id, refusal, setting := v.verify(ctx, by(t, "EdDSA", k.ed, "good"))
	if id != nil || refusal == nil || refusal.Code != rooms.Unavailable || setting != "auth.jwt.jwks_url" {
		t.Errorf("%+v, %+v, %s", id, refusal, setting)
	}

	v = running(t, i.URL, func(j *jwks) { j.client.Timeout = 50 * time.Millisecond })
	refused(t, v, "the fetch ran out of time", by(t, "EdDSA", k.ed, "good"), rooms.Unavailable)

	v = verifierOf(t, JWTOptions{JWKSURL: i.URL})
	j := v.keys.(*jwks)
	var err error
	if j.set, err = readKeySet(t.Context(), []byte(set(jwkOf(t, k.ed, "good")))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { j.run(ctx); close(done) }()
	for asked := i.asked.Load(); asked < 3; asked = i.asked.Load() {
		wait(time.Millisecond)
	}
	accepted(t, v, "known, while a fetch hangs", by(t, "EdDSA", k.ed, "good"))
	cancel()
	<-done // though the issuer still hangs
}

// A fetch takes five seconds at most: who waits for keys has an answer before a
// handshake's time is over. No socket is as patient as a bubble's clock.
func TestJWKS_timeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		v := running(t, "https://issuer.example", func(j *jwks) { j.client.Transport = silence{} })
		refused(t, v, "no answer", by(t, "EdDSA", testKeys().ed, "good"), rooms.Unavailable)
		if took := time.Since(began); took != jwksTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestJWKS_overTLS(t *testing.T) {
	t.Parallel()
	k := testKeys()
	s := httptest.NewTLSServer(text(set(jwkOf(t, k.ed, "good"))))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	token := by(t, "EdDSA", k.ed, "good")
	refused(t, running(t, s.URL), "a certificate of nobody we trust", token, rooms.Unavailable)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	accepted(t, running(t, s.URL, func(j *jwks) {
		j.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = pool
	}), "a certificate we trust", token)
}
