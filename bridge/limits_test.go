package bridge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rowcast/rooms/auth"
)

// say sends text over a connection of its own and returns what comes back.
func say(t *testing.T, addr, text string) (answer string, took time.Duration) {
	t.Helper()
	begin := time.Now()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // it was read to its end
	if err := conn.SetDeadline(begin.Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("neither an answer nor the end: %v", err)
	}
	return strings.TrimSpace(line), time.Since(begin)
}

func TestLimits_of_a_request(t *testing.T) {
	t.Parallel()
	url, _ := application(t)
	d := launch(t, url, func(o *Options) { o.HandshakeTimeout, o.HeaderBytes = 500*time.Millisecond, 8<<10 })
	for _, addr := range []string{d.http, d.admin} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			// net/http lets 4 KB more through.
			large := fmt.Sprintf("GET /healthz HTTP/1.1\r\nHost: x\r\nCookie: %s\r\nConnection: close\r\n\r\n", strings.Repeat("x", 13<<10))
			if answer, _ := say(t, addr, large); !strings.Contains(answer, "431") {
				t.Errorf("a header over limits.header_bytes: %q", answer)
			}
			if answer, _ := say(t, addr, strings.Replace(large, "xxxxxxxx", "", 1000)); !strings.HasPrefix(answer, "HTTP/1.1 ") || strings.Contains(answer, "431") {
				t.Errorf("a header under it: %q", answer)
			}
			for _, half := range []string{"", "GET /ws HTTP/1.1\r\nHost: x\r\n"} {
				if answer, took := say(t, addr, half); took > patience/4 || took < 400*time.Millisecond {
					t.Errorf("half a request (%q) was waited for %v, then: %q", half, took, answer)
				}
			}
		})
	}
}

// Half a TLS handshake is half a request, too.
func TestLimits_of_a_handshake(t *testing.T) {
	t.Parallel()
	url, _ := application(t)
	files := newPair(t)
	files.issue(t, 1)
	d := launch(t, url, func(o *Options) {
		o.TLSCert, o.TLSKey, o.HandshakeTimeout = files.cert, files.key, 500*time.Millisecond
	})
	if answer, took := say(t, d.http, "\x16\x03\x01"); took > patience/4 || took < 400*time.Millisecond {
		t.Errorf("waited %v, then: %q", took, answer)
	}
}

// What a connection asks too much of is counted by the limit's name.
func TestLimits_of_a_connection(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	exec(t, conn, private)
	ping := map[string]any{"type": "ping", "ref": 1}
	join := map[string]any{"type": "join", "ref": 1, "topics": []string{"topic_7"}}
	for setting, tt := range map[string]struct {
		edit   func(o *Options)
		frames []map[string]any
		code   string
	}{
		"limits.frame_bytes":       {func(o *Options) { o.Gate.Limits.FrameBytes = 8 }, []map[string]any{ping}, "too_large"},
		"limits.frames_per_second": {func(o *Options) { o.WS.FramesPerSecond = 1 }, []map[string]any{ping, ping}, "rate_limited"},
		"limits.joins_per_second":  {func(o *Options) { o.Gate.Limits.JoinsPerSecond = 1 }, []map[string]any{join, join}, "rate_limited"},
		"limits.handshake_timeout": {func(o *Options) { asking(o); o.WS.HandshakeTimeout = 100 * time.Millisecond }, nil, "unauthenticated"},
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			d := launch(t, url, tt.edit)
			c := dial(t, d.http, "")
			for _, f := range tt.frames {
				c.send(f)
			}
			for f := c.next(); f.Type != "$error" || f.Payload.Code != tt.code; f = c.next() {
			}
			_, body := get(t, "http://"+d.admin+"/metrics")
			if line := fmt.Sprintf("rowcast_refused_total{setting=%q} 1\n", setting); !strings.Contains(body, line) {
				t.Errorf("metrics lack %s", line)
			}
		})
	}
}

// Behind a proxy the client's address counts, as the proxy tells it; from
// anybody else it is a claim, and the peer's address counts.
func TestLimits_connections_per_address(t *testing.T) {
	t.Parallel()
	url, _ := application(t)
	for name, tt := range map[string]struct {
		trusted []netip.Prefix
		want    map[string]int // status of the second stream, by what it claims to come from
	}{
		"behind_a_proxy": {
			[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			map[string]int{"192.0.2.1": 0, "192.0.2.2": 1, "198.51.100.9, 192.0.2.1": 0, "192.0.2.1, 192.0.2.3": 1},
		},
		"in_the_open": {nil, map[string]int{"192.0.2.1": 0, "192.0.2.2": 0, "": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := launch(t, url, func(o *Options) {
				o.Gate.Mode, o.Gate.TrustedProxies, o.Gate.Limits.ConnectionsPerAddress = auth.None, tt.trusted, 1
			})
			if !streams(t, d.http, "192.0.2.1") {
				t.Fatal("the first was refused")
			}
			for from, want := range tt.want {
				if got := streams(t, d.http, from); got != (want == 1) {
					t.Errorf("one more, from %q: let in %v", from, got)
				}
			}
			_, body := get(t, "http://"+d.admin+"/metrics")
			refused := 0
			for _, want := range tt.want {
				refused += 1 - want
			}
			if line := fmt.Sprintf("rowcast_refused_total{setting=\"limits.connections_per_address\"} %d\n", refused); !strings.Contains(body, line) {
				t.Errorf("metrics lack %s", line)
			}
			if n := strings.Count(d.log.String(), "limits.connections_per_address"); n != 1 {
				t.Errorf("%d lines in the log:\n%s", n, d.log)
			}
		})
	}
}

// streams opens a stream and leaves it open; it reports whether it lives.
func streams(t *testing.T, addr, forwarded string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/sse?topics=topic_7", nil)
	if err != nil {
		t.Fatal(err)
	}
	if forwarded != "" {
		req.Header.Set("X-Forwarded-For", forwarded)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() }) // what it says has been read
	s := bufio.NewScanner(res.Body)
	for s.Scan() {
		if strings.HasPrefix(s.Text(), "data:") || strings.HasPrefix(s.Text(), "id:") {
			return !strings.Contains(s.Text(), "$error")
		}
	}
	return false
}
