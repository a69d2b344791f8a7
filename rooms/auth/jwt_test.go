package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"hash"
	"log/slog"
	"os"
	"path/filepath"
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
		"future: nbf":                      said("nbf", now+60),
		"future: iat":                      said("iat", now+60),
		"without exp":                      said("exp", absent{}),
		"exp is null":                      said("exp", nil),
		"exp is text":                      said("exp", "4102444800"),
		"exp in milliseconds":              said("exp", (now+3600)*1000),
		"exp beyond the year 9999":         said("exp", raw("253402300800")),
		"exp beyond all numbers":           said("exp", raw("1e400")),
		"exp where a time wraps around":    said("exp", raw("9223372036854775807")),
		"exp in a list":                    said("exp", []int64{now + 3600}),
		"exp is negative":                  said("exp", -1),
		"exp is true":                      said("exp", true),
		"nbf is text":                      said("nbf", "0"),
		"nbf where a time wraps around":    said("nbf", raw("-9223372036854775808")),
		"iat is text":                      said("iat", "yesterday"),
		"wrong audience":                   said("aud", "other"),
		"wrong audiences":                  said("aud", []string{"other", "Rowcast", "rowcast "}),
		"no audience":                      said("aud", absent{}),
		"empty audience":                   said("aud", []string{}),
		"audience with something else":     said("aud", []any{testAudience, 1}),
		"audience is an object":            said("aud", map[string]any{testAudience: true}),
		"wrong issuer":                     said("iss", testIssuer+"/"),
		"no issuer":                        said("iss", absent{}),
		"issuers in a list":                said("iss", []string{testIssuer}),
		"subject is an object":             said("sub", map[string]any{"id": 1}),
		"subject is a list":                said("sub", []string{"maks"}),
		"subject is true":                  said("sub", true),
		"subject is no whole number":       said("sub", raw("7.0")),
		"subject is a number's other name": said("sub", raw("7e0")),
		"subject is minus zero":            said("sub", raw("-0")),
		"subject is half a surrogate pair": said("sub", raw(`"\ud800"`)),
		"topics is a number":               said("topics", 1),
		"topics is an object":              said("topics", map[string]any{"a": 1}),
		"topics holds a number":            said("topics", []any{"a", 1}),
		"topics holds null":                said("topics", []any{nil}),
		"NUL in the subject":               said("sub", "maks\x00"),
		"NUL deep inside":                  said("x", []any{map[string]any{"y": []string{"\x00"}}}),
		"NUL in a name":                    said("x\x00", 1),
		"not UTF-8":                        strings.Replace(said("x", "#"), "#", "\xff", 1),
		"a list":                           "[" + said() + "]",
		"null":                             "null",
		"a text":                           `"maks"`,
		"nothing":                          "",
		"two objects":                      said() + said(),
		"something behind":                 said() + ",",
		"not closed":                       strings.TrimSuffix(said(), "}"),
		"nested without end":               strings.Repeat(`{"x":`, 2000),
		"exp twice, the last one wrong":    strings.TrimSuffix(said(), "}") + `,"exp":"never"}`,
		"aud twice, the last one wrong":    strings.TrimSuffix(said(), "}") + `,"aud":"other"}`,
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

