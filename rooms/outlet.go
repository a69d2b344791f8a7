package rooms

// Outlet is a connection that takes frames without waiting. One goroutine at a time
// calls it, with no lock held.
type Outlet interface {
	// Send takes the frames; the slice, which it may change, is the caller's again
	// then. More come when it has returned true or, where the peer does not keep up,
	// when the outlet has called Subscriber.Resume.
	Send(frames []Frame) (more bool)

	// End is called once, when nothing more is to be sent; cause is Subscriber.Err.
	End(cause error)
}

// visitPieces bounds what one subscriber gets before it is another's turn.
const visitPieces = 16

// Resume says that the outlet takes frames: at first, for it gets none before, and
// after each Send that returned false.
func (s *Subscriber) Resume() { s.shard.add(s) }

// write sends what waits, in buf's memory. The subscriber is the caller's until it
// has nothing more to send, or Send has said that it is the outlet's.
func (s *Subscriber) write(buf []Frame) []Frame {
	for range visitPieces {
		frames, idle, err := s.take(buf[:0])
		switch {
		case err != nil:
			s.outlet.End(err)
			return buf
		case idle:
			return buf
		case len(frames) == 0:
			continue // of a span that was looked through, nothing is for it
		}
		more := s.outlet.Send(frames)
		clear(frames)
		if buf = frames; !more {
			return buf
		}
	}
	s.shard.add(s)
	return buf
}
