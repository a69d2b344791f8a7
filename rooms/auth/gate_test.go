package auth

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/rooms"
)

func request(host string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://"+host+"/ws", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func gate(t testing.TB, o Options) *Gate {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGate_origin(t *testing.T) {
	t.Parallel()
	local := Options{Addr: "127.0.0.1:8080"}
	public := Options{Addr: "0.0.0.0:8080", Mode: None}
	with := func(o Options, origins ...string) Options { o.Origins = origins; return o }
	for _, tt := range []struct {
		name, host, origin string
		o                  Options
		allowed            bool
	}{
		{"no origin is no browser", "127.0.0.1:8080", "", local, true},
		{"same origin", "127.0.0.1:8080", "http://127.0.0.1:8080", local, true},
		{"same origin by another loopback name", "[::1]:8080", "http://[::1]:8080", local, true},
		{"localhost, any port", "127.0.0.1:8080", "http://localhost:5173", local, true},
		{"127.0.0.1, any port", "localhost:8080", "http://127.0.0.1:3000", local, true},
		{"localhost, the default port", "127.0.0.1:8080", "http://localhost", local, true},
		{"localhost over https is not in the defaults", "127.0.0.1:8080", "https://localhost:5173", local, false},
		{"a name that only begins like localhost", "127.0.0.1:8080", "http://localhost.evil.example", local, false},
		{"a foreign page", "127.0.0.1:8080", "http://evil.example", local, false},
		{"a foreign name that resolves to loopback", "evil.example:8080", "http://evil.example:8080", local, false},
		{"the same, but somebody chose the mode", "app.example:8080", "http://app.example:8080", public, true},
		{"localhost is nothing special elsewhere", "app.example", "http://localhost:5173", public, false},
		{"another port of the same host", "app.example", "https://app.example:444", public, false},
		{"letters' case", "app.example", "https://APP.example", public, true},
		{"null", "app.example", "null", public, false},
		{"no URL", "app.example", "://", public, false},
		{"written out", "app.example", "https://www.example", with(public, "https://www.example"), true},
		{"written out, other scheme", "app.example", "http://www.example", with(public, "https://www.example"), false},
		{"host only", "app.example", "http://www.example", with(public, "www.example"), true},
		{"pattern", "app.example", "https://a.b.example.com", with(public, "https://*.example.com"), true},
		{"pattern's end", "app.example", "https://a.example.com.evil", with(public, "https://*.example.com"), false},
		{"pattern's dot", "app.example", "https://evilexample.com", with(public, "https://*.example.com"), false},
		{"user info is no host", "app.example", "https://x.example.com@evil.example", with(public, "https://*.example.com"), false},
		{"an IPv6 address", "app.example", "http://[fe80::1]:81", with(public, "http://[fe80::1]:*"), true},
		{"two wildcards", "app.example", "http://a.dev.example:81", with(public, "http://*.example:*"), true},
		{"an own list replaces the loopback default", "127.0.0.1:8080", "http://localhost:5173", with(local, "https://a.example"), false},
		{"any", "app.example", "https://whoever.example", with(public, "*"), true},
		{"any, null too", "app.example", "null", with(public, "*"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			tt.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			g := gate(t, tt.o)
			r := request(tt.host)
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			refusal := g.Check(r)
			if (refusal == nil) != tt.allowed {
				t.Fatalf("Check = %v, want allowed %v", refusal, tt.allowed)
			}
			if tt.allowed {
				return
			}
			if refusal.Code != rooms.Forbidden || !strings.Contains(refusal.Message, "http.allowed_origins") {
				t.Errorf("refusal %+v does not name the setting", refusal)
			}
			if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "setting=http.allowed_origins code=forbidden") {
				t.Errorf("want one line that names the setting, got %q", log.String())
			}
		})
	}
}

// Whoever is on the way can write a page that comes over http.
func TestGate_origin_of_a_daemon_with_TLS(t *testing.T) {
	t.Parallel()
	g := gate(t, Options{Mode: None})
	for origin, allowed := range map[string]bool{"https://app.example": true, "http://app.example": false} {
		r := request("app.example", "Origin", origin)
		r.TLS = &tls.ConnectionState{}
		if refused := g.Check(r); (refused == nil) != allowed {
			t.Errorf("%s: %+v", origin, refused)
		}
	}
}

func TestGate_proxy(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"Forwarded", "X-Forwarded-For"} {
		r := request("127.0.0.1:8080", header, "for=192.0.2.1")
		refusal := gate(t, Options{Addr: "127.0.0.1:8080"}).Check(r)
		if refusal == nil || refusal.Code != rooms.Forbidden || !strings.Contains(refusal.Message, "auth.mode") {
			t.Errorf("%s: refusal %+v, want forbidden with auth.mode named", header, refusal)
		}
		if refusal := gate(t, Options{Addr: "127.0.0.1:8080", Mode: None}).Check(r); refusal != nil {
			t.Errorf("%s: refused although the mode was chosen: %+v", header, refusal)
		}
	}
}

