package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// String writes the settings as a YAML file that Load reads. Secrets are hidden.
func (c Config) String() string {
	c = c.Redacted()
	var b strings.Builder
	var open []string // the sections we are in
	for _, k := range keys(&c) {
		path := strings.Split(k.name, ".")
		last := len(path) - 1
		for depth, section := range path[:last] {
			if depth < len(open) && open[depth] == section {
				continue
			}
			b.WriteString(strings.Repeat("  ", depth) + section + ":\n")
			open = append(open[:depth:depth], section)
		}
		b.WriteString(strings.Repeat("  ", last) + path[last] + ": " + k.yaml() + "\n")
	}
	return b.String()
}

const hidden = "xxxxx"

var (
	secretParam = regexp.MustCompile(`(?i)((?:ssl)?password=)[^&]*`)
	secretWord  = regexp.MustCompile(`(?i)((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s']+)`)
)

// Redacted returns c with the secrets in it hidden.
func (c Config) Redacted() Config {
	c.Database.URL = redactURL(c.Database.URL)
	c.Auth.JWT.JWKSURL = redactURL(c.Auth.JWT.JWKSURL)
	if c.Auth.JWT.Secret != "" {
		c.Auth.JWT.Secret = hidden
	}
	if strings.Contains(c.Auth.JWT.PublicKey, "PRIVATE KEY") { // the wrong half
		c.Auth.JWT.PublicKey = hidden
	}
	return c
}

// hideIn is the key's value as a message may show it.
func hideIn(k key) string {
	if slices.Contains(confidential, k.name) {
		return hidden
	}
	return k.text()
}

// redactURL hides the passwords of a connection string, which is a URL or a
// list of keyword=value (libpq, 34.1.1).
func redactURL(text string) string {
	if !strings.Contains(text, "://") {
		return secretWord.ReplaceAllString(text, "${1}"+hidden)
	}
	u, err := url.Parse(text)
	if err != nil { // where its password is, nobody can tell
		return hidden
	}
	u.RawQuery = secretParam.ReplaceAllString(u.RawQuery, "${1}"+hidden)
	return u.Redacted()
}
