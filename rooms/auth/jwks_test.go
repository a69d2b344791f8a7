package auth

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"rowcast/rooms"
)

// issuer publishes what it is told to, and counts who asks. It lives outside of
// bubbles: it is another machine.
type issuer struct {
	*httptest.Server
	asked  atomic.Int32
	answer atomic.Value // func(http.ResponseWriter, *http.Request)
}

func newIssuer(t testing.TB, answer http.HandlerFunc) *issuer {
	t.Helper()
	i := &issuer{}
	i.answer.Store(answer)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		i.answer.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publishes(keys ...string) { i.answer.Store(text(set(keys...))) }

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
}

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// jwkOf is the public key as JSON; but adds to it: name, value, name, value.
func jwkOf(t testing.TB, key crypto.Signer, kid string, but ...any) string {
	t.Helper()
	k, err := jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(k.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]any{}
	if err := json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(but); i += 2 {
		members[but[i].(string)] = but[i+1]
	}
	if b, err = json.Marshal(members); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// by makes a good token with this method, key and kid; "-" is no kid at all.
func by(t testing.TB, method string, key any, kid string) string {
	t.Helper()
	header, err := json.Marshal(map[string]string{"alg": method, "kid": kid})
	if err != nil {
		t.Fatal(err)
	}
	if kid == "-" {
		header = []byte(`{"alg":"` + method + `"}`)
	}
	// Good for all of a bubble's time, which begins in the year 2000, and outside.
	return compact(t, jwt.GetSigningMethod(method), key, string(header), said("iat", absent{}, "exp", 4102444800))
}

// running is a verifier of what the issuer publishes, fetching; the test's end
// ends it.
func running(t *testing.T, address string, change ...func(*jwks)) *verifier {
	t.Helper()
	v := verifierOf(t, JWTOptions{JWKSURL: address})
	for _, f := range change {
		f(v.keys.(*jwks))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := v.run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return v
}

func wait(d time.Duration) { <-time.After(d) }

func TestJWKS(t *testing.T) {
	t.Parallel()
	k := testKeys()
	signers := map[string]crypto.Signer{
		"RS256": k.rsa, "RS384": k.rsa, "RS512": k.rsa, "PS256": k.rsa, "PS384": k.rsa, "PS512": k.rsa,
		"ES256": k.p256, "ES384": k.p384, "ES512": k.p521, "EdDSA": k.ed,
	}
	i := newIssuer(t, text(set(
		jwkOf(t, k.other, "other"),
		jwkOf(t, k.rsa, "rsa", "use", "sig", "key_ops", []string{"verify"}),
		jwkOf(t, k.p256, "both", "alg", "ES256"),
		jwkOf(t, k.p384, "both", "x5u", "https://127.0.0.1:1/"),
		jwkOf(t, k.p521, "p521"),
		jwkOf(t, k.ed, "ed"),
	)))
	kids := map[string]string{"ES256": "both", "ES384": "both", "ES512": "p521", "EdDSA": "ed"}
	synctest.Test(t, func(t *testing.T) {
		v := running(t, i.URL)
		for method, key := range signers {
			kid, ok := kids[method]
			if !ok {
				kid = "rsa"
			}
			accepted(t, v, method, by(t, method, key, kid))
			accepted(t, v, method+" without kid", by(t, method, key, "-"))
		}
		if n := i.asked.Load(); n != 1 {
			t.Errorf("the issuer was asked %d times", n)
		}
		refused(t, v, "with another key's kid", by(t, "RS256", k.rsa, "other"), rooms.Unauthenticated)
		refused(t, v, "tampered with", by(t, "RS256", k.rsa, "rsa")+"AAAA", rooms.Unauthenticated)
	})
}

// Keys that must not verify: what is symmetric, for another use, of another
// method, or too short. They take nothing away from the one beside them.
func TestJWKS_keysLeftOut(t *testing.T) {
	t.Parallel()
	k := testKeys()
	secret := []byte(testSecret)
	oct := `{"kty":"oct","kid":"oct","k":"` + base64url(secret) + `"}`
	i := newIssuer(t, text(set(
		oct, strings.Replace(oct, `"kid"`, `"alg":"HS256","kid"`, 1), `7`, `{}`, `null`, `"RSA"`,
		`{"kty":"RSA","kid":"rsa","n":"AQAB","e":""}`, `{"kty":"EC","kid":"ec","crv":"P-256","x":"AA","y":"AA"}`,
		`{"kty":"OKP","kid":"x","crv":"X25519","x":"`+base64url(make([]byte, 32))+`"}`,
		jwkOf(t, k.rsa, "enc", "use", "enc"),
		jwkOf(t, k.rsa, "odd", "use", "whatever"),
		jwkOf(t, k.rsa, "signs", "key_ops", []string{"sign"}),
		jwkOf(t, k.other, "rs256", "alg", "RS256"),
		jwkOf(t, k.other, "none", "alg", "none"),
		jwkOf(t, k.other, "hs256", "alg", "HS256"),
		jwkOf(t, k.small, "small"),
		jwkOf(t, k.p256, "p256"),
		jwkOf(t, k.ed, "good"),
	)))
	synctest.Test(t, func(t *testing.T) {
		v := running(t, i.URL)
		accepted(t, v, "the key beside them", by(t, "EdDSA", k.ed, "good"))
		accepted(t, v, "the method that the key names", by(t, "RS256", k.other, "rs256"))
		for name, token := range map[string]string{
			"symmetric":                      by(t, "HS256", secret, "oct"),
			"symmetric, no kid":              by(t, "HS256", secret, "-"),
			"RSA as the secret":              by(t, "HS256", []byte(pemOf(t, k.rsa)), "rs256"),
			"for encryption":                 by(t, "RS256", k.rsa, "enc"),
			"for signing":                    by(t, "RS256", k.rsa, "signs"),
			"for something else":             by(t, "RS256", k.rsa, "odd"),
			"any of these, no kid":           by(t, "RS256", k.rsa, "-"),
			"another method":                 by(t, "RS512", k.other, "rs256"),
			"another method, no kid":         by(t, "PS256", k.other, "-"),
			"no method":                      by(t, "RS256", k.other, "none"),
			"a symmetric method":             by(t, "HS256", []byte(pemOf(t, k.other)), "hs256"),
			"ES384 by P-256":                 confused(t, "ES384", k.p256, "p256"),
			"ES384 by P-256, no kid":         confused(t, "ES384", k.p256, ""),
			"unsigned":                       base64url([]byte(`{"alg":"none","kid":"none"}`)) + "." + base64url([]byte(said())) + ".",
			"kid is a number":                compact(t, jwt.SigningMethodEdDSA, k.ed, `{"alg":"EdDSA","kid":1}`, said()),
			"kid is null":                    compact(t, jwt.SigningMethodEdDSA, k.ed, `{"alg":"EdDSA","kid":null}`, said()),
			"kid is a list":                  compact(t, jwt.SigningMethodEdDSA, k.ed, `{"alg":"EdDSA","kid":["good"]}`, said()),
			"critical extension":             compact(t, jwt.SigningMethodEdDSA, k.ed, `{"alg":"EdDSA","kid":"good","crit":["x"]}`, said()),
			"an own key":                     compact(t, jwt.SigningMethodRS256, k.rsa, `{"alg":"RS256","kid":"rs256","jwk":`+jwkOf(t, k.rsa, "rs256")+`}`, said()),
			"an own key of a kid of its own": compact(t, jwt.SigningMethodRS256, k.rsa, `{"alg":"RS256","kid":"own","jwk":`+jwkOf(t, k.rsa, "own")+`}`, said()),
		} {
			refused(t, v, name, token, rooms.Unauthenticated)
		}
	})
}

func TestReadKeySet(t *testing.T) {
	t.Parallel()
	k := testKeys()
	small := jwkOf(t, k.small, "small")
	x509key := jwkOf(t, k.p256, "x", "x5c", []string{"AAAA"})
	oct := `{"kty":"oct","kid":"oct","k":"` + base64url([]byte(testSecret)) + `"}`
	ks, err := readKeySet(t.Context(), []byte(set(small, x509key, oct, jwkOf(t, k.p384, "a"), jwkOf(t, k.p384, "b", "use", "enc"))))
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(maps.Keys(ks)); !slices.Equal(got, []string{"ES384"}) {
		t.Errorf("keys for %v, want ES384 alone", got)
	}
	for _, body := range []string{
		"", "null", "{}", "[]", `{"keys":null}`, `{"keys":{}}`, `{"keys":"x"}`, "<html>", set() + "}", set() + set(), "\x00", `{"error":"rate limited"}`,
	} {
		if ks, err := readKeySet(t.Context(), []byte(body)); err == nil {
			t.Errorf("%q is a key set: %v", body, ks)
		}
	}
	if ks, err := readKeySet(t.Context(), []byte(set())); err != nil || len(ks) != 0 {
		t.Errorf("a set of no keys: %v, %v", ks, err)
	}
}

// confused signs by a method that is not the key's.
func confused(t testing.TB, method string, key crypto.Signer, kid string) string {
	t.Helper()
	header := `{"alg":"` + method + `","kid":"` + kid + `"}`
	if kid == "" {
		header = `{"alg":"` + method + `"}`
	}
	text := base64url([]byte(header)) + "." + base64url([]byte(said()))
	return text + "." + base64url(anyhow(t, method, key, text))
}

// kid injection: a kid is compared with those of the keys, and nothing else is
// done with it.
func TestJWKS_kid(t *testing.T) {
	t.Parallel()
	k := testKeys()
	i := newIssuer(t, text(set(jwkOf(t, k.ed, "good"))))
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		v := running(t, i.URL, func(j *jwks) { j.log = slog.New(slog.NewTextHandler(&log, nil)) })
		for _, kid := range []string{
			"../../../../dev/null", "/etc/passwd", "good' OR '1'='1", "good; DROP TABLE keys", "http://evil.example/keys", "file:///etc/keys",
			"$(reboot)", "%s%n", "good\x00", "\x1b[31mgood\r\nlevel=ERROR", "good ", "GOOD", "", "\u202egood", strings.Repeat("good", 2500),
		} {
			refused(t, v, fmt.Sprintf("kid %.40q", kid), by(t, "EdDSA", k.ed, kid), rooms.Unauthenticated)
		}
		if log.Len() > 0 {
			t.Errorf("it was logged: %q", log.String())
		}
		accepted(t, v, "and the good one", by(t, "EdDSA", k.ed, "good"))
	})
}

