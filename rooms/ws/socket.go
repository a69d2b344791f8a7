package ws

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rowcast/rooms"
)

var errStuck = errors.New("socket accepted no byte for the write timeout")

// The parts of a frame's first byte that matter here (RFC 6455 section 5.2).
const (
	opClose = 0x8
	opPong  = 0xA
	opcode  = 0x0F
)

// maxOwn bounds the library's frames that wait in a congested socket. Pongs beyond it
// are left out: one of several may be answered (RFC 6455 section 5.5.3).
const maxOwn = 4 << 10

// longWrite is longer than a write takes to a peer that reads.
const longWrite = 100 * time.Millisecond

// socket is the connection under the WebSocket library. The library keeps handshake,
// reading, control frames and the close handshake; what the hub sends goes past it,
// several frames in one system call that does not wait. What the kernel does not take
// is the flusher's, a goroutine that is there until all of it is written:
//
//	┌──────┐  the kernel is full   ┌───────────┐  send: not before drained
//	│ free │ ────────────────────▶ │ congested │  Write: behind what waits
//	└──────┘ ◀──────────────────── └───────────┘
//	           all written: drained
//
// Frames leave whole, for whoever writes holds the lock, or is the flusher. A
// connection to which no write is possible that does not wait, as with TLS, is
// congested with each.
type socket struct {
	net.Conn                               // the interface, not *net.TCPConn, whose ReadFrom would go past Write
	direct   *direct                       // writes that do not wait; nil: there are none
	stall    time.Duration                 // that the peer may accept no byte
	drained  func(waiting bool, err error) // what was congested is written, or never will be; waiting: so is the next send
	scratch  *sync.Pool                    // of *scratch

	heard    atomic.Bool // something was read
	broken   atomic.Bool // reading or writing failed: what the library reports then is no fault of the client's
	flushers sync.WaitGroup

	mu        sync.Mutex
	part      []byte      // the beginning of a frame of the library's
	rest      net.Buffers // what waits for the flusher; the first may be the end of a frame
	own       int         // bytes of the library's in rest
	congested time.Time   // since when there is a flusher; zero: there is none
	waiting   bool        // send has returned false
	closing   bool        // a close frame left or waits: nothing comes after it
	leaving   bool        // the library is done: the flusher closes the connection
	dead      bool
}

func newSocket(conn net.Conn, stall time.Duration, scratch *sync.Pool, drained func(waiting bool, err error)) *socket {
	s := &socket{Conn: conn, direct: newDirect(conn), stall: stall, scratch: scratch, drained: drained}
	s.heard.Store(true) // the handshake
	return s
}

// Read is the library's way in.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil {
		s.broken.Store(true)
	}
	s.heard.Store(true)
	return n, err
}

// heardOf reports whether something was heard since it was last called. While the peer
// takes nothing no answer is expected: a ping would wait behind the rest, and the
// flusher knows when to give up.
func (s *socket) heardOf() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	waits := !s.congested.IsZero() && time.Since(s.congested) >= longWrite
	return s.heard.Swap(false) || waits
}

// Write is the library's way out, for control frames: it never sends data. It does not
// wait, so that the library's reader, which answers pings, never does. Frames leave
// whole, however the library cuts them.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.part = append(s.part, p...)
	for n := frameLen(s.part); n > 0 && n <= len(s.part); n = frameLen(s.part) {
		if err := s.pass(s.part[:n:n]); err != nil {
			s.broken.Store(true)
			return 0, err
		}
		s.part = s.part[n:]
	}
	if len(s.part) == 0 {
		s.part = nil // its memory may wait in rest
	}
	return len(p), nil
}

// ping writes a ping of ours, be it between the pieces of a frame of the library's.
func (s *socket) ping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.pass(wholePing) // the reader sees an error, too
}

// pass writes a control frame.
func (s *socket) pass(frame []byte) error {
	op := frame[0] & opcode
	if s.closing || op == opPong && s.own+len(frame) > maxOwn {
		return nil
	}
	s.closing = op == opClose
	all, err := s.put(rooms.Frame{Framed: frame})
	if !all {
		s.own += len(frame)
	}
	return err
}