func TestGate_Enter(t *testing.T) {
	t.Parallel()
	t.Run("connections", func(t *testing.T) {
		t.Parallel()
		g := gate(t, Options{Limits: Limits{Connections: 2}})
		var leave func()
		for range 2 {
			var refusal *Refusal
			if leave, refusal = g.Enter(request("a.example")); refusal != nil {
				t.Fatal(refusal)
			}
		}
		_, refusal := g.Enter(request("a.example"))
		if refusal == nil || refusal.Code != rooms.Unavailable || !strings.Contains(refusal.Message, "limits.connections") {
			t.Fatalf("third of two: %+v", refusal)
		}
		leave()
		if _, refusal := g.Enter(request("a.example")); refusal != nil {
			t.Fatalf("place was given back, still %+v", refusal)
		}
		if n := g.Stats().Connections; n != 2 {
			t.Errorf("%d inside, want 2", n)
		}
	})
	t.Run("connections of an address", func(t *testing.T) {
		t.Parallel()
		g := gate(t, Options{
			Mode:           None,
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			Limits:         Limits{ConnectionsPerAddress: 2, HandshakesPerSecond: 8},
		})
		enter := func(want bool, peer string, lines ...string) (leave func()) {
			t.Helper()
			leave, refusal := g.Enter(hop(peer, lines...))
			if (refusal == nil) != want || (leave == nil) == want {
				t.Fatalf("%s %q: %+v, want in: %v", peer, lines, refusal, want)
			}
			if refusal != nil && (refusal.Code != rooms.RateLimited || !strings.Contains(refusal.Message, "limits.connections_per_address")) {
				t.Errorf("%+v does not name the setting", refusal)
			}
			return leave
		}
		enter(true, "[2001:db8::1]:1")
		leave := enter(true, "[2001:db8::2]:1")
		for range 100 { // which take no handshake from the others
			enter(false, "[2001:db8::3]:1")
		}
		enter(true, "[2001:db8:0:1::1]:1")
		enter(true, "10.0.0.1:1", "X-Forwarded-For: 192.0.2.1")
		enter(true, "10.0.0.1:2", "X-Forwarded-For: 192.0.2.2")
		enter(true, "10.0.0.1:3", "X-Forwarded-For: 198.51.100.1, 192.0.2.1")
		enter(false, "10.0.0.2:1", "X-Forwarded-For: 198.51.100.2, 192.0.2.1")
		enter(true, "@")
		leave()
		enter(true, "[2001:db8::4]:1")
		if n := g.Stats().Refused["limits.connections_per_address"]; n != 101 {
			t.Errorf("%d refusals counted, want 101", n)
		}
	})
	t.Run("leaves nothing behind", func(t *testing.T) {
		t.Parallel()
		g := gate(t, Options{Limits: Limits{ConnectionsPerAddress: 1}})
		for i := range 1000 {
			leave, refusal := g.Enter(hop(fmt.Sprintf("192.0.2.%d:%d", i%200, i)))
			if refusal != nil {
				t.Fatal(refusal)
			}
			leave()
		}
		if n := len(g.addresses); n > 0 {
			t.Errorf("%d addresses are remembered", n)
		}
	})
	t.Run("handshakes", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := gate(t, Options{Limits: Limits{HandshakesPerSecond: 3}})
			entered := func(n int) (in int) {
				for range n {
					if _, refusal := g.Enter(request("a.example")); refusal == nil {
						in++
					} else if refusal.Code != rooms.RateLimited || !strings.Contains(refusal.Message, "limits.handshakes_per_second") {
						t.Fatalf("%+v", refusal)
					}
				}
				return in
			}
			if n := entered(10); n != 3 {
				t.Errorf("%d of a burst came in, want 3", n)
			}
			<-time.After(700 * time.Millisecond)
			if n := entered(10); n != 2 {
				t.Errorf("%d came in after 0.7 s, want 2", n)
			}
			<-time.After(time.Hour)
			if n := entered(10); n != 3 {
				t.Errorf("%d came in after an hour, want one second's worth, 3", n)
			}
		})
	})
	t.Run("no limit", func(t *testing.T) {
		t.Parallel()
		g := gate(t, Options{})
		for range 10_000 {
			if _, refusal := g.Enter(request("a.example")); refusal != nil {
				t.Fatal(refusal)
			}
		}
	})
}

