package bridge

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rowcast/rooms/auth"
)

// keys are of RSA and made once: that takes long. The other one is mallory's own.
var keys = sync.OnceValue(func() (k struct {
	ours, other *rsa.PrivateKey
	pem         string // of our public half
	set         string // with the same, as "ours" (RFC 7517)
},
) {
	var err error
	if k.ours, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	if k.other, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&k.ours.PublicKey)
	if err != nil {
		panic(err)
	}
	k.pem = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	k.set = fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"ours","e":"AQAB","n":%q}]}`, base64.RawURLEncoding.EncodeToString(k.ours.N.Bytes()))
	return k
})

const (
	issuer   = "https://issuer.example"
	audience = "rowcast"
	page     = "https://app.example"
)

// byPublicKey is a daemon that believes tokens of keys().ours, in a cookie too.
func byPublicKey(o *Options) {
	bySecret(o)
	o.Gate.JWT = auth.JWTOptions{PublicKey: keys().pem, Issuer: issuer, Audience: audience, Leeway: 30 * time.Second}
	o.Gate.Cookie, o.Gate.Origins = "session", []string{page, "https://*.app.example"}
}

// ours is a good token, but for some claims.
func ours(t *testing.T, subject string, but ...any) string {
	t.Helper()
	return sign(t, jwt.SigningMethodRS256, keys().ours, nil, claim(subject, append([]any{"iss", issuer, "aud", audience}, but...)...))
}

// TestAttackToken: who has no good token is not let in, by any door, and learns
// no more than that.
func TestAttackToken(t *testing.T) {
	t.Parallel()
	s := besiege(t, ours(t, "victim"), byPublicKey)
	now := time.Now().Unix()
	victim := claim("victim", "iss", issuer, "aud", audience)
	other, good := keys().other, ours(t, "victim")
	signature := good[strings.LastIndex(good, "."):]
	unsigned := func(header, payload string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	}
	payload := fmt.Sprintf(`{"sub":"victim","iss":%q,"aud":%q,"exp":%d}`, issuer, audience, now+3600)
	jwk := map[string]any{
		"kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(other.N.Bytes()),
	}
	for _, tt := range []struct {
		name, code string
		tokens     []string
	}{
		{"good", "", []string{good}}, // else the rest would prove nothing
		{"algorithm_confusion", "unauthenticated", []string{
			sign(t, jwt.SigningMethodHS256, []byte(keys().pem), nil, victim),
			sign(t, jwt.SigningMethodHS256, []byte(strings.TrimSpace(keys().pem)), nil, victim),
			sign(t, jwt.SigningMethodHS512, x509.MarshalPKCS1PublicKey(&keys().ours.PublicKey), nil, victim),
		}},
		{"none", "unauthenticated", []string{
			sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, victim),
			unsigned(`{"alg":"none"}`, payload) + ".", unsigned(`{"alg":"None"}`, payload) + signature,
			unsigned(`{"alg":""}`, payload) + ".", unsigned(`{}`, payload) + signature, unsigned(`{"alg":"RS256"}`, payload) + ".",
			unsigned(`{"alg":"RS256"}`, payload) + signature, unsigned(`{"alg":"RS256","b64":false,"crit":["b64"]}`, payload) + signature,
		}},
		{"expired", "token_expired", []string{ours(t, "victim", "exp", now-60)}},
		{"without_end", "unauthenticated", []string{ours(t, "victim", "exp", nil), ours(t, "victim", "exp", "never")}},
		{"future", "unauthenticated", []string{ours(t, "victim", "nbf", now+60), ours(t, "victim", "iat", now+60)}},
		{"wrong_audience", "unauthenticated", []string{ours(t, "victim", "aud", "another"), ours(t, "victim", "aud", nil), ours(t, "victim", "aud", []string{})}},
		{"wrong_issuer", "unauthenticated", []string{ours(t, "victim", "iss", issuer+"/"), ours(t, "victim", "iss", nil)}},
		{"another_key", "unauthenticated", []string{sign(t, jwt.SigningMethodRS256, other, nil, victim)}},
		{"kid_injection", "unauthenticated", []string{
			sign(t, jwt.SigningMethodHS256, []byte{0}, map[string]any{"kid": "../../../../dev/null"}, victim),
			sign(t, jwt.SigningMethodRS256, other, map[string]any{"kid": "' UNION SELECT 'x"}, victim),
			sign(t, jwt.SigningMethodRS256, other, map[string]any{"kid": "1\x00\r\nset-cookie: x"}, victim),
			sign(t, jwt.SigningMethodRS256, other, map[string]any{"jwk": jwk}, victim),
			sign(t, jwt.SigningMethodRS256, other, map[string]any{"jku": "http://" + s.http + "/jwks", "x5u": "http://" + s.http + "/"}, victim),
			sign(t, jwt.SigningMethodRS256, other, map[string]any{"kid": []any{map[string]any{}}}, victim),
		}},
		{"huge", "unauthenticated", []string{ours(t, "victim", "x", strings.Repeat("x", 13<<10)), strings.Repeat("a.", 9<<10), strings.Repeat(".", 17<<10)}},
		{"no_token_at_all", "unauthenticated", []string{"x", "..", "a.b.c", good + "A", good[:len(good)-1], good + ".", strings.ToUpper(good)}},
	} {
		s.attack(t, tt.name, func(t *testing.T) {
			for _, token := range tt.tokens {
				s.refuses(t, token, "topic_8", tt.code)
			}
		})
	}

	bearer := http.Header{"Authorization": {"Bearer " + good}}
	cookie := func(token string, more ...string) http.Header {
		h := http.Header{"Cookie": {"session=" + token}}
		for i := 0; i < len(more); i += 2 {
			h.Add(more[i], more[i+1])
		}
		return h
	}
	huge := strings.Repeat("x", 20<<10)

	// arrives tells what comes of a request with these headers, at each level.
	arrives := func(t *testing.T, query string, h http.Header, code string, status int) {
		t.Helper()
		for name, protocol := range map[string]string{"library": "rowcast.v1", "plain": "rowcast.plain"} {
			c, res := knock(t, s.http, query, h.Clone(), protocol)
			switch {
			case status != 0:
				if res.StatusCode != status {
					t.Errorf("%s: %s, want %d", name, res.Status, status)
				}
				continue
			case name == "library" && code == "unauthenticated" && h.Get("Cookie") != "session="+huge:
				// Nothing that counts: it may still say who it is, and does not.
				c.send(map[string]any{"type": "join", "topics": []string{"topic_8"}})
			}
			got := outcome{}
			if name == "plain" {
				got = s.probe(t, c, "topic_8")
			} else if f := c.next(); f.Type != "$welcome" {
				got = refusedBy(t, c, f)
			}
			if want := (outcome{code, closes[code]}); got != want {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
		c, res := request(t, s.http, query, h.Clone())
		want := outcome{code, statuses[code]}
		if status != 0 {
			want = outcome{"forbidden", status}
			if allowed := res.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
				t.Errorf("sse: %q may read it", allowed)
			}
		}
		got := s.probe(t, c, "topic_8")
		if got.end = res.StatusCode; got != want {
			t.Errorf("sse: %v, want %v", got, want)
		}
	}
	const topics = "topics=topic_8"
	s.attack(t, "carriers_that_count", func(t *testing.T) {
		arrives(t, topics, bearer, "", 0)
		arrives(t, topics, cookie(good, "Origin", page), "", 0)
	})
	s.attack(t, "token_in_the_URL", func(t *testing.T) {
		arrives(t, topics+"&token="+good, nil, "unauthenticated", 0)
		arrives(t, topics+"&access_token="+good+"&session="+good, nil, "unauthenticated", 0)
	})
	s.attack(t, "huge_in_a_cookie", func(t *testing.T) { arrives(t, topics, cookie(huge, "Origin", page), "unauthenticated", 0) })
	s.attack(t, "larger_than_a_header", func(t *testing.T) {
		for _, h := range []http.Header{
			cookie(strings.Repeat(huge, 5), "Origin", page), {"Authorization": {"Bearer " + strings.Repeat(huge, 5)}},
		} {
			if _, res := knock(t, s.http, topics, h); res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Error(res.Status)
			}
		}
		c, _ := knock(t, s.http, "", nil, "rowcast.v1")
		c.send(map[string]any{"type": "auth", "token": strings.Repeat(huge, 5)})
		if got, want := refusedBy(t, c, c.next()), (outcome{"too_large", 1009}); got != want {
			t.Errorf("a frame: %v, want %v", got, want)
		}
	})
	s.attack(t, "two_tokens", func(t *testing.T) {
		h := http.Header{"Authorization": {"Bearer " + good, "Bearer " + ours(t, "mallory")}}
		if c, res := request(t, s.http, topics, h); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s, %v", res.Status, c.next())
		}
	})
	s.attack(t, "cookie_without_origin", func(t *testing.T) { arrives(t, topics, cookie(good), "unauthenticated", 0) })
	s.attack(t, "cross_origin", func(t *testing.T) {
		for _, origin := range []string{
			"https://evil.example", "null", "file://", "http://app.example", "https://app.example.evil.example", "https://app.example:444",
			"https://evil.example/https://app.example", "https://evilapp.example", "https://app.example@evil.example", "https://a.b.app.example.x", "%", "https://",
			"http://localhost.evil.example",
		} {
			for _, h := range []http.Header{{"Origin": {origin}}, cookie(good, "Origin", origin), {"Authorization": bearer["Authorization"], "Origin": {origin}}} {
				arrives(t, topics, h, "", http.StatusForbidden)
			}
		}
	})
	s.attack(t, "cross_origin_preflight", func(t *testing.T) {
		for origin, want := range map[string]int{page: http.StatusNoContent, "https://evil.example": http.StatusForbidden} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://"+s.http+"/sse?"+topics, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", origin)
			res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if allowed := res.Header.Get("Access-Control-Allow-Origin"); res.StatusCode != want || (allowed == origin) != (origin == page) {
				t.Errorf("%s: %s, for %q", origin, res.Status, allowed)
			}
		}
	})
	s.attack(t, "nothing_is_logged", func(t *testing.T) {
		for _, secret := range []string{good, signature[1:], huge, "victim", "private"} {
			if strings.Contains(s.log.String(), secret) {
				t.Errorf("the log holds %.40q…", secret)
			}
		}
	})
}
