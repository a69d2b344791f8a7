package ws

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// session is one connection's life. See doc.go for its goroutines.
type session struct {
	h     *Handler
	id    string
	level rooms.Level
	sub   *rooms.Subscriber
	leave func()             // gives the place in the gate back; nil: it had none
	hurry context.CancelFunc // ends what ServeHTTP waits for

	patience *time.Timer // ends who does not say who they are; nil: the handshake did
	lease    *auth.Lease // until the client's token runs out

	// The reader's own.
	frames   *auth.Bucket
	joins    *auth.Bucket
	bad      faults
	hurried  faults
	owed     chan struct{} // one for each frame of the client that was not answered yet
	requests desk

	// The desk's own, and before it ServeHTTP's.
	identity    *auth.Identity // nil: the client did not say yet who it is
	disbelieved faults

	mu      sync.Mutex
	conn    *websocket.Conn
	socket  *socket
	severed bool
}

// newSession returns a session without a connection, of a client that is not
// known yet.
func newSession(h *Handler, level rooms.Level, sub *rooms.Subscriber, hurry context.CancelFunc) *session {
	s := &session{
		h:      h,
		id:     crand.Text()[:12],
		level:  level,
		sub:    sub,
		hurry:  hurry,
		frames: auth.NewBucket(h.o.FramesPerSecond),
		joins:  auth.NewBucket(h.gate.Limits().JoinsPerSecond),
		owed:   make(chan struct{}, maxOwed),
	}
	warn := s.warn
	if level != rooms.Library {
		warn = nil
	}
	s.lease = auth.NewLease(warn, s.expire)
	return s
}

// attach gives the session its connection.
func (s *session) attach(conn *websocket.Conn, socket *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.socket = conn, socket
	if s.severed {
		_ = socket.Close()
	}
}

// sever ends the session at once: no close frame, no waiting for the client.
func (s *session) sever() {
	s.sub.Close(errGone)
	s.hurry()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.severed = true
	if s.socket != nil {
		_ = s.socket.Close()
	}
}

// dismiss ends the session with 1012, after what waits and the frame last.
func (s *session) dismiss(last []byte) {
	s.sub.Finish(last, ending{code: websocket.StatusServiceRestart})
	s.hurry()
}

// run lives the session and returns what ended it.
func (s *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		s.end(s.read(ctx))
	}()
	cause := s.write(ctx)
	s.end(cause)
	cancel() // a join that waits
	s.linger(cause, gone)
	s.hangUp(cause)
	<-gone
	s.requests.wait()
	return s.sub.Err()
}

// end ends the session: with a last frame after all that waits, with a close
// frame at once, or without a word to a client that is gone.
func (s *session) end(cause error) {
	switch e, told := errors.AsType[ending](cause); {
	case told && e.last != nil:
		s.sub.Finish(e.last, cause)
	case closeCode(cause) != 0:
		s.sub.Close(cause)
	default:
		s.sever()
	}
}

// linger keeps those open for a moment who are all sent away at once, to be judged
// anew, and at the plain level hear no $bye that spreads their return. They are in
// no room any more.
func (s *session) linger(cause error, gone <-chan struct{}) {
	if s.level != rooms.Plain || !errors.Is(cause, rooms.ErrUncertain) {
		return
	}
	t := time.NewTimer(rand.N(s.h.o.Spread))
	defer t.Stop()
	select {
	case <-t.C:
	case <-gone: // or cut off
	}
}

// closeWait bounds the close handshake. The library means to wait 5 s for the
// client's close frame, but waits on for as long as the payload of a frame drips.
const closeWait = 10 * time.Second

// hangUp closes the connection as the writer's end demands. A stuck socket may
// hold half a frame, be it of an $error: nothing may follow it.
func (s *session) hangUp(cause error) {
	limit := time.AfterFunc(closeWait, func() { _ = s.socket.Close() })
	defer limit.Stop()
	if code := closeCode(cause); code != 0 && code != closeStuck {
		_ = s.conn.Close(code, "")
	}
	_ = s.conn.CloseNow()
}

// write sends what the hub has for the client until there is no more.
func (s *session) write(ctx context.Context) error {
	var frames []rooms.Frame
	for {
		var err error
		frames, err = s.sub.Next(ctx, frames)
		if err != nil {
			return err
		}
		err = s.socket.send(frames)
		if errors.Is(err, errStuck) {
			return ending{code: closeStuck}
		}
		if err != nil {
			return errGone
		}
		s.settle(frames)
		clear(frames)
	}
}

// settle counts the answers among the frames sent.
func (s *session) settle(frames []rooms.Frame) {
	for _, f := range frames {
		if f.Kind == rooms.Control {
			select {
			case <-s.owed:
			default: // $welcome
			}
		}
	}
}
