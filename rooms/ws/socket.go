package ws

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rowcast/rooms"
)

var (
	errSilent = errors.New("nothing heard for two heartbeats")
	errStuck  = errors.New("socket accepted no byte for the write timeout")
)

// The parts of a frame's first byte that matter here (RFC 6455 section 5.2).
const (
	finText   = 0x81
	opClose   = 0x8
	opPong    = 0xA
	opcode    = 0x0F
	wholePing = "\x89\x00"
)

// maxOwn bounds the control frames that wait for their turn. Pongs beyond it
// are left out: one of several may be answered (RFC 6455 section 5.5.3).
const maxOwn = 4 << 10

// longWrite is longer than a write takes to a peer that reads.
const longWrite = 100 * time.Millisecond

// socket is the connection under the WebSocket library. The library keeps
// handshake, reading, control frames and the close handshake; events and our
// control frames go past it, several in one system call. Whoever writes has the
// turn for as long as whole frames take, so none is ever torn; the library never
// waits for the turn, so its reader never waits for a slow writer.
type socket struct {
	net.Conn                // the interface, not *net.TCPConn, whose ReadFrom would go past Write
	heartbeat time.Duration // of silence before a ping; two of them end the connection
	stall     time.Duration // that the peer may accept no byte
	buffers   *sync.Pool    // of *[]byte, for a batch of frames

	broken atomic.Bool   // reading failed: what the library reports then is no fault of the client's
	begun  atomic.Int64  // when the present write was, in Unix nanoseconds; 0: there is none
	turn   chan struct{} // holds one while somebody writes

	mu      sync.Mutex
	own     []byte // whole control frames that wait for the turn
	closing bool   // a close frame left or waits in own: nothing comes after it
}

func newSocket(conn net.Conn, o Options, buffers *sync.Pool) *socket {
	return &socket{
		Conn:      conn,
		heartbeat: o.Heartbeat,
		stall:     o.WriteTimeout,
		buffers:   buffers,
		turn:      make(chan struct{}, 1),
	}
}

// Read is the library's way in. It is also the heartbeat: silence is answered
// with a ping, more silence with errSilent. While a write waits for the peer no
// answer is expected: a ping would wait behind it, and write itself knows when the
// peer takes nothing.
func (s *socket) Read(p []byte) (int, error) {
	for silent := 0; ; silent++ {
		err := s.SetReadDeadline(time.Now().Add(s.heartbeat))
		if err != nil {
			s.broken.Store(true)
			return 0, err
		}
		n, err := s.Conn.Read(p)
		switch {
		case n > 0 || err == nil:
			return n, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
		case s.congested():
			silent = -1
			continue
		case silent > 0:
			err = errSilent
		default:
			if _, err = s.Write([]byte(wholePing)); err == nil {
				continue
			}
		}
		s.broken.Store(true)
		return 0, err
	}
}

// Write is the library's way out: one whole control frame a call, for the
// library never sends data and its buffer holds the longest control frame. It
// does not wait for the turn.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	op := p[0] & opcode
	if !s.closing && (op != opPong || len(s.own) < maxOwn) {
		s.own = append(s.own, p...)
		s.closing = op == opClose
	}
	s.mu.Unlock()
	return len(p), s.flush()
}

// send writes the frames, whole and in order, and returns when the kernel has them.
func (s *socket) send(frames []rooms.Frame) error {
	pooled := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(pooled)
	batch := (*pooled)[:0]
	for _, f := range frames {
		batch = appendText(batch, f.Data)
	}
	*pooled = batch

	s.turn <- struct{}{}
	closing := s.isClosing()
	var err error
	if !closing {
		err = s.write(batch)
	}
	<-s.turn
	if err == nil {
		err = s.flush() // the close frame too, if it came while the turn was taken
	}
	if err == nil && closing {
		err = net.ErrClosed
	}
	return err
}

// flush writes the control frames that wait, unless somebody else has the
// turn: they flush when they have given it back.
func (s *socket) flush() error {
	for s.waits() {
		select {
		case s.turn <- struct{}{}:
		default:
			return nil
		}
		err := s.write(s.takeOwn())
		<-s.turn
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes all of p, for as long as the peer accepts some of it now and
// then. (A TLS connection does not survive a timeout: there, all of it at once.)
func (s *socket) write(p []byte) error {
	for len(p) > 0 {
		now := time.Now()
		if err := s.SetWriteDeadline(now.Add(s.stall)); err != nil {
			return err
		}
		s.begun.Store(now.UnixNano())
		n, err := s.Conn.Write(p)
		s.begun.Store(0)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case n == 0:
			return errStuck
		}
		p = p[n:]
	}
	return nil
}

// congested reports whether a write waits for the peer.
func (s *socket) congested() bool {
	begun := s.begun.Load()
	return begun != 0 && time.Since(time.Unix(0, begun)) >= longWrite
}

func (s *socket) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.own) > 0
}

func (s *socket) takeOwn() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.own
	s.own = nil
	return p
}

func (s *socket) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// appendText appends data as one unmasked text frame (RFC 6455 section 5.2).
func appendText(b, data []byte) []byte {
	b = append(b, finText)
	switch n := len(data); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, data...)
}

// hijacker hands the library our socket where it expects the server's connection.
type hijacker struct {
	http.ResponseWriter
	wrap   func(net.Conn) *socket
	socket *socket
}

// controlBuffer holds the longest control frame, 2+125 bytes, so that the
// library's buffer lets each go in one Write.
const controlBuffer = 128

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.socket = h.wrap(conn)
	return h.socket, bufio.NewReadWriter(rw.Reader, bufio.NewWriterSize(h.socket, controlBuffer)), nil
}
