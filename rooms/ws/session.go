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
	h        *Handler
	id       string
	index    int    // in Handler.sessions; guarded by its lock
	looked   uint64 // the keeper's last round; guarded by that, too
	level    rooms.Level
	deflates bool // permessage-deflate was agreed on
	sub      *rooms.Subscriber
	leave    func() // gives the place in the gate back; nil: it had none

	patience *time.Timer // ends who does not say who they are; nil: the handshake did
	lease    *auth.Lease // until the client's token runs out; nil: none that does

	// The reader's own.
	frames   *auth.Bucket
	joins    *auth.Bucket
	bad      faults
	hurried  faults
	requests desk
	owed     tab

	// The desk's own, and before it ServeHTTP's.
	identity    *auth.Identity // nil: the client did not say yet who it is
	disbelieved faults

	answers  int            // among the frames sent last; whose the subscriber is, theirs it is
	silent   int            // looks of the keeper's in a row at which nothing had been heard: its own
	farewell sync.WaitGroup // until the connection is closed

	// Of run's context: over is closed when the reader has ended, or the connection is
	// to be closed. Most sessions never make the channel.
	over func() <-chan struct{}
	stop context.CancelFunc

	mu      sync.Mutex
	conn    *websocket.Conn
	socket  *socket
	hurry   context.CancelFunc // ends what ServeHTTP waits for; nil: nothing any more
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
	}
	s.farewell.Add(1)
	if level == rooms.Library {
		s.joins = auth.NewBucket(h.gate.Limits().JoinsPerSecond)
	}
	return s
}

// attach gives the session its connection.
func (s *session) attach(conn *websocket.Conn, socket *socket) {
	s.mu.Lock()
	s.conn, s.socket, s.hurry = conn, socket, nil
	severed := s.severed
	s.mu.Unlock()
	if severed {
		_ = socket.abort()
	}
}

// sever ends the session at once: no close frame, no waiting for the client.
func (s *session) sever() {
	s.sub.Close(errGone)
	s.mu.Lock()
	s.arriveNow()
	s.severed = true
	socket := s.socket
	s.mu.Unlock()
	if socket != nil {
		_ = socket.abort() // which may wait, with TLS
	}
}

// dismiss ends the session with 1012, after what waits and the frame last.
func (s *session) dismiss(last []byte) {
	s.sub.Finish(last, ending{code: websocket.StatusServiceRestart})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arriveNow()
}

// arriveNow makes ServeHTTP wait for nothing more. The lock is held.
func (s *session) arriveNow() {
	if s.hurry != nil {
		s.hurry()
	}
}

// connection returns the socket; nil before there is one.
func (s *session) connection() *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.socket
}

// run lives the session and returns what ended it.
func (s *session) run(ctx context.Context) error {
	ctx, s.stop = context.WithCancel(ctx)
	s.over = ctx.Done
	s.sub.Resume()
	s.end(s.read(ctx))
	s.stop() // a join that waits
	s.farewell.Wait()
	s.requests.wait()
	return s.sub.Err()
}

// end ends the session: with a last frame after all that waits, with a close
// frame at once, or without a word to a client that has closed, or is gone.
func (s *session) end(cause error) {
	switch e, told := errors.AsType[ending](cause); {
	case told && e.last != nil:
		s.sub.Finish(e.last, cause)
	case closeCode(cause) != 0, errors.Is(cause, errLeft):
		s.sub.Close(cause)
	default:
		s.sever()
	}
}

// Send implements rooms.Outlet.
func (s *session) Send(frames []rooms.Frame) (more bool) {
	s.answers = answers(frames)
	if s.deflates {
		s.h.deflater.pack(frames)
	}
	all, err := s.socket.send(frames)
	if err != nil {
		s.end(errGone)
	}
	if all {
		s.owed.pay(s.answers)
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
		s.owed.pay(s.answers)
		s.sub.Resume()
	}
}

// End implements rooms.Outlet: what there was to send is sent.
func (s *session) End(cause error) {
	go func() { // run waits for it
		defer s.farewell.Done()
		s.linger(cause)
		s.stop()
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
	case <-s.over(): // or cut off
	}
}

// closeWait bounds the close handshake. The library means to wait 5 s for the
// client's close frame, but waits on for as long as the payload of a frame drips.
const closeWait = 10 * time.Second

// hangUp closes the connection as the cause demands. Where writing failed half a frame
// may have left, be it of an $error: nothing may follow it.
func (s *session) hangUp(cause error) {
	limit := time.AfterFunc(closeWait, func() { _ = s.socket.abort() })
	defer limit.Stop()
	if code := closeCode(cause); code != 0 && s.socket.alive() {
		_ = s.conn.Close(code, "")
	}
	_ = s.conn.CloseNow()
	s.socket.flushers.Wait()
}