func TestNew_contradictions(t *testing.T) {
	t.Parallel()
	app := &application{}
	for want, o := range map[string]Options{
		"auth.mode":      {Mode: "open"},
		"auth.authorize": {Mode: None, Authorize: true, Database: app},
		"auth.anonymous": {Mode: SQL, Anonymous: true, Database: app},
		"no database":    {Mode: SQL},
		"auth.cookie":    {Mode: SQL, Database: app, Cookie: "session", Origins: []string{"https://a.example", "*"}},
		"auth.jwt":       {Mode: JWT},
	} {
		if g, err := New(o); err == nil || g != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, %v, want an error that says %q", g, err, want)
		}
	}
}

// Nobody is asked who they are, whatever they bring.
func TestGate_open(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Mode: None, Cookie: "c", QueryToken: true}} {
		g := gate(t, o)
		if token, found := g.token(request("a.example", "Authorization", "Bearer x", "Cookie", "c=x", "Origin", "http://a.example")); found {
			t.Errorf("found the token %q", token)
		}
		id, refused := g.Authenticate(t.Context(), "x")
		if !g.Open() || refused != nil || id == nil || id != g.Anonymous() || id.Subject != "" {
			t.Errorf("%+v: %+v, %+v", o, id, refused)
		}
	}
}

func TestGate_Token(t *testing.T) {
	t.Parallel()
	g := gate(t, Options{Mode: SQL, Database: &application{}, Cookie: "session"})
	if token, found := g.token(request("a.example", "Cookie", "session=x", "Origin", "http://a.example")); !found || token != "x" {
		t.Errorf("the page's cookie: %q, %v", token, found)
	}
	if _, found := g.token(request("a.example", "Cookie", "session=x")); found {
		t.Error("a cookie without an origin counts")
	}
	r := request("a.example")
	r.URL.RawQuery = "token=x"
	if _, found := g.token(r); found {
		t.Error("a token in the URL counts although auth.query_token is off")
	}
}

func TestParseWishes(t *testing.T) {
	t.Parallel()
	since := func(s string) *string { return &s }
	for _, tt := range []struct {
		query string
		want  Wishes
		code  rooms.Code
	}{
		{"topics=topic_7,messages", Wishes{Topics: []string{"topic_7", "messages"}}, ""},
		{"topics=topic_7%2Cmessages", Wishes{Topics: []string{"topic_7", "messages"}}, ""},
		{"x=1&topics=a&topics=b,a", Wishes{Topics: []string{"a", "b", "a"}}, ""},
		{"topics=caf%C3%A9,a%26b,a+b", Wishes{Topics: []string{"café", "a&b", "a+b"}}, ""},
		{"topics=a&since=AbC-_9", Wishes{Topics: []string{"a"}, Since: since("AbC-_9")}, ""},
		{"topics=a&since=", Wishes{Topics: []string{"a"}}, ""},
		{"", Wishes{}, rooms.BadTopic},
		{"topics=", Wishes{}, rooms.BadTopic},
		{"topics=a%zz", Wishes{}, rooms.BadTopic},
		{"topics=a&since=%", Wishes{}, rooms.BadTopic},
	} {
		got, refusal := ParseWishes(tt.query)
		if !reflect.DeepEqual(got, tt.want) || (refusal != nil) != (tt.code != "") || refusal != nil && refusal.Code != tt.code {
			t.Errorf("ParseWishes(%q) = %+v, %+v", tt.query, got, refusal)
		}
	}
}

func FuzzWishes(f *testing.F) {
	for _, seed := range []string{
		"topics=topic_7,messages&since=AbC-_9", "topics=a%2Cb", "x=1&topics=a&topics=b,a", "topics=caf%C3%A9", "topics=%zz", "topics=,,", "since=&topics", "&&=&", "topics=a;b", "topics=%00%ff",
	} {
		f.Add(seed)
	}
	g := gate(f, Options{Mode: None, Limits: Limits{Topics: 3}})
	f.Fuzz(func(t *testing.T, query string) {
		w, refused := ParseWishes(query)
		if (len(w.Topics) == 0) != (refused != nil) {
			t.Fatalf("%q: %+v, %+v", query, w, refused)
		}
		if refused != nil {
			return
		}
		v := g.Judge(t.Context(), g.Anonymous(), w.Topics, nil)
		if len(v.Topics) > 3 {
			t.Errorf("%q: %d topics", query, len(v.Topics))
		}
		for _, topic := range v.Topics {
			if !rooms.ValidTopic(topic) {
				t.Errorf("%q: %q is no topic", query, topic)
			}
		}
		if refused := v.Refusal(w.Topics); (refused != nil) != (len(v.Denied) > 0) || refused != nil && len(refused.Message) > 1000 {
			t.Errorf("%q: %+v, denied %v", query, refused, v.Denied)
		}
	})
}
