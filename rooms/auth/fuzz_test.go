package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"log/slog"
	"strings"
	"testing"
)

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
	})
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