// pemOf writes a public key as issuers give it away.
func pemOf(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// methodNames are all there are.
var methodNames = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// anyhow signs text with the key by a method that may not fit it: as an attacker
// who has the key of one method would for another.
func anyhow(t testing.TB, method string, key crypto.Signer, text string) []byte {
	t.Helper()
	m := jwt.GetSigningMethod(method)
	if signature, err := m.Sign(text, key); err == nil {
		return signature
	}
	switch m := m.(type) {
	case *jwt.SigningMethodHMAC: // the public key as the secret
		return mac(m.Hash.New, pemOf(t, key), text)
	case *jwt.SigningMethodECDSA:
		if key, ok := key.(*ecdsa.PrivateKey); ok { // of another curve
			h := m.Hash.New()
			h.Write([]byte(text))
			for {
				r, s, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
				if err != nil {
					t.Fatal(err)
				}
				if max(r.BitLen(), s.BitLen()) <= 8*m.KeySize {
					signature := make([]byte, 2*m.KeySize)
					r.FillBytes(signature[:m.KeySize])
					s.FillBytes(signature[m.KeySize:])
					return signature
				}
				if key.Params().BitSize > 8*m.KeySize { // it would take for ever
					return nil
				}
			}
		}
	}
	return nil
}

// Algorithm confusion: each public key verifies its own methods, and no other,
// however the token is signed.
func TestVerify_publicKey(t *testing.T) {
	t.Parallel()
	k := testKeys()
	for _, tt := range []struct {
		name string
		key  crypto.Signer
		fits string
	}{
		{"RSA", k.rsa, "RS256 RS384 RS512 PS256 PS384 PS512"},
		{"P-256", k.p256, "ES256"},
		{"P-384", k.p384, "ES384"},
		{"P-521", k.p521, "ES512"},
		{"Ed25519", k.ed, "EdDSA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			public := pemOf(t, tt.key)
			v := verifierOf(t, JWTOptions{PublicKey: public})
			for _, method := range methodNames {
				text := base64url([]byte(`{"alg":"`+method+`"}`)) + "." + base64url([]byte(said()))
				token := text + "." + base64url(anyhow(t, method, tt.key, text))
				if strings.Contains(tt.fits, method) {
					accepted(t, v, method, token)
				} else {
					refused(t, v, method, token, rooms.Unauthenticated)
				}
			}
			der, err := x509.MarshalPKIXPublicKey(tt.key.Public())
			if err != nil {
				t.Fatal(err)
			}
			for name, secret := range map[string]string{
				"its PEM": public, "its PEM, trimmed": strings.TrimSpace(public), "its DER": string(der), "nothing": "",
			} {
				text := base64url([]byte(`{"alg":"HS256"}`)) + "." + base64url([]byte(said()))
				refused(t, v, "HS256 with "+name, text+"."+base64url(mac(sha256.New, secret, text)), rooms.Unauthenticated)
			}
		})
	}
}

// What a token's header offers as its key is not looked at.
func TestVerify_headerKeys(t *testing.T) {
	t.Parallel()
	k := testKeys()
	v := verifierOf(t, JWTOptions{PublicKey: pemOf(t, k.rsa)})
	own := `{"alg":"RS256","jwk":` + jwkOf(t, k.other, "") + `,"x5u":"http://127.0.0.1:1/","jku":"http://127.0.0.1:1/","x5c":["AA=="]}`
	refused(t, v, "an own key", compact(t, jwt.SigningMethodRS256, k.other, own, said()), rooms.Unauthenticated)
	accepted(t, v, "beside a good signature", compact(t, jwt.SigningMethodRS256, k.rsa, own, said()))
}

func TestNewVerifier(t *testing.T) {
	t.Parallel()
	k := testKeys()
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte("a comment\n"+pemOf(t, k.ed)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	private, err := x509.MarshalPKCS8PrivateKey(k.ed)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: k.rsa.N}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, k.p256.Public(), k.p256)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		o     JWTOptions
		fault string
	}{
		{"a secret", JWTOptions{Secret: strings.Repeat("s", 32)}, ""},
		{"PEM", JWTOptions{PublicKey: pemOf(t, k.rsa)}, ""},
		{"PEM with spaces around", JWTOptions{PublicKey: "\n" + pemOf(t, k.rsa) + "\n \n"}, ""},
		{"PKCS #1", JWTOptions{PublicKey: block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey))}, ""},
		{"a certificate", JWTOptions{PublicKey: block("CERTIFICATE", certificate)}, ""},
		{"a file", JWTOptions{PublicKey: file}, ""},
		{"https", JWTOptions{JWKSURL: "https://issuer.example/keys?x=1"}, ""},
		{"http on this machine", JWTOptions{JWKSURL: "http://[::1]:8080/keys"}, ""},
		{"http on localhost", JWTOptions{JWKSURL: "http://localhost/keys"}, ""},

		{"nothing", JWTOptions{}, "auth.jwt: must have exactly one of secret, public_key and jwks_url (got 0 of them)"},
		{"two", JWTOptions{Secret: testSecret, JWKSURL: "https://x.example"}, "(got 2 of them)"},
		{"all", JWTOptions{Secret: testSecret, PublicKey: file, JWKSURL: "https://x.example"}, "(got 3 of them)"},
		{"a short secret", JWTOptions{Secret: strings.Repeat("s", 31)}, "auth.jwt.secret: must be at least 32 bytes (got 31)"},
		{"short RSA", JWTOptions{PublicKey: pemOf(t, k.small)}, "auth.jwt.public_key: is not a key of RSA from 2048 bits"},
		{"a private key", JWTOptions{PublicKey: block("PRIVATE KEY", private)}, "auth.jwt.public_key: is a private key"},
		{"two keys", JWTOptions{PublicKey: pemOf(t, k.rsa) + pemOf(t, k.ed)}, "auth.jwt.public_key: holds more than one key"},
		{"no key inside", JWTOptions{PublicKey: block("PUBLIC KEY", []byte("no DER"))}, "auth.jwt.public_key: holds no public key"},
		{"no file", JWTOptions{PublicKey: filepath.Join(filepath.Dir(file), "none")}, "auth.jwt.public_key: no such file"},
		{"an empty file", JWTOptions{PublicKey: empty}, "auth.jwt.public_key: is neither PEM nor a file of it"},
		{"a secret in the wrong place", JWTOptions{PublicKey: testSecret}, "auth.jwt.public_key: no such file"},
		{"http elsewhere", JWTOptions{JWKSURL: "http://issuer.example/keys"}, "auth.jwt.jwks_url: must begin with https://"},
		{"http to a name like this machine's", JWTOptions{JWKSURL: "http://localhost.evil.example/"}, "auth.jwt.jwks_url: must begin"},
		{"another scheme", JWTOptions{JWKSURL: "file:///etc/keys"}, "auth.jwt.jwks_url: must begin"},
		{"no scheme", JWTOptions{JWKSURL: "issuer.example/keys"}, "auth.jwt.jwks_url: must begin"},
		{"no host", JWTOptions{JWKSURL: "https:///keys"}, "auth.jwt.jwks_url: must begin"},
		{"no URL", JWTOptions{JWKSURL: "https://a b"}, "auth.jwt.jwks_url: must begin"},
	} {
		_, err := newVerifier(tt.o, testNames, nil)
		switch {
		case tt.fault == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.fault == "":
		case err == nil || !strings.Contains(err.Error(), tt.fault):
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.fault)
		case strings.Contains(err.Error(), testSecret):
			t.Errorf("%s: the error repeats the secret: %v", tt.name, err)
		}
	}
}

