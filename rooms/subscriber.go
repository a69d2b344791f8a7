package rooms

import (
	"context"
	"maps"
	"math"
	"slices"
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
	Level Level
}

// Kind tells frames apart without opening them.
type Kind int8

// The kinds.
const (
	Event Kind = iota
	Resync
	Ping
	Control // any other control frame
)

// Frame is one message to a client. Its bytes may be shared by all of them:
// never change them.
type Frame struct {
	Kind   Kind
	Data   []byte // one JSON object, one line
	Cursor string // resumes after this frame; "" for none
}

// pieceBytes is about the most that Next returns at once.
const pieceBytes = 64 << 10

// resyncBytes stands for the size of a $resync, which is written late.
const resyncBytes = 128

// keptQueue is the longest queue whose memory an empty queue keeps.
const keptQueue = 256

// Subscriber is one connection's place in the hub. One goroutine calls Next;
// the other methods may be called by any.
type Subscriber struct {
	hub     *Hub
	level   Level
	joining chan struct{} // holds a token while a join is being answered
	wake    chan struct{} // holds a token when Next may find something

	// Guarded by the hub's lock.
	topics   map[string]*membership
	detached bool // no member of its rooms any more
	index    int  // in Hub.subscribers

	mu    sync.Mutex // taken after the hub's lock, never before it
	queue []element
	bytes int64         // of the events and control frames in the queue
	last  uint64        // the newest item offered: one in several rooms comes once
	given time.Duration // when it was last given a cursor
	err   error         // set: nothing is queued any more
}

// element is one thing in a queue. Exactly one field is set.
type element struct {
	event *entry
	frame *Frame
	span  *span
}

// bytes is what the element counts in a queue.
func (e element) bytes() int64 {
	switch {
	case e.event != nil:
		return e.event.queued()
	case e.frame != nil:
		return int64(len(e.frame.Data))
	}
	return 0
}

// queued is what the entry counts in a queue.
func (e *entry) queued() int64 {
	if e.Reason != "" {
		return resyncBytes
	}
	return int64(len(e.Data))
}

// push hands the subscriber an item: the one place where the fan-out meets a
// connection. It reports whether that was for the first time. The hub's lock is
// held.
func (s *Subscriber) push(e *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.last == e.seq {
		return false
	}
	s.last = e.seq
	if s.behind() != nil {
		return true // it will come upon it in the history
	}
	size := e.queued()
	if len(s.queue) > 0 && s.bytes+size > s.hub.o.QueueBytes {
		s.overflow(e.seq)
		return true
	}
	if e.Cursor != "" {
		s.given = e.at
	}
	s.bytes += size
	s.append(element{event: e})
	return true
}

// restart drops the events that wait: the item of number seq, a $resync for all
// topics, follows. A join that is being answered still is, with a $resync of its
// own. The hub's lock is held.
func (s *Subscriber) restart(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = slices.DeleteFunc(s.queue, func(e element) bool {
		switch {
		case e.frame != nil:
			return false
		case e.span == nil || e.span.join == nil:
			s.bytes -= e.bytes()
			return true
		}
		e.span.cursor, e.span.join.lost = s.hub.cursor, true
		for _, t := range e.span.join.topics {
			if m := s.topics[t]; m != nil {
				m.from = seq + 1
			}
		}
		return false
	})
}

