package rooms

import (
	"encoding/json"
	"math"
	"slices"

	"rowcast/internal/snapshot"
)

// span is a stretch of the history in a subscriber's queue: it stands for what
// an endless queue would hold there. Without a join it catches up with what
// overflowed; with one it is that join's replay, and its answer.
type span struct {
	next   uint64 // the first item that was not looked at
	to     uint64 // the last item; MaxUint64 while the span is open: to the newest
	cursor string // resumes after the span's last item; set when it is not open
	told   bool   // a $resync before it covers it
	join   *replay
}

// replay is a join that is being answered.
type replay struct {
	ref    json.RawMessage
	topics []string
	denied map[string]Denial
	since  *snapshot.Snapshot // send only what it does not see; nil for lookback
	sent   int
	bytes  int64
	lost   bool // an epoch ended before it did
}

// wants reports whether the replay is to send the entry. What nothing durable
// stands behind is live only.
func (r *replay) wants(e *entry) bool {
	return e.XID != 0 && (r.since == nil || !r.since.Visible(e.XID))
}

// lookBytes is what an entry takes of a piece's budget for being looked at: a
// cursor that has seen nearly all must not hold the locks until all is found.
const lookBytes = 64

// replay appends what the span still holds to buf, up to budget bytes or a
// little more, and reports whether the span came to its end: if not, there may
// be nothing to send yet. Both locks are held.
func (s *Subscriber) replay(buf []Frame, sp *span, budget int) (_ []Frame, ended bool) {
	switch h := &s.hub.history; {
	case sp.told:
		return buf, true
	case sp.join != nil && sp.join.lost:
		return s.answer(buf, sp, SourceGap), true
	case sp.next > h.seq: // nothing to send but the answer
		return s.answer(buf, sp, ""), true
	case !h.holds(sp.next) && sp.join != nil:
		return s.answer(buf, sp, HistoryGap), true
	case !h.holds(sp.next):
		return s.passedOver(buf, sp), true
	}
	s.given = s.hub.now()
	trails := s.trails(sp)
	for e := trails.next(); e != nil && e.seq <= sp.to; e = trails.next() {
		if budget <= 0 {
			sp.next = e.seq
			return buf, false
		}
		budget -= lookBytes
		if r := sp.join; r != nil {
			if !r.wants(e) {
				continue
			}
			if r.bytes += int64(len(e.Data)); r.bytes > s.hub.o.ReplayBytes {
				return s.answer(buf, sp, HistoryGap), true
			}
		}
		before := len(buf)
		buf = s.appendEntry(buf, e, sp.join)
		for _, f := range buf[before:] {
			budget -= len(f.Data)
			if f.Kind == Event {
				s.hub.replayed.Add(1)
				if sp.join != nil {
					sp.join.sent++
				}
			}
		}
	}
	return s.answer(buf, sp, ""), true
}

// trails are the parts of the history that may concern the span.
func (s *Subscriber) trails(sp *span) merge {
	h := &s.hub.history
	trails := merge{h.resyncs.from(sp.next)}
	if sp.join == nil {
		for m := range s.memberships {
			if m.from <= sp.to { // one for a topic at most, however often it was left and joined
				trails = append(trails, h.topics[m.topic].from(max(sp.next, m.from)))
			}
		}
		return trails
	}
	for _, t := range sp.join.topics { // its member still, or its $left is behind
		trails = append(trails, h.topics[t].from(sp.next))
	}
	return trails
}

// appendEntry appends the frame an entry is for this subscriber, if it is one
// at all: a resync names only topics that it is in. Both locks are held for a
// resync.
func (s *Subscriber) appendEntry(buf []Frame, e *entry, r *replay) []Frame {
	if e.Reason == "" {
		return append(buf, Frame{Kind: Event, Data: e.Data, Framed: e.framed, Cursor: e.Cursor, entry: e})
	}
	var topics []string
	if r != nil {
		topics = slices.Clone(r.topics)
	} else {
		for m := range s.memberships {
			if m.from <= e.seq {
				topics = append(topics, m.topic)
			}
		}
	}
	topics = slices.DeleteFunc(topics, func(t string) bool { return !Covers(e.Topics, t) })
	return s.appendResync(buf, topics, e.Reason, e.resume)
}

// appendResync appends a $resync, unless it concerns no topic.
func (s *Subscriber) appendResync(buf []Frame, topics []string, reason Reason, cursor string) []Frame {
	if len(topics) == 0 {
		return buf
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	s.hub.countResync(reason)
	return append(buf, newFrame(Resync, ResyncFrame(topics, reason, s.hub.o.Spread, cursor), cursor))
}

// passedOver appends the one $resync for a span whose events the history has
// dropped, and for those behind it that lost theirs too.
func (s *Subscriber) passedOver(buf []Frame, sp *span) []Frame {
	last := sp
	for _, e := range s.queue {
		if e.span != nil && e.span != sp && e.span.join == nil && !s.hub.history.holds(e.span.next) {
			e.span.told = true
			last = e.span
		}
	}
	to, cursor := last.to, last.cursor
	if to == math.MaxUint64 {
		to, cursor = s.hub.history.seq, s.hub.cursor
	}
	var topics []string
	for m := range s.memberships {
		if m.from <= to {
			topics = append(topics, m.topic)
		}
	}
	return s.appendResync(buf, topics, SlowConsumer, cursor)
}

// answer appends what ends a join's replay: $joined, and $resync when missed
// says why the replay was not complete. A span that catches up ends silently.
func (s *Subscriber) answer(buf []Frame, sp *span, missed Reason) []Frame {
	r := sp.join
	if r == nil {
		return buf
	}
	recovered := missed == ""
	buf = s.appendJoined(buf, r.ref, Joined{
		Topics: r.topics, Denied: r.denied, Replayed: r.sent, Recovered: &recovered, Cursor: sp.cursor,
	})
	if recovered {
		return buf
	}
	return s.appendResync(buf, slices.Clone(r.topics), missed, sp.cursor)
}

// appendJoined appends $joined at the level that has it.
func (s *Subscriber) appendJoined(buf []Frame, ref json.RawMessage, j Joined) []Frame {
	if s.level != Library {
		return buf
	}
	return append(buf, newFrame(Control, JoinedFrame(ref, j), j.Cursor))
}
