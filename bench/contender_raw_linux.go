package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// rawWrite is the kernel's own price: a loop of system calls, each of which writes a
// prepared frame, or the k of a wave at once. Nobody can do it in less.
type rawWrite struct {
	arrived func()

	mu    sync.Mutex
	conns []net.Conn
	files []int // of conns
}

func newRaw(_ context.Context, arrived func()) (contender, error) {
	return &rawWrite{arrived: arrived}, nil
}

func (c *rawWrite) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	// The key is always the same, and the client does not look.
	if _, err := conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")); err != nil {
		return
	}
	file, err := conn.(*net.TCPConn).SyscallConn()
	if err == nil {
		err = file.Control(func(fd uintptr) { c.files = append(c.files, int(fd)) }) // good while conn is
	}
	if err == nil {
		c.arrived()
	}
}

func (c *rawWrite) publisher(_ context.Context, k, _ int) func() error {
	frames := bytes.Repeat(newEvents().next().frame(), k)
	return func() error {
		for _, file := range c.files {
			n, err := syscall.Write(file, frames)
			if err == nil && n < len(frames) {
				err = io.ErrShortWrite // a wave fits where the last one was read
			}
			if err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
		return nil
	}
}

func (c *rawWrite) close(context.Context) error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}
