package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// socket is one connection, good for one request. Whoever reads from it, however
// deep below a WebSocket or a chunked body, keeps the session's clock meanwhile:
// when something is due, the deadline of the read passes, tick does it, and the
// read goes on as if nothing had been.
type socket struct {
	net.Conn
	due  func() time.Time // when tick is to be called
	tick func() error     // its error is that of the read

	mu    sync.Mutex // guards what follows
	woken bool       // tick is to be called now
	armed time.Time  // the deadline
}

// dial opens a socket with a receive buffer of this size, or the system's.
func dial(ctx context.Context, addr string, buffer int) (*socket, error) {
	d := net.Dialer{Timeout: handshakeTime}
	if buffer > 0 {
		// Before connect: the window that is offered then cannot be taken back.
		d.Control = func(_, _ string, c syscall.RawConn) error {
			var err error
			return errors.Join(c.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer)
			}), err)
		}
	}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &socket{Conn: conn}, nil
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	for {
		if err := s.arm(); err != nil {
			return 0, err
		}
		n, err := s.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		s.mu.Lock()
		s.woken = false
		s.mu.Unlock()
		if err := s.tick(); err != nil {
			return 0, err
		}
	}
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// arm sets the deadline to when something is due.
func (s *socket) arm() error {
	due := s.due()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.woken {
		due = past
	}
	if due.Equal(s.armed) {
		return nil
	}
	s.armed = due
	return s.SetReadDeadline(due)
}

// wake has tick called now, by whoever reads, or will read. Anybody may call it.
func (s *socket) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.woken, s.armed = true, past
	_ = s.SetReadDeadline(past) // a closed one wakes by itself
}

// reset breaks the connection off without a word of farewell: with RST, or with FIN.
func (s *socket) reset(rst bool) {
	if tcp, ok := s.Conn.(*net.TCPConn); ok && rst {
		_ = tcp.SetLinger(0) // then it ends with FIN
	}
	_ = s.Close()
}

// RoundTrip implements http.RoundTripper, once and over this very connection.
func (s *socket) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Write(s.Conn); err != nil {
		return nil, err
	}
	buffered := bufio.NewReaderSize(s, 1024)
	res, err := http.ReadResponse(buffered, r)
	if err == nil && res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = upgraded{buffered, s}
	}
	return res, err
}

// upgraded is what is left of a connection after the response that upgrades it.
type upgraded struct {
	io.Reader
	*socket
}

// Read implements io.Reader: what was read with the response comes first.
func (u upgraded) Read(p []byte) (int, error) { return u.Reader.Read(p) }