// Nobody is asked whom a token's header names.
func TestJWKS_headerURLs(t *testing.T) {
	t.Parallel()
	k := testKeys()
	attacker := newIssuer(t, text(set(jwkOf(t, k.other, "own"))))
	i := newIssuer(t, text(set(jwkOf(t, k.rsa, "good"))))
	synctest.Test(t, func(t *testing.T) {
		v := running(t, i.URL)
		for _, kid := range []string{"good", "own"} {
			header := `{"alg":"RS256","kid":"` + kid + `","jku":"` + attacker.URL + `","x5u":"` + attacker.URL + `"}`
			refused(t, v, "jku with kid "+kid, compact(t, jwt.SigningMethodRS256, k.other, header, said()), rooms.Unauthenticated)
		}
		if n := attacker.asked.Load(); n != 0 {
			t.Errorf("the attacker's server was asked %d times", n)
		}
	})
}

func TestJWKS_rotation(t *testing.T) {
	t.Parallel()
	k := testKeys()
	i := newIssuer(t, text(set(jwkOf(t, k.ed, "old"))))
	synctest.Test(t, func(t *testing.T) {
		v := running(t, i.URL)
		wait(time.Second) // the first keys are there: who came before would have asked for others
		accepted(t, v, "old key", by(t, "EdDSA", k.ed, "old"))
		i.publishes(jwkOf(t, k.ed, "old"), jwkOf(t, k.p256, "new"))
		wait(time.Minute)

		began := time.Now()
		accepted(t, v, "new key", by(t, "ES256", k.p256, "new"))
		if took := time.Since(began); took > 0 {
			t.Errorf("the first after a minute waited for %v", took)
		}
		accepted(t, v, "old key, still published", by(t, "EdDSA", k.ed, "old"))

		i.publishes(jwkOf(t, k.p256, "new"), jwkOf(t, k.p384, "newer"))
		began = time.Now()
		accepted(t, v, "newer key, a moment later", by(t, "ES384", k.p384, "newer"))
		if took := time.Since(began); took != jwksPause {
			t.Errorf("waited for %v, want the pause", took)
		}
		refused(t, v, "old key, withdrawn", by(t, "EdDSA", k.ed, "old"), rooms.Unauthenticated)

		i.publishes()
		wait(jwksFresh + time.Second)
		refused(t, v, "withdrawn, and nobody asked", by(t, "ES256", k.p256, "new"), rooms.Unauthenticated)
		wait(jwksFresh)
		if n := i.asked.Load(); n > 8 {
			t.Errorf("the issuer was asked %d times in two hours", n)
		}
	})
}

