package bridge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rowcast/pglisten"
)

// socketPath is short: a path of a socket is at most 103 bytes, and a test's
// own folder may be longer.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rowcast")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "socket")
}

// getVia asks over a socket.
func getVia(t *testing.T, path, url string) string {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end
	body, err := io.ReadAll(io.LimitReader(res.Body, 100))
	if err != nil {
		t.Fatal(err)
	}
	return res.Status + " " + string(body)
}

// Both addresses on sockets; nobody had to choose a mode.
func TestSockets(t *testing.T) {
	t.Parallel()
	url, _ := application(t)
	public, admin := socketPath(t), socketPath(t)
	d := launch(t, url, func(o *Options) { o.HTTPAddr, o.AdminAddr = "unix:"+public, "unix:"+admin })
	for _, path := range []string{public, admin} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != os.ModeSocket|0o660 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if !strings.Contains(d.log.String(), "http=unix:"+public+" admin=unix:"+admin) {
		t.Errorf("where it listens is not said:\n%s", d.log)
	}
	if got := getVia(t, admin, "http://x/readyz"); got != "200 OK ok\n" {
		t.Errorf("readyz: %s", got)
	}
	if got := getVia(t, public, "http://x/sse"); !strings.HasPrefix(got, "400 ") {
		t.Errorf("sse without topics: %s", got)
	}

	second, err := New(Options{HTTPAddr: "unix:" + public, Source: pglisten.Options{URL: url}})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "http.addr: ") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a socket that somebody listens on: %v", err)
	}
	if got := getVia(t, admin, "http://x/readyz"); got != "200 OK ok\n" {
		t.Errorf("readyz after that: %s", got)
	}

	if err := d.end(t); err != nil {
		t.Error(err)
	}
	for _, path := range []string{public, admin} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

func TestListen_socket_left_behind(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as after a kill
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listen(t.Context(), "unix:"+path, 0)
	if err != nil {
		t.Fatalf("nobody listens there any more: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestListen_spares_what_is_no_socket(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	if err := os.WriteFile(path, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := listen(t.Context(), "unix:"+path, 0); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("listen: %v, %v", l, err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "dear" {
		t.Errorf("it holds %q, %v", content, err)
	}
}
