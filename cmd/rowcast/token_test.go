package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rowcast/rooms/auth"
)

const tokenSecret = "a secret of thirty-two bytes, no less"

// The gate that a daemon with the same settings has takes the token.
func TestToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rowcast.yaml")
	err := os.WriteFile(file, []byte(`auth:
  mode: jwt
  topics_claim: channels
  subject_claim: user_id
  jwt: {secret: "`+tokenSecret+`", issuer: "https://issuer.example", audience: rowcast}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	out := must(t, "token", "--config", file, "--sub", "maks", "--topics=topic_1,user_*", "--topics", "messages",
		"--claim", "role=admin", "--claim", "teams=[3,12345678901234567890]", "--claim", "since=007", "--claim", `text="3"`, "--claim", "empty=",
		"--claim", "formula=a=b", "--ttl", "90s")
	if strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, "\n") {
		t.Fatalf("more than the token: %q", out)
	}
	now := time.Now()

	gate, err := auth.New(auth.Options{
		Mode: auth.JWT, TopicsClaim: "channels", SubjectClaim: "user_id",
		JWT: auth.JWTOptions{Secret: tokenSecret, Issuer: "https://issuer.example", Audience: "rowcast"},
	})
	if err != nil {
		t.Fatal(err)
	}
	id, refusal := gate.Authenticate(t.Context(), strings.TrimSpace(out))
	if refusal != nil {
		t.Fatalf("%+v", refusal)
	}
	if want := []string{"topic_1", "user_*", "messages"}; id.Subject != "maks" || !reflect.DeepEqual(id.Topics, want) {
		t.Errorf("%+v", id)
	}
	if left := id.Expires.Sub(now); left < 60*time.Second || left > 90*time.Second {
		t.Errorf("good for %v", left)
	}
	claims := map[string]json.RawMessage{}
	if err := json.Unmarshal(id.Claims, &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"role": `"admin"`, "teams": `[3,12345678901234567890]`, "since": `"007"`, "text": `"3"`, "empty": `""`, "formula": `"a=b"`,
		"iss": `"https://issuer.example"`, "aud": `"rowcast"`,
	} {
		if string(claims[name]) != want {
			t.Errorf("%s is %s, want %s", name, claims[name], want)
		}
	}
}

// Without topics there is no claim of them, which is not the same as none; a
// claim of one's own goes before what the settings say.
func TestToken_plain(t *testing.T) {
	t.Parallel()
	said := func(args ...string) (claims map[string]any) {
		t.Helper()
		out := must(t, append([]string{"ROWCAST_AUTH_JWT_SECRET=" + tokenSecret, "token", "--sub=7"}, args...)...)
		b, err := base64.RawURLEncoding.DecodeString(strings.Split(out, ".")[1])
		if err == nil {
			err = json.Unmarshal(b, &claims)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, date := range []string{"iat", "exp"} {
			if _, ok := claims[date].(float64); !ok {
				t.Errorf("%s is %v", date, claims[date])
			}
			delete(claims, date)
		}
		return claims
	}
	for want, args := range map[string][]string{
		`{"sub":"7"}`:                            nil,
		`{"sub":"7","topics":[]}`:                {"--topics="},
		`{"aud":"other","sub":7}`:                {"--auth.jwt.audience=rowcast", "--claim=aud=other", "--claim=sub=7"},
		`{"iss":"i","sub":"7","topics":["a b"]}`: {"--auth.jwt.issuer=i", "--topics=a b"},
	} {
		if got, err := json.Marshal(said(args...)); err != nil || string(got) != want {
			t.Errorf("%v: %s, %v, want %s", args, got, err, want)
		}
	}

	out := must(t, "ROWCAST_AUTH_JWT_SECRET="+tokenSecret, "token", "--sub=7", "--ttl=-1m")
	gate, err := auth.New(auth.Options{Mode: auth.JWT, JWT: auth.JWTOptions{Secret: tokenSecret}})
	if err != nil {
		t.Fatal(err)
	}
	if _, refusal := gate.Authenticate(t.Context(), strings.TrimSpace(out)); refusal == nil || refusal.Code != "token_expired" {
		t.Errorf("one that has run out: %+v", refusal)
	}
}

func TestTokenUsage(t *testing.T) {
	t.Parallel()
	secret := "ROWCAST_AUTH_JWT_SECRET=" + tokenSecret
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{secret, "token"}, "--sub is missing"},
		{[]string{secret, "token", "maks"}, `unknown command "maks"`},
		{[]string{"token", "--sub=maks"}, "auth.jwt.secret: is missing"},
		{[]string{"ROWCAST_AUTH_JWT_SECRET=short", "token", "--sub=maks"}, "auth.jwt.secret: must be at least 32 bytes (got 5)"},
		{[]string{secret, "token", "--sub=maks", "--claim=admin"}, "--claim must be name=value"},
		{[]string{secret, "token", "--sub=maks", "--claim==admin"}, "--claim must be name=value"},
		{[]string{secret, "token", "--sub=maks", "--ttl=1"}, `invalid argument "1" for "--ttl"`},
		{[]string{secret, "ROWCAST_AUTH_MODE=sql", "token", "--sub=maks"}, "auth.mode: is sql"},
		{[]string{"ROWCAST_AUTH_JWT_PUBLIC_KEY=key.pem", "token", "--sub=maks"}, "auth.jwt.public_key: verifies tokens"},
		{[]string{"ROWCAST_AUTH_JWT_JWKS_URL=https://x.example", "token", "--sub=maks"}, "auth.jwt.jwks_url: verifies tokens"},
	} {
		out, errs, code := run(t, tt.args...)
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", tt.args, code, out, errs)
		}
		if strings.Contains(errs, tokenSecret) {
			t.Errorf("%v: the secret is in %q", tt.args, errs)
		}
	}
}
