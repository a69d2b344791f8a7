package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// FuzzKeySet: whatever an issuer publishes, each key verifies what its kind may
// and nothing else, none is symmetric, and no key takes away a good one beside it.
func FuzzKeySet(f *testing.F) {
	k := testKeys()
	good := jwkOf(f, k.ed, "good")
	for _, key := range []string{
		jwkOf(f, k.rsa, "rsa", "use", "sig", "key_ops", []string{"verify"}), jwkOf(f, k.p256, "both", "alg", "ES256"), jwkOf(f, k.p521, "good"),
		jwkOf(f, k.small, "small"), jwkOf(f, k.rsa, "odd", "use", "whatever"), jwkOf(f, k.p384, "x", "x5u", "https://127.0.0.1:1/", "x5c", []string{"AA=="}),
		`{"kty":"oct","kid":"good","alg":"EdDSA","k":"` + base64url([]byte(testSecret)) + `"}`, `{"kty":"OKP","crv":"X25519","x":"AA"}`,
		`{"kty":"RSA","n":"AQAB","e":""}`, `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, `7`, `null`, `[]`,
	} {
		f.Add(key)
	}
	token := by(f, "EdDSA", k.ed, "good")
	f.Fuzz(func(t *testing.T, key string) {
		_, _ = readKeySet(t.Context(), []byte(key))
		body := set(key, good)
		keys, err := readKeySet(t.Context(), []byte(body))
		if !json.Valid([]byte(body)) {
			if err == nil {
				t.Fatalf("%q is a key set", body)
			}
			return
		}
		if err != nil {
			if strings.Contains(body, `"keys"`) && strings.Count(body, `"keys"`) == 1 && strings.Count(strings.ToLower(body), "keys") == 1 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		checkKeys(t, keys)
		var own struct{ Kid string }
		if _ = json.Unmarshal([]byte(key), &own); own.Kid == "good" || !json.Valid([]byte(key)) {
			return // of two keys with one name either may count; and the key may have closed the list
		}
		if id := verified(t.Context(), keys, token); id == nil {
			t.Fatalf("%q takes the good key away", key)
		}
	})
}

// checkKeys checks that each method has keys of its own kind only.
func checkKeys(t *testing.T, keys keySet) {
	t.Helper()
	for method, lookup := range keys {
		if !slices.Contains((&jwks{}).methods(), method) {
			t.Fatalf("keys for %s", method)
		}
		stored, err := lookup.Storage().KeyReadAll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range stored {
			if kind := kindOf(key.Key()); kind == "" || !strings.HasPrefix(strings.Replace(method, "PS", "RS", 1), kind) {
				t.Fatalf("a %T for %s", key.Key(), method)
			}
		}
	}
}

// kindOf is how the methods of a public key begin (RFC 7518 section 3.1); "" if it
// may verify none.
func kindOf(key any) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() >= 2048 {
			return "RS"
		}
	case *ecdsa.PublicKey:
		return map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[key.Params().Name]
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// verified is the token as the keys see it; nil: they do not believe it.
func verified(ctx context.Context, keys keySet, token string) *jwt.Token {
	parsed, err := jwt.Parse(token, func(t *jwt.Token) (any, error) { return keys.key(ctx, t) })
	if err != nil {
		return nil
	}
	return parsed
}

// FuzzPublicKey: a setting is a key that may verify something, or an error that
// does not repeat it.
func FuzzPublicKey(f *testing.F) {
	k := testKeys()
	for _, key := range []crypto.Signer{k.rsa, k.small, k.p256, k.p384, k.p521, k.ed} {
		block, _ := pem.Decode([]byte(pemOf(f, key)))
		f.Add(block.Type, block.Bytes, "")
		f.Add(block.Type, block.Bytes, pemOf(f, k.ed))
	}
	f.Add("RSA PUBLIC KEY", []byte{0x30, 6, 2, 1, 3, 2, 1, 3}, "\n")
	f.Add("CERTIFICATE", []byte{0x30, 0}, "")
	f.Add("EC PRIVATE KEY", []byte("secret"), "-----BEGIN")
	f.Fuzz(func(t *testing.T, kind string, der []byte, after string) {
		text := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})) + after
		if !strings.Contains(text, "-----BEGIN") {
			return // a file's name
		}
		key, err := publicKey(text)
		if err != nil {
			if key != nil || len(err.Error()) > 120 || !utf8.ValidString(err.Error()) {
				t.Fatalf("%v, %q", key, err)
			}
			return
		}
		if kindOf(key) == "" {
			t.Fatalf("a %T counts", key)
		}
		if strings.TrimSpace(after) != "" {
			t.Fatalf("%q follows the key", after)
		}
	})
}
