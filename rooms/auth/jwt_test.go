package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rowcast/rooms"
)

const (
	testSecret   = "a secret of thirty-two bytes, no less"
	testIssuer   = "https://issuer.example"
	testAudience = "rowcast"
)

var testNames = claimNames{topics: "topics", subject: "sub"}

// testKeys are made once: those of RSA take long.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, other, small *rsa.PrivateKey
	p256, p384, p521  *ecdsa.PrivateKey
	ed                ed25519.PrivateKey
},
) {
	var errs [7]error
	k.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	k.other, errs[1] = rsa.GenerateKey(rand.Reader, 2048)
	k.small, errs[2] = rsa.GenerateKey(rand.Reader, 1024)
	k.p256, errs[3] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, errs[4] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.p521, errs[5] = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, k.ed, errs[6] = ed25519.GenerateKey(rand.Reader)
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
	return k
})

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// compact signs a token of exactly these bytes.
func compact(t testing.TB, m jwt.SigningMethod, key any, header, payload string) string {
	t.Helper()
	text := base64url([]byte(header)) + "." + base64url([]byte(payload))
	signature, err := m.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64url(signature)
}

type absent struct{}

// said are good claims, but for some: name, value, name, value. An absent{} is
// left out, a json.RawMessage goes out as it is.
func said(but ...any) string {
	now := time.Now().Unix()
	claims := map[string]any{"sub": "maks", "iss": testIssuer, "aud": testAudience, "iat": now, "exp": now + 3600}
	for i := 0; i < len(but); i += 2 {
		claims[but[i].(string)] = but[i+1]
		if but[i+1] == (absent{}) {
			delete(claims, but[i].(string))
		}
	}
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// hs256 is a token with these claims that the secret has signed.
func hs256(t testing.TB, payload string) string {
	t.Helper()
	return compact(t, jwt.SigningMethodHS256, []byte(testSecret), `{"alg":"HS256","typ":"JWT"}`, payload)
}

func verifierOf(t testing.TB, o JWTOptions) *verifier {
	t.Helper()
	o.Issuer, o.Audience, o.Leeway = testIssuer, testAudience, 30*time.Second
	v, err := newVerifier(o, testNames, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// refused checks that a token is answered with this code, in its fixed words.
func refused(t testing.TB, v *verifier, name, token string, code rooms.Code) {
	t.Helper()
	words := map[rooms.Code]string{
		rooms.Unauthenticated: "token is not valid",
		rooms.TokenExpired:    "token is expired",
		rooms.Unavailable:     "tokens cannot be verified now",
	}
	id, refusal, _ := v.verify(t.Context(), token)
	if id != nil || refusal == nil || *refusal != (Refusal{Code: code, Message: words[code]}) {
		t.Errorf("%s: accepted %t, %+v, want the code %s", name, id != nil, refusal, code)
	}
}

func accepted(t testing.TB, v *verifier, name, token string) *Identity {
	t.Helper()
	id, refusal, _ := v.verify(t.Context(), token)
	if refusal != nil {
		t.Errorf("%s: refused: %+v", name, refusal)
		return &Identity{}
	}
	return id
}

func TestVerify(t *testing.T) {
	t.Parallel()
	v := verifierOf(t, JWTOptions{Secret: testSecret})
	now := time.Now().Unix()
	for _, tt := range []struct {
		name, payload string
	}{
		{"good", said()},
		{"no subject", said("sub", absent{})},
		{"no iat", said("iat", absent{})},
		{"a date with a fraction", said("exp", json.RawMessage("4102444800.75"))},
		{"a date as a float", said("exp", json.RawMessage("4.1024448e9"))},
		{"expired, within the leeway", said("exp", now-10)},
		{"not yet good, within the leeway", said("nbf", now+10)},
		{"issued in the future, within the leeway", said("iat", now+10)},
		{"several audiences", said("aud", []string{"other", testAudience})},
	} {
		accepted(t, v, tt.name, hs256(t, tt.payload))
	}
	for _, m := range []*jwt.SigningMethodHMAC{jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
		accepted(t, v, m.Name, compact(t, m, []byte(testSecret), `{"alg":"`+m.Name+`","kid":"whatever"}`, said()))
	}
}

func TestVerify_withoutIssuerAndAudience(t *testing.T) {
	t.Parallel()
	v, err := newVerifier(JWTOptions{Secret: testSecret}, testNames, nil)
	if err != nil {
		t.Fatal(err)
	}
	accepted(t, v, "whoever's", hs256(t, said("iss", "https://another.example", "aud", []string{"a", "b"})))
	accepted(t, v, "nobody's", hs256(t, said("iss", absent{}, "aud", absent{})))
}

// The end of a connection is exp; for a token that came in by the leeway the end
// of that, or it would be over at once.
func TestVerify_expires(t *testing.T) {
	t.Parallel()
	v := verifierOf(t, JWTOptions{Secret: testSecret})
	now := time.Now().Unix()
	for exp, want := range map[int64]int64{now + 60: now + 60, now - 10: now + 20} {
		id := accepted(t, v, "token", hs256(t, said("exp", exp, "iat", now-100)))
		if id.Expires.Unix() != want || id.Issued.Unix() != now-100 {
			t.Errorf("exp %d: ends at %d, want %d; issued at %d", exp, id.Expires.Unix(), want, id.Issued.Unix())
		}
	}
}

// Each is signed with the secret, or made without it; none comes in.
func TestVerify_attacks(t *testing.T) {
	t.Parallel()
	v := verifierOf(t, JWTOptions{Secret: testSecret})
	now := time.Now().Unix()
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	good := hs256(t, said())
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")

	for name, payload := range map[string]string{
		"future: nbf":                       said("nbf", now+60),
		"future: iat":                       said("iat", now+60),
		"without exp":                       said("exp", absent{}),
		"exp is null":                       said("exp", nil),
		"exp is text":                       said("exp", "4102444800"),
		"exp in milliseconds":               said("exp", (now+3600)*1000),
		"exp beyond the year 9999":          said("exp", raw("253402300800")),
		"exp beyond all numbers":            said("exp", raw("1e400")),
		"exp where a time wraps around":     said("exp", raw("9223372036854775807")),
		"exp in a list":                     said("exp", []int64{now + 3600}),
		"exp is negative":                   said("exp", -1),
		"exp is true":                       said("exp", true),
		"nbf is text":                       said("nbf", "0"),
		"nbf where a time wraps around":     said("nbf", raw("-9223372036854775808")),
		"iat is text":                       said("iat", "yesterday"),
		"wrong audience":                    said("aud", "other"),
		"wrong audiences":                   said("aud", []string{"other", "Rowcast", "rowcast "}),
		"no audience":                       said("aud", absent{}),
		"empty audience":                    said("aud", []string{}),
		"audience with something else":      said("aud", []any{testAudience, 1}),
		"audience is an object":             said("aud", map[string]any{testAudience: true}),
		"wrong issuer":                      said("iss", testIssuer+"/"),
		"no issuer":                         said("iss", absent{}),
		"issuers in a list":                 said("iss", []string{testIssuer}),
		"subject is an object":              said("sub", map[string]any{"id": 1}),
		"subject is a list":                 said("sub", []string{"maks"}),
		"subject is true":                   said("sub", true),
		"subject is no whole number":        said("sub", raw("7.0")),
		"subject is a number's other name":  said("sub", raw("7e0")),
		"subject is minus zero":             said("sub", raw("-0")),
		"subject is half a surrogate pair":  said("sub", raw(`"\ud800"`)),
		"subject is too long to be revoked": said("sub", strings.Repeat("ї", maxSubject+1)),
		"subject is a number too long":      said("sub", raw(strings.Repeat("7", maxSubject+1))),
		"topics is a number":                said("topics", 1),
		"topics is an object":               said("topics", map[string]any{"a": 1}),
		"topics holds a number":             said("topics", []any{"a", 1}),
		"topics holds null":                 said("topics", []any{nil}),
		"NUL in the subject":                said("sub", "maks\x00"),
		"NUL deep inside":                   said("x", []any{map[string]any{"y": []string{"\x00"}}}),
		"NUL in a name":                     said("x\x00", 1),
		"not UTF-8":                         strings.Replace(said("x", "#"), "#", "\xff", 1),
		"a list":                            "[" + said() + "]",
		"null":                              "null",
		"a text":                            `"maks"`,
		"nothing":                           "",
		"two objects":                       said() + said(),
		"something behind":                  said() + ",",
		"not closed":                        strings.TrimSuffix(said(), "}"),
		"nested without end":                strings.Repeat(`{"x":`, 2000),
		"exp twice, the last one wrong":     strings.TrimSuffix(said(), "}") + `,"exp":"never"}`,
		"aud twice, the last one wrong":     strings.TrimSuffix(said(), "}") + `,"aud":"other"}`,
	} {
		refused(t, v, name, hs256(t, payload), rooms.Unauthenticated)
	}
	for name, payload := range map[string]string{
		"expired":                said("exp", now-31),
		"expired long ago":       said("exp", 1),
		"exp is zero":            said("exp", 0),
		"exp twice, now and not": strings.TrimSuffix(said(), "}") + `,"exp":1}`,
	} {
		refused(t, v, name, hs256(t, payload), rooms.TokenExpired)
	}

	for name, header := range map[string]string{
		"critical extension":        `{"alg":"HS256","crit":["exp"],"exp":1}`,
		"critical, not even a list": `{"alg":"HS256","crit":null}`,
		"payload not encoded":       `{"alg":"HS256","b64":false,"crit":["b64"]}`,
		"no alg":                    `{"typ":"JWT"}`,
		"alg is a number":           `{"alg":256}`,
		"alg is a list":             `{"alg":["HS256"]}`,
		"alg in lower case":         `{"alg":"hs256"}`,
		"alg twice":                 `{"alg":"HS256","alg":"none"}`,
		"another name for alg":      `{"ALG":"HS256"}`,
		"header is null":            `null`,
		"header is a list":          `["HS256"]`,
		"header with a tail":        `{"alg":"HS256"}{}`,
	} {
		refused(t, v, name, compact(t, jwt.SigningMethodHS256, []byte(testSecret), header, said()), rooms.Unauthenticated)
	}

	for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", "", "null", "HS0", "HS128", "HS1"} {
		for _, signature := range []string{"", signature, "e30"} {
			token := base64url([]byte(`{"alg":"`+alg+`"}`)) + "." + base64url([]byte(said())) + "." + signature
			refused(t, v, "alg "+alg+" signed "+signature, token, rooms.Unauthenticated)
		}
	}

	stranger := compact(t, jwt.SigningMethodHS256, []byte("another secret, of 32 bytes or more"), `{"alg":"HS256"}`, said())
	for name, token := range map[string]string{
		"empty":                                "",
		"dots":                                 "..",
		"one part":                             head,
		"two parts":                            head + "." + body,
		"four parts":                           good + "." + signature,
		"five parts, encrypted":                good + "." + body + "." + signature,
		"signed by a stranger":                 stranger,
		"signed for another":                   head + "." + base64url([]byte(said("sub", "olena"))) + "." + signature,
		"another header":                       base64url([]byte(`{"alg":"HS256"}`)) + "." + body + "." + signature,
		"no signature":                         head + "." + body + ".",
		"half a signature":                     head + "." + body + "." + signature[:20],
		"a bit of the signature":               head + "." + body + "." + flip(signature),
		"signature, with its last bits in use": good[:len(good)-1] + string(good[len(good)-1]+1),
		"more signature":                       good + "AAAA",
		"HS384's with HS256":                   head + "." + body + "." + base64url(mac(sha512.New384, testSecret, head+"."+body)),
		"secret's hash":                        head + "." + body + "." + base64url(mac(sha256.New, "", head+"."+body)),
		"padded":                               good + "=",
		"line end inside":                      good[:len(good)-5] + "\n" + good[len(good)-5:],
		"line end behind":                      good + "\r\n",
		"space before":                         " " + good,
		"a URL":                                "https://issuer.example/token",
		"JSON":                                 `{"protected":"` + head + `","payload":"` + body + `","signature":"` + signature + `"}`,
		"control characters":                   "\x00\x01\x02.\x03.\x04",
		"not UTF-8":                            "\xff\xfe.\xfd.\xfc",
	} {
		refused(t, v, name, token, rooms.Unauthenticated)
	}
}

// flip changes the first of the bits that a text of base64 stands for.
func flip(s string) string {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	b[0] ^= 1
	return base64url(b)
}

func mac(h func() hash.Hash, secret, text string) []byte {
	m := hmac.New(h, []byte(secret))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// The log says which setting to look at.
func TestVerify_setting(t *testing.T) {
	t.Parallel()
	v := verifierOf(t, JWTOptions{Secret: testSecret})
	public := verifierOf(t, JWTOptions{PublicKey: pemOf(t, testKeys().ed)})
	far := time.Now().Unix() + 60
	for _, tt := range []struct {
		setting, token string
		v              *verifier
	}{
		{"auth.jwt.secret", hs256(t, said()) + "AAAA", v},
		{"auth.jwt.secret", compact(t, jwt.SigningMethodEdDSA, testKeys().ed, `{"alg":"EdDSA"}`, said()), v},
		{"auth.jwt.public_key", hs256(t, said()), public},
		{"auth.jwt.issuer", hs256(t, said("iss", "other")), v},
		{"auth.jwt.audience", hs256(t, said("aud", "other")), v},
		{"auth.jwt.leeway", hs256(t, said("nbf", far)), v},
		{"auth.jwt.leeway", hs256(t, said("iat", far)), v},
		{"auth.jwt", hs256(t, said("exp", 1)), v},
		{"auth.jwt", "no token", v},
	} {
		if _, _, setting := tt.v.verify(t.Context(), tt.token); setting != tt.setting {
			t.Errorf("%.40s…: %s, want %s", tt.token, setting, tt.setting)
		}
	}
}

// The token of 16 KB is read, the one that is a byte longer is not.
func TestVerify_hugeToken(t *testing.T) {
	t.Parallel()
	v := verifierOf(t, JWTOptions{Secret: testSecret})
	read := 0
	v.keys = counting{v.keys, &read}
	token := func(pad int) string { return hs256(t, said("x", strings.Repeat("x", pad))) }
	pad := 0
	for step := 1 << 13; step > 0; step /= 2 {
		if len(token(pad+step)) <= maxToken {
			pad += step
		}
	}
	accepted(t, v, "16 KB", token(pad))
	if read != 1 {
		t.Fatalf("keys were asked for %d times", read)
	}
	refused(t, v, "more than 16 KB", token(pad+3), rooms.Unauthenticated)
	refused(t, v, "16 MB", strings.Repeat(token(0), 1<<16), rooms.Unauthenticated)
	if read != 1 {
		t.Errorf("a huge token was parsed")
	}
}

type counting struct {
	keys
	n *int
}

func (c counting) key(ctx context.Context, t *jwt.Token) (any, error) {
	*c.n++
	return c.keys.key(ctx, t)
}
