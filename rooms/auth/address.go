package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the peers whose word about where a request comes from counts.
type proxies []netip.Prefix

// client returns the address from which the request comes; the zero Addr when a
// proxy on a unix socket does not say.
//
// Each proxy adds the address of its own peer at the end of X-Forwarded-For or
// Forwarded, and what stands before that is its peer's word. So the list is read
// from its end, for as long as the one who speaks is trusted. Most proxies write
// one of the two headers and hand on the other as the client sent it: where both
// are there and disagree neither counts.
func (p proxies) client(r *http.Request) netip.Addr {
	peer := peerOf(r)
	fors, forwarded := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded")
	if len(fors) == 0 {
		return p.follow(peer, forwarded, nodes)
	}
	client := p.follow(peer, fors, commas)
	if len(forwarded) > 0 && p.follow(peer, forwarded, nodes) != client {
		return peer
	}
	return client
}

// peerOf returns the address at the other end of the connection; the zero Addr
// when it is a unix socket.
func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

// trust says whether the address is a proxy's. Who may open our unix socket is
// one.
func (p proxies) trust(a netip.Addr) bool {
	return !a.IsValid() || slices.ContainsFunc(p, func(own netip.Prefix) bool { return own.Contains(a) })
}

// follow goes from proxy to proxy, away from us, to the first that is none. It
// stops where a trusted one says something that is no address.
func (p proxies) follow(hop netip.Addr, lines []string, split func(line string) (texts []string, ok bool)) netip.Addr {
	for _, line := range slices.Backward(lines) {
		texts, ok := split(line)
		if !ok {
			return hop
		}
		for _, text := range slices.Backward(texts) {
			if !p.trust(hop) {
				return hop
			}
			next, ok := parseNode(text)
			if !ok {
				return hop
			}
			hop = next
		}
	}
	return hop
}

// commas splits a line of X-Forwarded-For. Empty elements do not count (RFC 9110
// section 5.6.1.2).
func commas(line string) (texts []string, ok bool) {
	for text := range strings.SplitSeq(line, ",") {
		if text = strings.Trim(text, " \t"); text != "" {
			texts = append(texts, text)
		}
	}
	return texts, true
}

// parseNode reads an address with or without a port; IPv6 is in brackets, where
// it need not be without a port. "unknown" and obfuscated identifiers (RFC 7239
// section 6) are none.
func parseNode(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		var ap netip.AddrPort
		ap, err = netip.ParseAddrPort(text)
		a = ap.Addr()
	}
	if err != nil {
		inner, bracketed := strings.CutPrefix(text, "[")
		if inner, closed := strings.CutSuffix(inner, "]"); bracketed && closed {
			a, err = netip.ParseAddr(inner)
			bracketed = a.Is6()
		}
		if !bracketed {
			return netip.Addr{}, false
		}
	}
	return a.Unmap().WithZone(""), err == nil
}

// neighbourhood is what counts as one address: who has one of IPv6 has all of
// its /64.
func neighbourhood(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails for none and for impossible lengths
	return p
}
