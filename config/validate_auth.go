package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// auth judges what can be judged without the keys, which the daemon reads, and
// without the database, which it asks.
func (f *Faults) auth(c Config) {
	a := c.Auth
	f.oneOf("auth.mode", a.Mode, "", "none", "jwt", "sql")
	if a.Mode == "" && !Loopback(c.HTTP.Addr) {
		f.add("http.addr", "others can reach it, and auth.mode is not chosen: "+
			"listen on 127.0.0.1, or set auth.mode to jwt or sql, or to none to let everybody read everything", c.HTTP.Addr)
	}
	f.idle(c)
	keys := 0
	for _, key := range []string{a.JWT.Secret, a.JWT.PublicKey, a.JWT.JWKSURL} {
		if key != "" {
			keys++
		}
	}
	if a.Mode == "jwt" && keys != 1 {
		f.add("auth.jwt", "must have exactly one of secret, public_key and jwks_url", fmt.Sprintf("%d of them", keys))
	}
	if a.Mode == "sql" && a.Authenticate == "" {
		f.add("auth.authenticate", "is missing: auth.mode sql asks it who a token is", a.Authenticate)
	}
	if a.Anonymous && a.Authorize == "" {
		f.add("auth.anonymous", "needs auth.authorize, which decides what they may join", a.Anonymous)
	}
	if a.Role != "" && a.Authorize == "" && a.Authenticate == "" {
		f.add("auth.role", "is nobody's: neither auth.authorize nor auth.authenticate is set", a.Role)
	}
	if a.TopicsClaim == "" {
		f.add("auth.topics_claim", "must be a claim's name", a.TopicsClaim)
	}
	if a.SubjectClaim == "" {
		f.add("auth.subject_claim", "must be a claim's name", a.SubjectClaim)
	}
	f.cookie(c)
}

// idle finds settings that protect nothing because auth.mode passes them by.
// Whoever wrote them down believes that they do.
func (f *Faults) idle(c Config) {
	normal := Default()
	for i, k := range keys(&c) {
		var needs string
		switch {
		case !strings.HasPrefix(k.name, "auth.") || k.name == "auth.mode":
			continue
		case c.Auth.Mode == "" || c.Auth.Mode == "none":
			needs = "jwt or sql"
		case strings.HasPrefix(k.name, "auth.jwt.") && c.Auth.Mode == "sql":
			needs = "jwt"
		case k.name == "auth.authenticate" && c.Auth.Mode == "jwt":
			needs = "sql"
		default:
			continue
		}
		if !reflect.DeepEqual(k.value.Interface(), keys(&normal)[i].value.Interface()) {
			f.add(k.name, "has no effect unless auth.mode is "+needs, hideIn(k))
		}
	}
}

// cookieName is a token of RFC 6265, section 4.1.1.
var cookieName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// cookie refuses cookies where any page may connect: a browser sends them with
// every page's request, and the page that made it is all that tells an attack.
func (f *Faults) cookie(c Config) {
	if c.Auth.Cookie == "" {
		return
	}
	if !cookieName.MatchString(c.Auth.Cookie) {
		f.add("auth.cookie", "must be a cookie's name", c.Auth.Cookie)
	}
	for _, origin := range c.HTTP.AllowedOrigins {
		_, host, found := strings.Cut(origin, "://")
		if !found {
			host = origin
		}
		host, _, _ = strings.Cut(host, ":")
		if strings.Trim(host, "*?.") == "" {
			f.add("http.allowed_origins", "must name hosts where auth.cookie is set: any page could use a visitor's session", origin)
		}
	}
}
