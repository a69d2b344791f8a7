//go:build unix

package ws

import (
	"errors"
	"net"
	"syscall"
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
	p   []byte
	n   int
	err error
	do  func(fd uintptr)
}

func newCall() *call {
	c := &call{}
	c.do = func(fd uintptr) {
		for {
			if c.n, c.err = syscall.Write(int(fd), c.p); !errors.Is(c.err, syscall.EINTR) {
				return
			}
		}
	}
	return c
}

// write writes as much of p as the kernel takes now.
func (c *call) write(d *direct, p []byte) (n int, err error) {
	c.p = p
	err = d.Control(c.do)
	c.p = nil
	switch {
	case err != nil:
		return 0, err // it is closed
	case errors.Is(c.err, syscall.EAGAIN):
		return 0, nil
	case c.err != nil:
		return 0, c.err
	}
	return c.n, nil
}
