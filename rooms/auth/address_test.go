package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// hop is a request from a peer with header lines, each as "name: value".
func hop(peer string, lines ...string) *http.Request {
	r := request("a.example")
	r.RemoteAddr = peer
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestProxies_client(t *testing.T) {
	t.Parallel()
	inside := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.1/32")}
	for _, tt := range []struct {
		name  string
		peer  string
		lines []string
		want  string // "": not known
	}{
		{"no proxy", "192.0.2.1:5", nil, "192.0.2.1"},
		{"no proxy, IPv6", "[2001:db8::1]:5", nil, "2001:db8::1"},
		{"no proxy, IPv4 in IPv6", "[::ffff:192.0.2.1]:5", nil, "192.0.2.1"},
		{"no proxy, with a zone", "[fe80::1%eth0]:5", nil, "fe80::1"},
		{"no proxy, and it lies", "192.0.2.1:5", []string{"X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1"}, "192.0.2.1"},
		{"a unix socket", "@", nil, ""},
		{"a unix socket with a proxy", "@", []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},

		{"a proxy that says nothing", "10.0.0.1:5", nil, "10.0.0.1"},
		{"a proxy", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		{"a proxy, IPv4 in IPv6", "[::ffff:10.0.0.1]:5", []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"two proxies, two lines", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.2"}, "192.0.2.1"},
		{"what the client says itself", "10.0.0.1:5", []string{"X-Forwarded-For: 198.51.100.9, 10.0.0.9, 192.0.2.1"}, "192.0.2.1"},
		{"the same in a line of its own", "10.0.0.1:5", []string{"X-Forwarded-For: 198.51.100.9", "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		{"all of them inside", "10.0.0.1:5", []string{"X-Forwarded-For: 10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"with a port", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1:4711"}, "192.0.2.1"},
		{"IPv6", "10.0.0.1:5", []string{"X-Forwarded-For: 2001:db8::1"}, "2001:db8::1"},
		{"IPv6 in brackets", "10.0.0.1:5", []string{"X-Forwarded-For: [2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 with a port", "10.0.0.1:5", []string{"X-Forwarded-For: [2001:db8::1]:4711"}, "2001:db8::1"},
		{"IPv4 in IPv6", "10.0.0.1:5", []string{"X-Forwarded-For: ::ffff:192.0.2.1"}, "192.0.2.1"},
		{"empty elements", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1 ,, ,\t", "X-Forwarded-For: "}, "192.0.2.1"},
		{"unknown", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1, unknown"}, "10.0.0.1"},
		{"garbage", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1, 1.2.3"}, "10.0.0.1"},
		{"garbage before a client", "10.0.0.1:5", []string{"X-Forwarded-For: <script>, 192.0.2.1"}, "192.0.2.1"},
		{"garbage before a proxy", "10.0.0.1:5", []string{"X-Forwarded-For: 300.1.1.1, 10.0.0.2"}, "10.0.0.2"},
		{"IPv4 in brackets", "10.0.0.1:5", []string{"X-Forwarded-For: [192.0.2.1]"}, "10.0.0.1"},
		{"half a bracket", "10.0.0.1:5", []string{"X-Forwarded-For: [2001:db8::1"}, "10.0.0.1"},
		{"a port that is none", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1:x"}, "10.0.0.1"},

		{"Forwarded", "10.0.0.1:5", []string{"Forwarded: for=192.0.2.1"}, "192.0.2.1"},
		{"Forwarded, all of it", "10.0.0.1:5", []string{`Forwarded: by=203.0.113.43;For="[2001:db8:cafe::17]:4711" ; proto=https`}, "2001:db8:cafe::17"},
		{"Forwarded, the RFC's list", "10.0.0.1:5", []string{`Forwarded: for=192.0.2.43, for="[2001:db8:cafe::17]"`}, "2001:db8:cafe::17"},
		{"Forwarded, not quoted", "10.0.0.1:5", []string{"Forwarded: for=[2001:db8::1]:5"}, "2001:db8::1"},
		{"Forwarded, escaped", "10.0.0.1:5", []string{`Forwarded: for="192\.0.2.1"`}, "192.0.2.1"},
		{"Forwarded, two lines", "10.0.0.1:5", []string{"Forwarded: for=192.0.2.1", "Forwarded: for=10.0.0.2, for=10.0.0.3"}, "192.0.2.1"},
		{"Forwarded, unknown", "10.0.0.1:5", []string{"Forwarded: for=192.0.2.1, for=unknown"}, "10.0.0.1"},
		{"Forwarded, obfuscated", "10.0.0.1:5", []string{`Forwarded: for=192.0.2.1, for="_gazonk"`}, "10.0.0.1"},
		{"Forwarded, without for", "10.0.0.1:5", []string{"Forwarded: for=192.0.2.1, proto=https"}, "10.0.0.1"},
		{"Forwarded, for twice", "10.0.0.1:5", []string{"Forwarded: for=192.0.2.1;for=192.0.2.2"}, "10.0.0.1"},
		{"Forwarded, no separator", "10.0.0.1:5", []string{"Forwarded: for=198.51.100.9 for=192.0.2.1"}, "10.0.0.1"},
		{"Forwarded, something after a quote", "10.0.0.1:5", []string{`Forwarded: for="198.51.100.9"x`}, "10.0.0.1"},
		{"Forwarded, a quote left open", "10.0.0.1:5", []string{`Forwarded: for="198.51.100.9, for=192.0.2.1`}, "10.0.0.1"},
		{"Forwarded, a quote that the proxy closes", "10.0.0.1:5", []string{`Forwarded: for=198.51.100.9;x=", for="[2001:db8::1]"`}, "10.0.0.1"},
		{"Forwarded, a quote in another line", "10.0.0.1:5", []string{`Forwarded: for="198.51.100.9`, "Forwarded: for=192.0.2.1"}, "192.0.2.1"},
		{"Forwarded, a comma in a quote", "10.0.0.1:5", []string{`Forwarded: for=198.51.100.9;x=",for=198.51.100.8,", for=192.0.2.1`}, "192.0.2.1"},

		{"both, of one mind", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"}, "192.0.2.1"},
		{"both: the client wrote one", "10.0.0.1:5", []string{"X-Forwarded-For: 192.0.2.1", "Forwarded: for=198.51.100.9"}, "10.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := inside.client(hop(tt.peer, tt.lines...))
			if tt.want == "" && got.IsValid() || tt.want != "" && got.String() != tt.want {
				t.Errorf("%v, want %q", got, tt.want)
			}
		})
	}
}

func TestNeighbourhood(t *testing.T) {
	t.Parallel()
	same := func(a, b string) bool {
		return neighbourhood(netip.MustParseAddr(a)) == neighbourhood(netip.MustParseAddr(b))
	}
	for _, pair := range [][2]string{{"192.0.2.1", "192.0.2.1"}, {"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"}} {
		if !same(pair[0], pair[1]) {
			t.Errorf("%v are one", pair)
		}
	}
	for _, pair := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8:0:1::1"}, {"0.0.0.0", "::"}} {
		if same(pair[0], pair[1]) {
			t.Errorf("%v are two", pair)
		}
	}
	if neighbourhood(netip.Addr{}).IsValid() {
		t.Error("nowhere has no neighbours")
	}
}

// Whatever a client writes before what the proxy adds, the proxy's word is what
// counts, or nobody's.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{
		"", "for=198.51.100.9", `for="[2001:db8::9]:1";by=x, `, `for="`, `x="\`, "for=_hidden;proto=http", "for=unknown,,;,", `for="198.51.100.9`, "\x00\xff",
	} {
		f.Add(seed)
	}
	inside := proxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, before string) {
		if fors, ok := nodes(before); ok && len(fors) > 1+strings.Count(before, ",") {
			t.Errorf("%q has %d elements", before, len(fors))
		}
		for _, added := range []string{"for=192.0.2.1", `for="192.0.2.1:5";proto=https`} {
			for _, lines := range [][]string{{before + ", " + added}, {before, added}} {
				r := hop("10.0.0.1:5")
				r.Header["Forwarded"] = lines
				if a := inside.client(r).String(); a != "192.0.2.1" && (len(lines) == 2 || a != "10.0.0.1") {
					t.Errorf("%q: from %s", lines, a)
				}
				r.Header["X-Forwarded-For"] = []string{"192.0.2.1"}
				if a := inside.client(r).String(); !slices.Contains([]string{"192.0.2.1", "10.0.0.1"}, a) {
					t.Errorf("%q and X-Forwarded-For: from %s", lines, a)
				}
			}
		}
		r := hop("10.0.0.1:5")
		r.Header["X-Forwarded-For"] = []string{before + ", 192.0.2.1"}
		if a := inside.client(r).String(); a != "192.0.2.1" {
			t.Errorf("X-Forwarded-For %q: from %s", r.Header["X-Forwarded-For"], a)
		}
	})
}
