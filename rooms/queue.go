package rooms

import (
	"math"
	"slices"
)

// pieceBytes is about the most that Next returns at once.
const pieceBytes = 64 << 10

// resyncBytes stands for the size of a $resync, which is written late.
const resyncBytes = 128

// keptQueue is the longest queue whose memory an empty queue keeps: 1.5 kB.
const keptQueue = 64

// element is one thing in a queue. Exactly one field is set.
type element struct {
	event *entry
	frame *ownFrame
	span  *span
}

// ownFrame is a control frame in a queue.
type ownFrame struct {
	Frame
	ended int // memberships it is the $left of: the first of Subscriber.past
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

// needsHub reports whether it takes the hub's lock to say what the element is.
func (e element) needsHub() bool {
	return e.span != nil || e.event != nil && e.event.Reason != ""
}

// queued is what the entry counts in a queue.
func (e *entry) queued() int64 {
	if e.Reason != "" {
		return resyncBytes
	}
	return int64(len(e.Data))
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
		// It keeps its cursor: one of the new epoch would say that what was dropped
		// before it, of other topics, had been sent.
		e.span.join.lost = true
		for _, t := range e.span.join.topics {
			if m := s.topics.of(t); m != nil {
				m.from = seq + 1
			}
		}
		return false
	})
}

// append queues an element and wakes Next.
func (s *Subscriber) append(e element) {
	s.queue = append(s.queue, e)
	s.rouse()
}

// rouse has what waits written.
func (s *Subscriber) rouse() {
	if s.wakes() {
		s.shard.add(s)
	}
}

// wakes reports whether somebody has to write now who does not yet; Next it tells
// to look.
func (s *Subscriber) wakes() bool {
	if s.outlet == nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
		return false
	}
	woken := !s.busy
	s.busy = true
	return woken
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
	clear(s.queue[min(len(kept), len(s.queue)):])
	s.queue = kept
}

// settle ends the open span at what was published by now, so that a frame can
// be put behind it. Both locks are held.
func (s *Subscriber) settle() {
	if b := s.behind(); b != nil {
		b.to, b.cursor = s.hub.history.seq, s.hub.cursor
	}
}

// enqueue queues a frame of the subscriber's own, which ends memberships or, as
// most do, none. Both locks are held.
func (s *Subscriber) enqueue(f Frame, ended ...*membership) {
	s.settle()
	if f.Cursor != "" {
		s.given = s.hub.now()
	}
	s.bytes += int64(len(f.Data))
	s.past = append(s.past, ended...)
	s.append(element{frame: &ownFrame{f, len(ended)}})
}

// memberships are those that what is sent next may be for: the present ones, and
// those that ended, whose $left is still behind it. Both locks are held.
func (s *Subscriber) memberships(yield func(*membership) bool) {
	for _, m := range s.topics {
		if !yield(m) {
			return
		}
	}
	for _, m := range s.past {
		if !yield(m) {
			return
		}
	}
}

// drain moves what waits from the queue to buf, a piece at most. What needs the
// history or the memberships stays, and all behind it, unless the hub's lock is
// held: more says that there is such.
func (s *Subscriber) drain(buf []Frame, locked bool) (_ []Frame, more bool) {
	budget, done := pieceBytes, 0
	for _, e := range s.queue {
		if budget <= 0 {
			break
		}
		if more = !locked && e.needsHub(); more {
			break
		}
		before, ended := len(buf), true
		switch {
		case e.frame != nil:
			buf = append(buf, e.frame.Frame)
			s.past = slices.Delete(s.past, 0, e.frame.ended)
		case e.event != nil:
			buf = s.appendEntry(buf, e.event, nil)
		default:
			buf, ended = s.replay(buf, e.span, budget)
		}
		if !ended { // a piece is full
			s.rouse()
			break
		}
		for _, f := range buf[before:] {
			budget -= len(f.Data)
		}
		done++
		s.bytes -= e.bytes()
	}
	s.queue = slices.Delete(s.queue, 0, done)
	if len(s.queue) == 0 && cap(s.queue) > keptQueue {
		s.queue = nil
	}
	return buf, more
}