// A storm of unknown kids is a fetch in five seconds, and costs those with a key
// that is new nothing but the wait.
func TestJWKS_storm(t *testing.T) {
	t.Parallel()
	k := testKeys()
	i := newIssuer(t, text(set(jwkOf(t, k.ed, "old"))))
	storm := make([]string, 1000)
	for n := range storm {
		storm[n] = by(t, "EdDSA", k.ed, fmt.Sprint("made up ", n))
	}
	synctest.Test(t, func(t *testing.T) {
		v := running(t, i.URL)
		accepted(t, v, "old key", by(t, "EdDSA", k.ed, "old"))
		i.publishes(jwkOf(t, k.ed, "old"), jwkOf(t, k.p256, "new"))
		began := time.Now()
		for range 3 {
			var all sync.WaitGroup
			for _, token := range storm {
				all.Go(func() { refused(t, v, "storm", token, rooms.Unauthenticated) })
			}
			all.Go(func() { accepted(t, v, "new key", by(t, "ES256", k.p256, "new")) })
			all.Go(func() { accepted(t, v, "old key", by(t, "EdDSA", k.ed, "old")) })
			all.Wait()
		}
		if took := time.Since(began); took > 4*jwksPause {
			t.Errorf("it took %v", took)
		}
		if n := i.asked.Load(); n > 5 {
			t.Errorf("the issuer was asked %d times", n)
		}
	})
}