// append queues an element and wakes Next.
func (s *Subscriber) append(e element) {
	s.queue = append(s.queue, e)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// behind returns the open span at the queue's end, if there is one.
func (s *Subscriber) behind() *span {
	if n := len(s.queue); n > 0 && s.queue[n-1].span != nil && s.queue[n-1].span.to == math.MaxUint64 {
		return s.queue[n-1].span
	}
	return nil
}

// overflow drops the events that wait, and the one of number seq, and puts
// spans of the history in their places.
func (s *Subscriber) overflow(seq uint64) {
	s.hub.overflows.Add(1)
	kept := s.queue[:0]
	var run *span
	for _, e := range s.queue {
		if e.event == nil {
			kept, run = append(kept, e), nil
			continue
		}
		s.bytes -= e.bytes()
		if run == nil {
			run = &span{next: e.event.seq}
			kept = append(kept, element{span: run})
		}
		run.to, run.cursor = e.event.seq, e.event.resume
	}
	if run == nil {
		run = &span{next: seq}
		kept = append(kept, element{span: run})
	}
	run.to = math.MaxUint64
	if len(kept) < len(s.queue) {
		clear(s.queue[len(kept):])
	}
	s.queue = kept
}

// settle ends the open span at what was published by now, so that a frame can
// be put behind it. Both locks are held.
func (s *Subscriber) settle() {
	if b := s.behind(); b != nil {
		b.to, b.cursor = s.hub.history.seq, s.hub.cursor
	}
}

// enqueue queues a frame of the subscriber's own. Both locks are held.
func (s *Subscriber) enqueue(f Frame) {
	s.settle()
	if f.Cursor != "" {
		s.given = s.hub.now()
	}
	s.bytes += int64(len(f.Data))
	s.append(element{frame: &f})
}

// Leave ends memberships and returns the topics that were left. No event of
// theirs is queued any more: a $left given to Control next comes after the last.
func (s *Subscriber) Leave(topics []string) (left []string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.detached {
		return nil
	}
	for _, t := range topics {
		if m := s.topics[t]; m != nil {
			s.hub.exit(m)
			delete(s.topics, t)
			left = append(left, t)
		}
	}
	return left
}

// Topics returns the topics of the subscriber, sorted.
func (s *Subscriber) Topics() []string {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.topics))
}

// Control queues a control frame in its place between the events. It is never
// dropped. The error is Err of a subscriber that was closed or finished.
func (s *Subscriber) Control(frame []byte) error {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.enqueue(Frame{Kind: Control, Data: frame})
	}
	return s.err
}

// Next waits for frames and returns them in buf's memory (from its beginning):
// at least one, and not many more than 64 kB. When the subscriber was closed,
// or finished and all that waited was returned, its error is Err.
func (s *Subscriber) Next(ctx context.Context, buf []Frame) ([]Frame, error) {
	for {
		frames, err := s.take(buf[:0])
		if err != nil || len(frames) > 0 {
			return frames, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns what waits: nothing and no error when nothing does.
func (s *Subscriber) take(buf []Frame) ([]Frame, error) {
	s.mu.Lock()
	buf, more := s.drain(buf, false)
	err := s.err
	s.mu.Unlock()
	if len(buf) > 0 {
		return buf, nil
	}
	if !more {
		return nil, err
	}
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	buf, _ = s.drain(buf, true)
	if len(buf) == 0 {
		return nil, s.err
	}
	return buf, nil
}

// drain moves what waits from the queue to buf, a piece at most. What needs the
// history or the memberships stays, and all behind it, unless the hub's lock is
// held: more says that there is such.
func (s *Subscriber) drain(buf []Frame, locked bool) (_ []Frame, more bool) {
	budget, done := pieceBytes, 0
	for _, e := range s.queue {
		if e.frame == nil && (e.span != nil || e.event.Reason != "") && !locked {
			more = true
			break
		}
		if budget <= 0 {
			break
		}
		before := len(buf)
		switch {
		case e.frame != nil:
			buf = append(buf, *e.frame)
		case e.event != nil:
			buf = s.appendEntry(buf, e.event, nil)
		default:
			var ended bool
			if buf, ended = s.replay(buf, e.span, budget); !ended {
				budget = 0
				continue
			}
		}
		done++
		s.bytes -= e.bytes()
		for _, f := range buf[before:] {
			budget -= len(f.Data)
		}
	}
	s.queue = slices.Delete(s.queue, 0, done)
	if len(s.queue) == 0 && cap(s.queue) > keptQueue {
		s.queue = nil
	}
	return buf, more
}

// Finish leaves all topics and lets Next return what waits, then the frame
// last (nil for none), then cause. For $bye and for an $error before a close.
func (s *Subscriber) Finish(last []byte, cause error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.exitAll(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.settle()
	if last != nil {
		s.enqueue(Frame{Kind: Control, Data: last})
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
	s.queue, s.bytes = nil, 0
	if s.err == nil {
		s.end(cause)
	}
}

// end makes err the end of the subscriber.
func (s *Subscriber) end(cause error) {
	s.err = cause
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Err is the cause given to Close or Finish; nil before.
func (s *Subscriber) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
