package bridge

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// boundKernel bounds what the kernel holds for a connection: the bytes that were not
// sent yet, and the time that sent ones may go unacknowledged (tcp(7)). The size of
// the send buffer it leaves to the kernel, which knows how far the peer is. A sandbox
// that stands in for the kernel may refuse; then it holds more, and no client sees
// a difference.
func boundKernel(conn syscall.RawConn, unsent int, dead time.Duration) error {
	return conn.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(dead.Milliseconds()))
	})
}
