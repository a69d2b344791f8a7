package ws

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// session is one connection's life. See doc.go for its goroutines.
type session struct {
	id    string
	level rooms.Level
	gate  *auth.Gate
	sub   *rooms.Subscriber
	leave func()             // gives the place in the gate back; nil: it had none
	hurry context.CancelFunc // ends the wait of the URL's join

	// The reader's own.
	joins    *auth.Bucket
	bad      faults
	hurried  faults
	owed     chan struct{} // one for each frame of the client that was not answered yet
	requests desk

	mu      sync.Mutex
	conn    *websocket.Conn
	socket  *socket
	severed bool
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

// joinURL joins what the URL asks for: the plain level's only join.
func (s *session) joinURL(ctx context.Context, query string) error {
	wishes, refused := auth.ParseWishes(query)
	if refused != nil {
		return refusal(*refused)
	}
	verdict := s.gate.Judge(ctx, s.gate.Anonymous(), wishes.Topics, nil)
	if refused := verdict.Refusal(wishes.Topics); refused != nil {
		return refusal(*refused)
	}
	err := s.sub.Join(ctx, rooms.JoinRequest{Topics: verdict.Topics, Since: wishes.Since})
	switch {
	case errors.Is(err, rooms.ErrUnavailable):
		return refusal(auth.Refusal{Code: rooms.Unavailable, Message: "the database cannot be asked now"})
	case s.sub.Err() != nil:
		return s.sub.Err() // dismissed meanwhile
	}
	return err
}

// run lives the session and returns what ended it.
func (s *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	reading.Go(func() { s.end(s.read(ctx)) })
	s.end(s.write(ctx))
	cancel() // a join that waits
	s.hangUp()
	reading.Wait()
	s.requests.wait()
	return s.sub.Err()
}

// end ends the session: with a last frame after all that waits, with a close
// frame at once, or without a word to a client that is gone.
func (s *session) end(cause error) {
	switch e, told := errors.AsType[ending](cause); {
	case told && e.last != nil:
		s.sub.Finish(e.last, cause)
	case told:
		s.sub.Close(cause)
	default:
		s.sever()
	}
}

// closeWait bounds the close handshake. The library means to wait 5 s for the
// client's close frame, but waits on for as long as the payload of a frame drips.
const closeWait = 10 * time.Second

// hangUp closes the connection as the cause demands. A stuck socket may hold half
// a frame: nothing may follow it.
func (s *session) hangUp() {
	limit := time.AfterFunc(closeWait, func() { _ = s.socket.Close() })
	defer limit.Stop()
	if code := closeCode(s.sub.Err()); code != 0 && code != closeStuck {
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
