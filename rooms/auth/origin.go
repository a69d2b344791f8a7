package auth

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
)

// originAllowed says whether the page that made the request may be here. A
// request without an Origin comes from no browser's page.
func (g *Gate) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if slices.Contains(g.o.Origins, "*") {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return false // also "null", the origin of sandboxed frames and files
	}
	// What came over http may be anybody's page: not the own one of a daemon with TLS.
	own := strings.EqualFold(u.Host, r.Host) && (r.TLS == nil || u.Scheme == "https")
	if own && (g.o.Mode != "" || loopback(r.Host)) {
		return true
	}
	for _, p := range g.o.Origins {
		candidate := u.Host
		if strings.Contains(p, "://") {
			candidate = u.Scheme + "://" + u.Host
		}
		if match(strings.ToLower(p), strings.ToLower(candidate)) {
			return true
		}
	}
	return false
}

// Credentials says whether a page of another origin may send its cookies: they
// count for something here, and New let no wildcard stand beside them.
func (g *Gate) Credentials() bool { return !g.Open() && g.o.Cookie != "" }

// printable is an origin as the log may show it: of what a stranger sends no
// more than could be one.
func printable(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || len(u.Scheme)+len(u.Host) > 300 {
		return "not a URL"
	}
	return u.Scheme + "://" + u.Host
}

// loopback says whether addr, with or without a port, names this machine only.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = strings.Trim(addr, "[]")
	}
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true // RFC 6761 section 6.3
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// match says whether s is what pattern says, where * stands for any text but a
// slash. Brackets are those of an IPv6 address.
func match(pattern, s string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "[", `\[`), s)
	return err == nil && ok
}
