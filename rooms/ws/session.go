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

// session is one connection's life, and the hub's outlet. See doc.go for its
// goroutines.
type session struct {
	h     *Handler
	id    string
	index int // in Handler.sessions; guarded by its lock
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
	requests desk
	owed     chan struct{} // one for each frame of the client that was not answered yet
	cancel   context.CancelFunc
	gone     chan struct{} // closed when the reader has ended

	// The desk's own, and before it ServeHTTP's.
	identity    *auth.Identity // nil: the client did not say yet who it is
	disbelieved faults

	answers  int            // among the frames sent last; whose the subscriber is, theirs it is
	silent   int            // looks of the keeper's in a row at which nothing had been heard: its own
	farewell sync.WaitGroup // until the connection is closed

	mu      sync.Mutex
	conn    *websocket.Conn
	socket  *socket
	severed bool
}

// newSession returns a session without a connection and without a subscriber, of a
// client that is not known yet.
func newSession(h *Handler, level rooms.Level, hurry context.CancelFunc) *session {
	s := &session{
		h:      h,
		id:     crand.Text()[:12],
		level:  level,
		hurry:  hurry,
		frames: auth.NewBucket(h.o.FramesPerSecond),
		joins:  auth.NewBucket(h.gate.Limits().JoinsPerSecond),
		owed:   make(chan struct{}, maxOwed),
		gone:   make(chan struct{}),
	}
	s.farewell.Add(1)
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

// connection returns the socket; nil before there is one.
func (s *session) connection() *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.socket
}

// run lives the session and returns what ended it.
func (s *session) run(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(ctx)
	s.sub.Resume()
	s.end(s.read(ctx))
	close(s.gone)
	s.farewell.Wait()
	s.requests.wait()
	s.socket.flushers.Wait()
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

// Send implements rooms.Outlet.
func (s *session) Send(frames []rooms.Frame) (more bool) {
	s.answers = answers(frames)
	all, err := s.socket.send(frames)
	if err != nil {
		s.end(errGone)
	}
	if all {
		s.settle(s.answers)
	}
	return all
}

// answers returns how many of the frames answer one of the client's.
func answers(frames []rooms.Frame) (n int) {
	for _, f := range frames {
		if f.Kind == rooms.Control {
			n++
		}
	}
	return n
}

// drained goes on where a send found the socket congested.
func (s *session) drained(waiting bool, err error) {
	switch {
	case errors.Is(err, errStuck):
		s.end(ending{code: closeStuck})
	case err != nil:
		s.end(errGone)
	}
	if waiting {
		s.settle(s.answers)
		s.sub.Resume()
	}
}

// settle counts answers that were sent.
func (s *session) settle(answers int) {
	for range answers {
		select {
		case <-s.owed:
		default: // $welcome
		}
	}
}

// End implements rooms.Outlet: what there was to send is sent.
func (s *session) End(cause error) {
	s.cancel()  // a join that waits
	go func() { // run waits for it
		defer s.farewell.Done()
		s.linger(cause)
		s.hangUp(cause)
	}()
}

// linger keeps those open for a moment who are all sent away at once, to be judged
// anew, and at the plain level hear no $bye that spreads their return. They are in
// no room any more.
func (s *session) linger(cause error) {
	if s.level != rooms.Plain || !errors.Is(cause, rooms.ErrUncertain) {
		return
	}
	t := time.NewTimer(rand.N(s.h.o.Spread))
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.gone: // or cut off
	}
}

// closeWait bounds the close handshake. The library means to wait 5 s for the
// client's close frame, but waits on for as long as the payload of a frame drips.
const closeWait = 10 * time.Second

// hangUp closes the connection as the cause demands. Where writing failed half a frame
// may have left, be it of an $error: nothing may follow it.
func (s *session) hangUp(cause error) {
	limit := time.AfterFunc(closeWait, func() { _ = s.socket.Close() })
	defer limit.Stop()
	if code := closeCode(cause); code != 0 && s.socket.alive() {
		_ = s.conn.Close(code, "")
	}
	_ = s.conn.CloseNow()
}
