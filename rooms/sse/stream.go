package sse

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// stream is one client that listens.
type stream struct {
	sub    *rooms.Subscriber
	out    *output
	leave  func()             // gives the place in the gate back
	lease  *auth.Lease        // until the client's token runs out
	hurry  context.CancelFunc // ends the wait of the arrival
	cancel context.CancelFunc // ends the stream
}

// keptBlock is the most memory that a stream keeps from one batch to the next.
const keptBlock = 16 << 10

// run writes b, and then what the hub has for the client until there is no more.
func (s *stream) run(ctx context.Context, b []byte) error {
	var frames []rooms.Frame
	for {
		err := s.out.write(b)
		if err != nil {
			return err
		}
		frames, err = s.sub.Next(ctx, frames)
		if err != nil {
			return err
		}
		if b = b[:0]; cap(b) > keptBlock {
			b = nil
		}
		for _, f := range frames {
			b = appendFrame(b, f)
		}
		clear(frames)
	}
}

// expire ends the stream of a token that has run out.
func (s *stream) expire() {
	s.sub.Finish(rooms.ErrorFrame(nil, expired.Code, expired.Message), errExpired)
}

// block returns a block that tells the client how long to wait before it comes
// back; f completes it.
func block(after time.Duration, f rooms.Frame) []byte {
	b := strconv.AppendInt([]byte("retry: "), after.Milliseconds(), 10)
	return appendFrame(append(b, '\n'), f)
}

// only is a frame that holds a cursor and nothing for the page; "" nothing at all.
func only(cursor string) rooms.Frame { return rooms.Frame{Kind: rooms.Ping, Cursor: cursor} }

// appendFrame appends a frame as one block. A $ping becomes its id alone, which
// a browser takes over without telling the page. The id of a frame without a
// cursor is left out, which keeps the one before.
func appendFrame(b []byte, f rooms.Frame) []byte {
	if f.Cursor != "" {
		b = append(append(append(b, "id: "...), f.Cursor...), '\n')
	}
	if f.Kind != rooms.Ping {
		b = append(append(append(b, "data: "...), f.Data...), '\n')
	}
	return append(b, '\n')
}

// maxPiece is written under one deadline: a slow client is one that takes less.
const maxPiece = 16 << 10

// output writes and flushes a response under deadlines.
type output struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	stopped atomic.Bool
}

func newOutput(w http.ResponseWriter, timeout time.Duration) *output {
	return &output{w: w, control: http.NewResponseController(w), timeout: timeout}
}

// write writes b and flushes it.
func (o *output) write(b []byte) error {
	for len(b) > 0 {
		if err := o.deadline(time.Now().Add(o.timeout)); err != nil {
			return err
		}
		piece := b[:min(len(b), maxPiece)]
		if _, err := o.w.Write(piece); err != nil {
			return err
		}
		b = b[len(piece):]
	}
	return o.control.Flush()
}

// cut ends a write that waits for the client, and those that would follow.
func (o *output) cut() {
	o.stopped.Store(true)
	_ = o.deadline(time.Now())
}

func (o *output) deadline(t time.Time) error {
	err := o.control.SetWriteDeadline(t)
	if errors.Is(err, http.ErrNotSupported) {
		err = nil // a ResponseWriter without a connection
	}
	if err == nil && o.stopped.Load() {
		err = o.control.SetWriteDeadline(time.Unix(1, 0))
	}
	return err
}
