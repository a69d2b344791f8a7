package auth

import (
	"net/http"
	"slices"
	"strings"
)

// carriage is how a request may carry a token, beside its headers.
type carriage struct {
	cookie string // its name; "": none is looked at
	query  bool   // ?token= counts
}

// carried returns the token that came with a request. The first carrier counts
// that holds one; an empty token is none. A carrier that holds two different ones
// is believed in neither: the token found is "", which is nobody's.
func carried(r *http.Request, c carriage) (token string, found bool) {
	for _, tokens := range [][]string{subprotocols(r), cookies(r, c.cookie), bearers(r), parameters(r, c.query)} {
		tokens = slices.DeleteFunc(tokens, func(t string) bool { return t == "" })
		if len(tokens) == 0 {
			continue
		}
		if slices.ContainsFunc(tokens, func(t string) bool { return t != tokens[0] }) {
			return "", true
		}
		return tokens[0], true
	}
	return "", false
}

// subprotocols finds bearer.<token>: the one thing a page can say in a WebSocket's
// handshake.
func subprotocols(r *http.Request) (tokens []string) {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			if token, ok := strings.CutPrefix(strings.TrimSpace(p), "bearer."); ok {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens
}

// cookies finds the cookie in requests that say which page made them: browsers
// send it with those of any page, and who may be here was decided by the origin.
// A page's own GET has no Origin, but says that it is the page's own.
func cookies(r *http.Request, name string) (tokens []string) {
	if name == "" || r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		return nil
	}
	for _, c := range r.CookiesNamed(name) {
		tokens = append(tokens, c.Value)
	}
	return tokens
}

// bearers finds the tokens of Authorization (RFC 6750 section 2.1); the scheme's
// case is nothing (RFC 9110 section 11.1). Other schemes are somebody else's, a
// proxy's perhaps.
func bearers(r *http.Request) (tokens []string) {
	for _, line := range r.Header.Values("Authorization") {
		if scheme, token, _ := strings.Cut(line, " "); strings.EqualFold(scheme, "bearer") {
			tokens = append(tokens, strings.TrimSpace(token))
		}
	}
	return tokens
}

func parameters(r *http.Request, allowed bool) []string {
	if !allowed {
		return nil
	}
	return r.URL.Query()["token"]
}
