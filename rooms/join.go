package rooms

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"rowcast/internal/snapshot"
)

// JoinRequest asks for topics. The names are valid and the client may have
// them; what it may not have is in Denied.
type JoinRequest struct {
	Ref      json.RawMessage
	Topics   []string
	Denied   map[string]Denial
	Since    *string        // a cursor, as the client sent it
	Lookback *time.Duration // never together with Since; more than Options.Lookback is a HistoryGap
	Asked    time.Time      // when the client did; zero: now
	Mark     uint64         // Hub.Mark of before the client's rights were looked at; 0: they were not
}

// Join makes the subscriber a member of the topics and queues what the client
// is told, in its exact place between the events: the replay it asked for,
// $joined (Library only), $resync for what could not be replayed.
//
// It waits only for a cursor from an instance that is ahead, and no longer than
// Options.JoinWait after the client asked; then the topics are denied as
// unavailable, as are those whose access changed after Mark. At the other levels,
// which have no $joined, nothing is joined then and ErrUnavailable returned. Of two
// joins at once either may be answered first. The error is otherwise that of ctx, or
// Err of a closed subscriber.
func (s *Subscriber) Join(ctx context.Context, r JoinRequest) error {
	if r.Asked.IsZero() {
		r.Asked = time.Now()
	}
	var since *snapshot.Cursor // nil: none, or none of ours
	if r.Since != nil {
		if c, err := snapshot.DecodeCursor(*r.Since); err == nil {
			since = &c
		}
	}
	if since != nil && s.hub.ahead(*since) {
		if err := s.hub.refresh(ctx, r.Asked.Add(s.hub.o.JoinWait)); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if s.level != Library {
				return ErrUnavailable
			}
			r = r.refused(r.Topics, "the database cannot be asked now, try again")
		}
	}
	return s.join(r, since)
}

// outdated returns the topics of the request that were decided on too early.
func (s *Subscriber) outdated(r JoinRequest) (topics []string) {
	if r.Mark == 0 {
		return nil
	}
	for _, t := range r.Topics {
		if r.Mark < s.judged || s.hub.ledger.changed(s.subject, t, r.Mark) {
			topics = append(topics, t)
		}
	}
	return topics
}

// refused is the request with some of its topics denied as unavailable.
func (r JoinRequest) refused(topics []string, message string) JoinRequest {
	denied := maps.Clone(r.Denied)
	if denied == nil {
		denied = map[string]Denial{}
	}
	for _, t := range topics {
		denied[t] = Denial{Unavailable, message}
	}
	r.Topics = slices.DeleteFunc(slices.Clone(r.Topics), func(t string) bool { return slices.Contains(topics, t) })
	r.Denied = denied
	return r
}

// join is the moment of joining: under the hub's lock there is no event between
// the replay's last and the first live one.
func (s *Subscriber) join(r JoinRequest, since *snapshot.Cursor) error {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if changed := s.outdated(r); changed != nil {
		if s.level != Library {
			return ErrUnavailable
		}
		r = r.refused(changed, "access changed meanwhile, try again")
	}
	var topics []string
	for _, t := range r.Topics {
		if !slices.Contains(topics, t) {
			topics = append(topics, t)
			h.enter(s, t)
		}
	}
	if r.Since == nil && r.Lookback == nil {
		s.enqueueAll(s.appendJoined(nil, r.Ref, Joined{Topics: topics, Denied: r.Denied, Cursor: h.cursor}))
		return nil
	}
	sp := &span{to: h.history.seq, cursor: h.cursor, join: &replay{ref: r.Ref, topics: topics, denied: r.Denied}}
	var missed Reason
	if r.Since != nil {
		sp.next, missed = h.answerable(since)
		if since != nil {
			sp.join.since = &since.Snapshot
		}
	} else {
		// From when the client asked: it does not know what it waited for since.
		cut := h.now() - time.Since(r.Asked) - max(*r.Lookback, 0)
		var complete bool
		if sp.next, complete = h.history.published(cut); !complete || *r.Lookback > h.o.Lookback {
			missed = HistoryGap
		}
	}
	switch {
	case len(topics) == 0:
		s.enqueueAll(s.answer(nil, sp, ""))
	case missed != "":
		s.enqueueAll(s.answer(nil, sp, missed))
	default:
		s.enqueueSpan(sp)
	}
	return nil
}

// enqueueSpan queues a join's replay, or its answer when there is nothing to
// look through.
func (s *Subscriber) enqueueSpan(sp *span) {
	if frames, ended := s.replay(nil, sp, 0); ended {
		s.enqueueAll(frames)
		return
	}
	s.settle()
	s.append(element{span: sp})
}

// enqueueAll queues frames of the subscriber's own. Both locks are held.
func (s *Subscriber) enqueueAll(frames []Frame) {
	for _, f := range frames {
		s.enqueue(f)
	}
}

// ahead reports whether the cursor has seen what this instance has not read.
func (h *Hub) ahead(c snapshot.Cursor) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return c.Epoch == h.epoch && h.history.floor.Within(c.Snapshot) && !c.Snapshot.Within(h.snapshot)
}

// answerable returns the first item that the cursor may not have seen, or the
// reason why the history cannot say.
func (h *Hub) answerable(c *snapshot.Cursor) (next uint64, missed Reason) {
	switch {
	case c == nil || c.Epoch != h.epoch:
		return 0, CursorForeign
	case !h.history.floor.Within(c.Snapshot):
		return 0, CursorExpired
	case !c.Snapshot.Within(h.snapshot):
		return 0, CursorForeign
	}
	return h.history.unseen(c.Snapshot), ""
}