// send writes the frames in order. It returns false when they wait for the kernel:
// then drained is called, before which there must be no other send.
func (s *socket) send(frames []rooms.Frame) (all bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return true, nil
	}
	all, err = s.put(frames...)
	s.waiting = !all
	return all, err
}

// put writes the frames, or what the kernel takes now, and leaves the rest to the
// flusher.
func (s *socket) put(frames ...rooms.Frame) (all bool, err error) {
	if s.dead {
		return true, net.ErrClosed
	}
	n := 0
	if s.direct != nil && s.congested.IsZero() {
		if n, err = s.write(frames); err != nil {
			s.dead = true
			return true, err
		}
	}
	if s.direct == nil && len(frames) > 1 { // TLS makes a record of each
		frames = []rooms.Frame{{Framed: joined(nil, frames)}}
	}
	for _, f := range frames {
		if n >= len(f.Framed) {
			n -= len(f.Framed)
			continue
		}
		s.rest = append(s.rest, f.Framed[n:])
		n = 0
	}
	if len(s.rest) == 0 {
		return true, nil
	}
	if s.congested.IsZero() {
		s.congested = time.Now()
		s.flushers.Go(s.flush)
	}
	return false, nil
}

// scratch is what one write needs.
type scratch struct {
	*call
	joined []byte
}

func newScratch() any { return &scratch{call: newCall()} }

// write writes as much of the frames as the kernel takes now.
func (s *socket) write(frames []rooms.Frame) (n int, err error) {
	sc := s.scratch.Get().(*scratch)
	defer s.scratch.Put(sc)
	if len(frames) == 1 {
		return sc.write(s.direct, frames[0].Framed)
	}
	sc.joined = joined(sc.joined[:0], frames)
	return sc.write(s.direct, sc.joined)
}

// joined appends the frames to b.
func joined(b []byte, frames []rooms.Frame) []byte {
	for _, f := range frames {
		b = append(b, f.Framed...)
	}
	return b
}

// flush is the flusher.
func (s *socket) flush() {
	var err error
	for {
		rest, waiting := s.next(err)
		if len(rest) > 0 {
			err = s.wait(rest)
			continue
		}
		if s.left() {
			_ = s.abort()
		}
		if waiting || err != nil {
			s.drained(waiting, err)
		}
		return
	}
}

// left reports whether the library is done.
func (s *socket) left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving
}

// next returns what the flusher is to write. It ends when there is nothing, or err was
// in its way.
func (s *socket) next(err error) (rest net.Buffers, waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.dead, s.rest = true, nil
	}
	rest, s.rest, s.own = s.rest, nil, 0
	if len(rest) > 0 {
		return rest, false
	}
	s.congested = time.Time{}
	waiting, s.waiting = s.waiting, false
	return nil, waiting
}

// wait writes all of it, for as long as the peer accepts some now and then. (A TLS
// connection does not survive a timeout: there, all of it at once.)
func (s *socket) wait(rest net.Buffers) error {
	for {
		if err := s.SetWriteDeadline(time.Now().Add(s.stall)); err != nil {
			return err
		}
		n, err := rest.WriteTo(s.Conn)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case n == 0:
			return errStuck
		}
	}
}

// alive reports whether what is written may still arrive.
func (s *socket) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dead
}

// Close is the library's, when all is said. A close frame that waits is still written.
func (s *socket) Close() error {
	s.mu.Lock()
	s.leaving = s.closing && !s.congested.IsZero() && !s.dead
	leaving := s.leaving
	s.mu.Unlock()
	if leaving {
		return s.SetReadDeadline(time.Unix(1, 0)) // who reads is done, too
	}
	return s.abort()
}

// abort drops what waits.
func (s *socket) abort() error {
	s.mu.Lock()
	s.dead, s.rest = true, nil
	s.mu.Unlock()
	return s.Conn.Close()
}

// frameLen returns the length of the unmasked frame that p begins with; 0: p is too
// short to tell.
func frameLen(p []byte) int {
	if len(p) < 2 {
		return 0
	}
	switch n := int(p[1]); {
	case n < 126:
		return 2 + n
	case n == 126 && len(p) >= 4:
		return 4 + int(binary.BigEndian.Uint16(p[2:]))
	case n == 127 && len(p) >= 10:
		return 10 + int(binary.BigEndian.Uint64(p[2:]))
	}
	return 0
}
