package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Faults is all that is wrong with a configuration, a line each.
type Faults []string

// Error joins the faults with line ends.
func (f Faults) Error() string { return strings.Join(f, "\n") }

func (f *Faults) add(key, wrong string, got any) {
	*f = append(*f, fmt.Sprintf("%s: %s (got %q)", key, wrong, fmt.Sprint(got)))
}

func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// Validate reports all that is wrong with c at once, as Faults. Whether the
// database can be reached is another question.
func (c Config) Validate() error {
	var f Faults
	if err := c.ValidateDatabase(); err != nil {
		f = append(f, err.Error())
	}
	f.endpoints(c)
	f.auth(c)
	f.limits(c)
	f.oneOf("capture.mode", c.Capture.Mode, "doorbell", "poll")
	f.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	f.oneOf("log.format", c.Log.Format, "text", "json", "")
	if c.Capture.Mode == "poll" && len(c.Channels) > 0 {
		f.add("channels", "nobody listens with capture.mode poll", c.Channels[0].Name)
	}
	for i, ch := range c.Channels {
		f.channel(fmt.Sprintf("channels[%d]", i), ch)
	}
	return f.err()
}

// ValidateDatabase is the part of Validate for commands that only talk to the
// database.
func (c Config) ValidateDatabase() error {
	if c.Database.URL == "" {
		return Faults{"database.url: is missing: use --database.url, ROWCAST_DATABASE_URL, DATABASE_URL or a file"}
	}
	return nil
}

func (f *Faults) endpoints(c Config) {
	f.addr("http.addr", c.HTTP.Addr)
	if c.Admin.Addr != "" {
		f.addr("admin.addr", c.Admin.Addr)
	}
	for _, origin := range c.HTTP.AllowedOrigins {
		if strings.TrimSpace(origin) == "" {
			f.add("http.allowed_origins", "must not hold an empty pattern", origin)
		}
	}
	for _, proxy := range c.HTTP.TrustedProxies {
		if !network(proxy) {
			f.add("http.trusted_proxies", "must be addresses or networks such as 10.0.0.0/8", proxy)
		}
	}
	f.tls(c.HTTP.TLS.Cert, c.HTTP.TLS.Key)
}

func network(text string) bool {
	_, network := netip.ParsePrefix(text)
	_, address := netip.ParseAddr(text)
	return network == nil || address == nil
}

func (f *Faults) tls(cert, key string) {
	switch {
	case cert == "" && key == "":
	case key == "":
		f.add("http.tls.key", "is missing beside http.tls.cert", key)
	case cert == "":
		f.add("http.tls.cert", "is missing beside http.tls.key", cert)
	default:
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			f.add("http.tls", err.Error(), cert+", "+key)
		}
	}
}

func (f *Faults) addr(key, addr string) {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		if !filepath.IsAbs(path) || len(path) > longestSocket {
			f.add(key, fmt.Sprintf("must be unix: and an absolute path of at most %d bytes", longestSocket), addr)
		}
		return
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		f.add(key, "must be host:port, such as 127.0.0.1:8080, or unix:/path", addr)
	}
}

func (f *Faults) limits(c Config) {
	least := map[string]int64{
		"history.bytes":                1 << 10,
		"history.age":                  int64(time.Second),
		"limits.topics_per_connection": 1,
		"limits.frame_bytes":           1 << 10,
		"limits.event_bytes":           1 << 10,
		"limits.header_bytes":          4 << 10,
		"limits.replay_bytes":          1 << 10,
		"limits.handshake_timeout":     int64(100 * time.Millisecond),
		"auth.connections":             1,
		"auth.timeout":                 int64(10 * time.Millisecond),
		"limits.write_timeout":         int64(100 * time.Millisecond),
		"limits.lookback":              int64(time.Millisecond),
		"limits.transaction_events":    1,
		"heartbeat.interval":           int64(100 * time.Millisecond),
		"capture.poll_interval":        int64(time.Millisecond),
		"shutdown.timeout":             int64(100 * time.Millisecond),
	}
	for _, k := range keys(&c) {
		if k.value.CanInt() && k.value.Int() < least[k.name] {
			got := k.text()
			k.value.SetInt(least[k.name]) // c is ours
			f.add(k.name, "must be at least "+k.text(), got)
		}
	}
	if c.Limits.QueueBytes < 2*c.Limits.EventBytes {
		f.add("limits.queue_bytes", "must be at least twice limits.event_bytes", c.Limits.QueueBytes)
	}
	if c.Shutdown.DrainDelay+c.Shutdown.Spread >= c.Shutdown.Timeout {
		f.add("shutdown.timeout", "must be longer than shutdown.drain_delay and shutdown.spread together",
			shortDuration(c.Shutdown.Timeout))
	}
}

var eventType = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (f *Faults) channel(key string, ch Channel) {
	if ch.Name == "" || len(ch.Name) > 63 {
		f.add(key+".name", "must be the name of a NOTIFY channel", ch.Name)
	}
	if !eventType.MatchString(ch.Type) {
		f.add(key+".type", "must be an event type such as message_created", ch.Type)
	}
	if len(ch.Topics) == 0 || slices.Contains(ch.Topics, "") {
		f.add(key+".topics", "must be topic names or templates such as user_{user_id}", strings.Join(ch.Topics, ","))
	}
}

func (f *Faults) oneOf(key, got string, words ...string) {
	if slices.Contains(words, got) {
		return
	}
	words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
	f.add(key, "must be one of "+strings.Join(words, ", "), got)
}

// unixPrefix is that of an address which is a socket's path; a longer path fits
// into no sockaddr_un (104 bytes with its end on the smallest of systems).
const (
	unixPrefix    = "unix:"
	longestSocket = 103
)

// Loopback says whether only this machine can reach the listen address.
func Loopback(addr string) bool {
	if strings.HasPrefix(addr, unixPrefix) {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
