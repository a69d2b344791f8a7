package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"rowcast/rooms"
)

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