// FuzzToken signs what it is given, or not, and says what must hold of a token
// that comes in: the key signed it, and what is handed on means the same to
// whoever reads it next.
func FuzzToken(f *testing.F) {
	const header = `{"alg":"HS256"}`
	for _, payload := range []string{
		said(), said("topics", []string{"a", "b_*"}), said("sub", 7), said("x", []any{nil, 1.5, "\x00", map[string]any{}}),
		`{"exp":4102444800,"exp":1}`, `{"sub":"\ud800","exp":4102444800}`, `{"sub":12345678901234567890,"exp":4102444800.5}`, `[`,
	} {
		f.Add(header, payload, "", true)
	}
	good := hs256(f, said())
	f.Add("", "", good, false)
	f.Add(`{"alg":"none"}`, said(), ".", false)
	f.Add(`{"alg":"HS384","crit":[]}`, said(), good[strings.LastIndex(good, "."):], false)
	v, err := newVerifier(JWTOptions{Secret: testSecret}, testNames, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header, payload, tail string, sign bool) {
		token := tail
		if header != "" || payload != "" {
			token = base64url([]byte(header)) + "." + base64url([]byte(payload))
			if sign {
				token += "." + base64url(mac(sha256.New, testSecret, token))
			}
			token += tail
		}
		id, refusal, _ := v.verify(t.Context(), token)
		if (id == nil) == (refusal == nil) {
			t.Fatalf("%+v, %+v", id, refusal)
		}
		if id == nil {
			return
		}
		text, signature, _ := cutLast(token, ".")
		signed := false
		for _, h := range []func() hash.Hash{sha256.New, sha512.New384, sha512.New} {
			signed = signed || signature == base64url(mac(h, testSecret, text))
		}
		if !signed {
			t.Fatalf("nobody has signed %q", token)
		}
		again, err := newIdentity(id.Claims, testNames)
		if err != nil {
			t.Fatalf("claims handed on cannot be read: %v", err)
		}
		if again.Subject != id.Subject || again.digest != id.digest || !bytes.Equal(again.Claims, id.Claims) ||
			strings.Join(again.Topics, ",") != strings.Join(id.Topics, ",") || (again.Topics == nil) != (id.Topics == nil) {
			t.Fatalf("claims handed on say %+v, the token %+v", again, id)
		}
		if strings.Contains(string(id.Claims), `\u0000`) && holdsNUL(id.Subject) {
			t.Fatalf("%q", id.Subject)
		}
	})
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
