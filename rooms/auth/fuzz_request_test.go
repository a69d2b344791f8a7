package auth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzClaims: whatever a function or a token says of somebody, what is handed on
// is a jsonb that Postgres takes, and says the same again.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		said(), `{"sub":"maks","sub":"olena"}`, `{"sub":7e0}`, `{"sub":"\ud800"}`, `{"topics":null}`, `{"topics":["a_*",7]}`, `{"exp":1e400}`,
		`{"a":"\u0000"}`, `{"\u0000":1}`, `null`, `[]`, `{} {}`, "{\"a\":\"\xff\"}", `{"exp":253402300800}`, `{"x":123456789012345678901234567890.10}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		id, err := newIdentity(raw, testNames)
		if err != nil {
			return
		}
		if !json.Valid(id.Claims) || !utf8.Valid(id.Claims) || id.Claims[0] != '{' || strings.ContainsRune(id.Subject, utf8.RuneError) {
			t.Fatalf("%q became %q of %q", raw, id.Claims, id.Subject)
		}
		var claims any
		if err := json.Unmarshal(id.Claims, &claims); err == nil && holdsNUL(claims) {
			t.Fatalf("%q holds what no jsonb can", id.Claims)
		}
		again, err := newIdentity(id.Claims, testNames)
		if err != nil || again.Subject != id.Subject || again.digest != id.digest || !bytes.Equal(again.Claims, id.Claims) ||
			!again.Expires.Equal(id.Expires) || !again.Issued.Equal(id.Issued) || (again.Topics == nil) != (id.Topics == nil) {
			t.Fatalf("%q became %+v, and then %+v (%v)", raw, id, again, err)
		}
	})
}

// FuzzCarried: a token comes from where one looks for it, and from nowhere else.
func FuzzCarried(f *testing.F) {
	f.Add("rowcast.v1, bearer.abc", "Bearer abc", "session=abc", "", "token=abc")
	f.Add("bearer.a,bearer.b", "basic x", `session="a"; session=b`, "https://app.example", "token=a&token=b")
	f.Add("bearer.", "bearer", "session", "null", "%zz")
	f.Fuzz(func(t *testing.T, protocols, authorization, cookie, origin, query string) {
		look := func(cookie, query string, c carriage) (string, bool) {
			return carried(&http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{
				"Sec-Websocket-Protocol": {protocols}, "Authorization": {authorization}, "Cookie": {cookie}, "Origin": {origin},
			}}, c)
		}
		token, found := look(cookie, query, carriage{cookie: "session"})
		if token != "" && (!found || !strings.Contains(protocols+"\n"+authorization+"\n"+cookie, token)) {
			t.Fatalf("%q came from nowhere", token)
		}
		if bare, _ := look(cookie, "", carriage{cookie: "session"}); bare != token {
			t.Fatalf("%q with the query, %q without", token, bare)
		}
		if bare, _ := look("", query, carriage{cookie: "session"}); origin == "" && bare != token {
			t.Fatalf("no page: %q with the cookie, %q without", token, bare)
		}
		look(cookie, query, carriage{cookie: "session", query: true})
	})
}

// FuzzOrigin compares the check with a regular expression over the whole header.
func FuzzOrigin(f *testing.F) {
	for _, seed := range []string{
		"https://app.example", "https://a.app.example", "https://app.example.evil.example", "http://app.example", "null", "https://evil.example/.app.example",
		"https://evil.example?.app.example", "https://x@evil.example", "//app.example", "https://app.example:444", "https:app.example", "HTTPS://APP.EXAMPLE",
		`https://evil.example\.app.example`, "https://[::1].app.example", "https://daemon.example", "file:///",
	} {
		f.Add(seed)
	}
	allowed := regexp.MustCompile(`(?is)\A(https://([^/?#]*@)?(([^/?#]*\.)?app\.example)|[a-z][a-z0-9+.-]*://([^/?#]*@)?daemon\.example)([/?#].*)?\z`)
	g := gate(f, Options{Mode: JWT, JWT: JWTOptions{Secret: testSecret}, Addr: "192.0.2.1:80", Origins: []string{"https://app.example", "https://*.app.example"}})
	f.Fuzz(func(t *testing.T, origin string) {
		r := &http.Request{Host: "daemon.example", Header: http.Header{"Origin": {origin}}}
		if refused := g.Check(r); refused == nil && origin != "" && !allowed.MatchString(origin) {
			t.Fatalf("a page of %q is let in", origin)
		}
		if text := printable(origin); len(text) > 320 {
			t.Fatalf("%d bytes of an origin in the log", len(text))
		}
	})
}
