package ws

import (
	"net"
	"syscall"
	"unsafe"
)

// direct writes to a socket without waiting: Go makes each one that does not block.
type direct struct{ syscall.RawConn }

// newDirect returns nil for what is no socket of the kernel's: TLS, or a pipe.
func newDirect(conn net.Conn) *direct {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return &direct{raw}
}

// call is one system call. It is used again, for a closure costs an allocation.
type call struct {
	p     []byte
	n     int
	errno syscall.Errno
	do    func(fd uintptr)
}

func newCall() *call {
	c := &call{}
	c.do = c.writeTo
	return c
}

// writeTo is write(2) without the scheduler's being told: the call does not wait, and
// telling it costs a twentieth of what the call does.
func (c *call) writeTo(fd uintptr) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.p))), uintptr(len(c.p)))
		if errno != syscall.EINTR {
			c.n, c.errno = int(n), errno
			return
		}
	}
}

// write writes as much of p as the kernel takes now.
func (c *call) write(d *direct, p []byte) (n int, err error) {
	c.p = p
	err = d.Control(c.do)
	c.p = nil
	switch {
	case err != nil:
		return 0, err // it is closed
	case c.errno == syscall.EAGAIN:
		return 0, nil
	case c.errno != 0:
		return 0, c.errno
	}
	return c.n, nil
}
