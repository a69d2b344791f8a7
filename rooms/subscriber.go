package rooms

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Level is how much of the protocol a subscriber is told.
type Level int8

// The levels.
const (
	Plain   Level = iota // events and $resync
	Library              // also $joined and $ping
	Stream               // events, $resync, and $ping to make heartbeats of (server-sent events)
)

// SubscriberOptions of Subscribe.
type SubscriberOptions struct {
	Level   Level
	Guarded bool // its topics are judged, once Identify has said whose they are
	// Hidden: no client, but one of the daemon's own. It is in rooms apart, in which
	// it gets the hidden items and nothing else, and in no figure.
	Hidden bool
	// Outlet takes the frames. With nil, somebody calls Next.
	Outlet Outlet
}

// Subscriber is one connection's place in the hub. Where there is no Outlet, one
// goroutine calls Next; the other methods may be called by any.
type Subscriber struct {
	hub    *Hub
	level  Level
	hidden bool
	outlet Outlet
	shard  *shard        // that writes to the outlet
	wake   chan struct{} // holds a token when Next may find something; nil with an outlet

	// Guarded by the hub's lock.
	subject  string // "": nobody's
	guarded  bool
	known    bool   // it is not guarded, or has been identified
	judged   uint64 // what was decided at marks below it is void
	topics   memberships
	detached bool // no member of its rooms any more
	index    int  // in Hub.subscribers

	mu    sync.Mutex // taken after the hub's lock, never before it
	queue []element
	bytes int64         // of the events and control frames in the queue
	past  []*membership // left, or evicted: what waits before their $left is still theirs
	last  uint64        // the newest item offered: one in several rooms comes once
	given time.Duration // when it was last given a cursor
	busy  bool          // somebody writes, or will; or the outlet takes nothing now
	err   error         // set: nothing is queued any more
}

// push hands the subscriber an item: the one place where the fan-out meets a
// connection. It reports whether the item was queued: once for each subscriber,
// and not when it is behind; and whether somebody has to write now. The hub's lock
// is held.
func (s *Subscriber) push(e *entry) (queued, woken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.last == e.seq {
		return false, false
	}
	s.last = e.seq
	if s.behind() != nil {
		return false, false // it will come upon it in the history
	}
	size := e.queued()
	if len(s.queue) > 0 && s.bytes+size > s.hub.o.QueueBytes {
		s.overflow(e.seq)
		return false, false
	}
	if e.Cursor != "" {
		s.given = e.at
	}
	s.bytes += size
	s.queue = append(s.queue, element{event: e})
	return true, s.wakes()
}

// whisper hands the subscriber a hidden item, which has no place in the history
// to come upon it later. The hub's lock is held.
func (s *Subscriber) whisper(item Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.enqueue(newFrame(Event, item.Data, ""))
	}
}

// Leave ends memberships, at the level that has $left (Library). That answers ref, and
// stands behind what was published for them before, be it in the queue or in the
// history: the cursor that the client has by then has skipped nothing.
func (s *Subscriber) Leave(ref json.RawMessage, topics []string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.detached {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	left, ended := s.part(topics)
	s.enqueue(newFrame(Control, LeftFrame(ref, left), ""), ended...)
}

// part takes the subscriber out of those of the topics that it is in. Both locks are
// held.
func (s *Subscriber) part(topics []string) (left []string, ended []*membership) {
	for _, t := range topics {
		if m := s.topics.of(t); m != nil {
			s.hub.exit(m)
			s.topics.remove(m)
			left, ended = append(left, t), append(ended, m)
		}
	}
	return left, ended
}

// Topics returns the topics of the subscriber, sorted.
func (s *Subscriber) Topics() []string {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	topics := make([]string, 0, len(s.topics))
	for _, m := range s.topics {
		topics = append(topics, m.topic)
	}
	return topics
}

// Control queues the answer to a client's frame, in its place between the events.
// It is never dropped. The error is Err of a subscriber that was closed or
// finished.
func (s *Subscriber) Control(frame []byte) error { return s.tell(Control, frame) }

// Notify is Control for a frame that answers none.
func (s *Subscriber) Notify(frame []byte) error { return s.tell(Notice, frame) }

func (s *Subscriber) tell(kind Kind, frame []byte) error {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.enqueue(newFrame(kind, frame, ""))
	}
	return s.err
}

// Next waits for frames and returns them in buf's memory (from its beginning):
// at least one, and not many more than 64 kB. When the subscriber was closed,
// or finished and all that waited was returned, its error is Err.
func (s *Subscriber) Next(ctx context.Context, buf []Frame) ([]Frame, error) {
	for {
		frames, _, err := s.take(buf[:0])
		if err != nil || len(frames) > 0 {
			return frames, err
		}
		if cap(buf) > keptQueue {
			buf = nil // a burst's, not to be kept through the silence
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns what waits. Nothing and no error: nothing does, and it is idle, or a
// span was not looked through yet, and wake says to go on.
func (s *Subscriber) take(buf []Frame) (_ []Frame, idle bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	buf, more := s.drain(buf, false)
	if len(buf) == 0 && more {
		s.mu.Unlock()
		s.hub.mu.RLock()
		defer s.hub.mu.RUnlock()
		s.mu.Lock()
		buf, _ = s.drain(buf, true)
	}
	switch {
	case len(buf) > 0:
		return buf, false, nil
	case len(s.queue) > 0:
		return nil, false, nil
	case s.err != nil:
		return nil, false, s.err
	}
	s.busy = false
	return nil, true, nil
}

// Finish leaves all topics and lets Next return what waits, then the frame
// last (nil for none), then cause. For $bye and for an $error before a close.
func (s *Subscriber) Finish(last []byte, cause error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.finish(last, cause)
}

// finish is Finish with the hub's lock held.
func (s *Subscriber) finish(last []byte, cause error) {
	s.hub.exitAll(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.settle()
	if last != nil {
		s.enqueue(newFrame(Control, last, ""))
	}
	s.end(cause)
}

// Close leaves all topics and drops what waits; Next returns cause at once. Of
// several calls the first counts, but Close ends what Finish lets drain. Every
// subscriber must be closed.
func (s *Subscriber) Close(cause error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.exitAll(s)
	s.hub.remove(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue, s.bytes, s.past = nil, 0, nil
	if s.err == nil {
		s.end(cause)
	}
}

// end makes cause the end of the subscriber.
func (s *Subscriber) end(cause error) {
	if s.err = cause; cause == nil {
		s.err = ErrClosed
	}
	s.rouse()
}

// Err is the cause given to Close or Finish; nil before.
func (s *Subscriber) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
