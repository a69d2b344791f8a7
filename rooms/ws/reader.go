package ws

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

const (
	// maxFaults of one kind within faultWindow end the session.
	maxFaults   = 10
	faultWindow = time.Minute
)

// read takes the client's frames until the session ends, and returns why.
func (s *session) read(ctx context.Context) error {
	always := context.WithoutCancel(ctx) // closing the socket ends a read; a context would cost one timer each
	for {
		message, err := s.receive(always)
		if err != nil {
			return err
		}
		if s.level == rooms.Library && !s.owed.open(ctx.Done) {
			return s.sub.Err() // the connection is to be closed
		}
		if err := s.aside(func() error { return s.take(ctx, message.Bytes()) }); err != nil {
			return err
		}
		s.h.messages.Put(message)
	}
}

// aside calls f on another stack. What the reader's would have to grow to for it, it
// would keep, in each idle connection.
func (s *session) aside(f func() error) (err error) {
	var done sync.WaitGroup
	done.Go(func() { err = f() })
	done.Wait()
	return err
}

// receive returns the next message, in memory of Handler.messages.
func (s *session) receive(ctx context.Context) (*bytes.Buffer, error) {
	kind, r, err := s.conn.Reader(ctx)
	if err != nil {
		return nil, s.fault(err)
	}
	if kind == websocket.MessageBinary && s.level == rooms.Library {
		return nil, ending{code: websocket.StatusUnsupportedData}
	}
	limit := s.h.gate.Limits().FrameBytes
	message := s.h.messages.Get().(*bytes.Buffer)
	message.Reset()
	_, err = message.ReadFrom(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, s.fault(err)
	case message.Len() > limit:
		return nil, refusal(nil, *s.h.gate.Refuse("limits.frame_bytes", rooms.TooLarge, "message over limits.frame_bytes"))
	case kind == websocket.MessageText && s.level == rooms.Library && !utf8.Valid(message.Bytes()):
		return nil, ending{code: websocket.StatusInvalidFramePayloadData}
	}
	return message, nil
}

// fault says what a failed read means: a client that is silent, one that is
// gone, or else one that broke the framing.
func (s *session) fault(err error) error {
	switch {
	case websocket.CloseStatus(err) != -1:
		return errLeft
	case s.socket.broken.Load():
		return errGone
	}
	return ending{code: websocket.StatusProtocolError}
}

// take answers a frame, or hands it to the desk. Each frame is owed one answer;
// at the plain level only one that comes too fast gets any.
func (s *session) take(ctx context.Context, data []byte) error {
	now := time.Now()
	inTime := s.frames.Take(now)
	if s.level == rooms.Plain && inTime {
		return nil
	}
	r, err := parseRequest(data)
	r.asked = now
	switch {
	case !inTime:
		return s.slowDown(r, "limits.frames_per_second")
	case err != nil:
		return s.complain(&s.bad, r, rooms.BadFrame, err.Error())
	}
	switch r.Type {
	case "ping":
		return s.sub.Control(rooms.PongFrame(r.Ref, now))
	case "auth", "join": // what may make the daemon ask somebody else
		if !s.joins.Take(now) {
			return s.slowDown(r, "limits.joins_per_second")
		}
	}
	s.requests.put(r, func(r request) { s.serve(ctx, r) })
	return nil
}

// beat counts a ping or a pong as the frame that it is, and reports whether to
// answer.
func (s *session) beat() (answer bool) {
	if s.sub.Err() != nil {
		return false // nothing is sent behind a close frame, and the reader may be another
	}
	now := time.Now()
	if s.frames.Take(now) {
		return true
	}
	if err := s.slowDown(request{asked: now}, "limits.frames_per_second"); err != nil {
		s.end(err)
	}
	return false
}

// slowDown answers a frame that came too fast.
func (s *session) slowDown(r request, setting string) error {
	refused := s.h.gate.Refuse(setting, rooms.RateLimited, "over "+setting)
	return s.complain(&s.hurried, r, refused.Code, refused.Message)
}

// complain answers a frame with an error, and too many of them with the end.
func (s *session) complain(f *faults, r request, code rooms.Code, message string) error {
	if f.add(r.asked) {
		return refusal(r.Ref, auth.Refusal{Code: code, Message: message})
	}
	return s.sub.Control(rooms.ErrorFrame(r.Ref, code, message))
}

// faults are the times of a client's faults, of the last minute. Most have none.
type faults struct{ times *[]time.Time }

// add reports whether this one is one too many.
func (f *faults) add(now time.Time) bool {
	if f.times == nil {
		f.times = new([]time.Time)
	}
	*f.times = append(slices.DeleteFunc(*f.times, func(t time.Time) bool { return now.Sub(t) >= faultWindow }), now)
	return len(*f.times) >= maxFaults
}
