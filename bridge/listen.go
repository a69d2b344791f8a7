package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// unixPrefix is that of an address which is a socket's path.
const unixPrefix = "unix:"

const (
	socketMode   = 0o660       // the daemon's user, and the group that a proxy is in
	socketAnswer = time.Second // for a process to show that it is there
)

const (
	// unsentMost is how much may wait in the kernel that was not sent yet. More
	// waits in the daemon, where it is counted, and where a ping overtakes it.
	// Unless it is told, Linux takes up to 4 MB for a peer that reads nothing.
	unsentMost = 16 << 10

	// deadAfter is how long a peer may acknowledge nothing. Without it a stream of
	// events to a machine that is gone lives on for a quarter of an hour.
	deadAfter = 30 * time.Second
)

// listen takes an address: host:port, or unix:/path. The socket's file goes when
// the listener closes. Of a TCP connection the kernel holds little, and gives it up
// when its peer is dead, after deadAfter or, if it is longer, patience.
func listen(ctx context.Context, addr string, patience time.Duration) (net.Listener, error) {
	var c net.ListenConfig
	path, local := strings.CutPrefix(addr, unixPrefix)
	if !local {
		// The listener's options are those of all that it accepts, without a system
		// call for each, but not so with multipath TCP, which Go takes where it can
		// and browsers do not speak.
		c.SetMultipathTCP(false)
		c.Control = func(_, _ string, conn syscall.RawConn) error {
			return boundKernel(conn, unsentMost, max(deadAfter, patience))
		}
		return c.Listen(ctx, "tcp", addr)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	l, err := c.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes the socket that a process left behind which did not end well.
// Whatever else is at the path stays.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is there, and no socket", path)
	}
	d := net.Dialer{Timeout: socketAnswer}
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case err != nil:
		return fmt.Errorf("%s is there, and perhaps in use: %w", path, err)
	default:
		_ = conn.Close() // nothing was written
		return fmt.Errorf("%s is in use: another process listens there", path)
	}
}

// loopback reports whether only this machine can reach the address.
func loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	default:
		return false
	}
}

// address writes an address as the settings do.
func address(a net.Addr) string {
	switch a := a.(type) {
	case nil:
		return ""
	case *net.UnixAddr:
		return unixPrefix + a.Name
	default:
		return a.String()
	}
}
