package rooms

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Access is a change of who may be in an item's topics.
type Access struct {
	Subject  string // whose; "" with Everyone, and for those who have none
	Everyone bool   // everybody's, those without a subject included
	Effect   Effect
	At       time.Time // no token from before then knows of it
}

// Effect is what a change of access does. Each makes void what was decided
// before it.
type Effect int8

// The effects.
const (
	// Granted: what was denied may be allowed now. Nobody leaves.
	Granted Effect = iota
	// Revoked: memberships end, with $left {code: revoked} at the level that
	// has it; at the others, with $error and ErrRevoked, the subscriber does.
	Revoked
	// Unknown: what changed is not known. Guarded subscribers end with $bye
	// and ErrUncertain, to come back and be judged anew.
	Unknown
)

// serviceRestart is the close code that tells a client to come back.
const serviceRestart = 1012

// ErrRevoked is the cause of a subscriber that ended because a right to one of
// its topics was revoked.
var ErrRevoked = errors.New("access revoked")

// ErrUncertain is the cause of a subscriber that is to come back and be judged
// anew.
var ErrUncertain = errors.New("access uncertain")

// change carries a change of access out, in its place between the events. The
// hub's lock is held.
func (h *Hub) change(item Item) {
	h.ledger.add(item.Access, item.Topics, h.now())
	h.changes++
	switch item.Access.Effect {
	case Granted:
	case Revoked:
		for s, topics := range h.reached(item) {
			s.evict(topics)
		}
	case Unknown:
		for s := range h.reached(item) {
			s.judgeAnew()
		}
	}
}

// reached returns the subscribers whose memberships a change concerns, and their
// topics.
func (h *Hub) reached(item Item) map[*Subscriber][]string {
	a, reached := item.Access, map[*Subscriber][]string{}
	if !a.Everyone && a.Subject != "" {
		for s := range h.subjects[a.Subject] {
			for _, m := range s.topics {
				if Covers(item.Topics, m.topic) {
					reached[s] = append(reached[s], m.topic)
				}
			}
		}
		return reached
	}
	take := func(topic string, r *room) {
		if r == nil {
			return
		}
		for _, m := range r.members {
			if (a.Everyone || m.sub.subject == "") && !slices.Contains(reached[m.sub], topic) {
				reached[m.sub] = append(reached[m.sub], topic)
			}
		}
	}
	for _, p := range item.Topics {
		if !strings.Contains(p, "*") {
			take(p, h.rooms[p])
			continue
		}
		for topic, r := range h.rooms {
			if matches(p, topic) {
				take(topic, r)
			}
		}
	}
	return reached
}

// evict ends memberships. The hub's lock is held.
func (s *Subscriber) evict(topics []string) {
	var left []string
	for _, t := range topics {
		if s.topics.of(t) != nil && !s.detached {
			left = append(left, t)
		}
	}
	if left == nil {
		return
	}
	s.hub.evicted += uint64(len(left))
	if s.level != Library {
		s.finish(ErrorFrame(nil, Forbidden, "access was revoked"), ErrRevoked)
		return
	}
	slices.Sort(left)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ended := s.part(left)
	s.enqueue(newFrame(Notice, RevokedFrame(left), ""), ended...)
}

// judgeAnew ends a subscriber whose topics are judged. The hub's lock is held.
func (s *Subscriber) judgeAnew() {
	if !s.guarded {
		return
	}
	var bye []byte
	if s.level == Library {
		bye = ByeFrame(serviceRestart, true, rand.N(s.hub.o.Spread))
	}
	s.finish(bye, ErrUncertain)
}

// Identify gives the subscriber, who had none, a subject, or says that it has
// none; before, a guarded one gets no $ping. Judge its topics afterwards: a change
// of the subject's access finds it from now on.
func (s *Subscriber) Identify(subject string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.unlist(s)
	s.subject, s.known = subject, true
	if s.index >= 0 {
		s.hub.list(s)
	}
}

// Evict ends memberships as a revocation does: those that a renewed token no
// longer grants. What was decided before is void for this subscriber.
func (s *Subscriber) Evict(topics []string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.ledger.seq++
	s.judged = s.hub.ledger.seq
	s.evict(topics)
}

// list makes a subscriber known by its subject.
func (h *Hub) list(s *Subscriber) {
	if s.subject == "" {
		return
	}
	if h.subjects[s.subject] == nil {
		h.subjects[s.subject] = map[*Subscriber]struct{}{}
	}
	h.subjects[s.subject][s] = struct{}{}
}

// unlist takes it back.
func (h *Hub) unlist(s *Subscriber) {
	delete(h.subjects[s.subject], s)
	if len(h.subjects[s.subject]) == 0 {
		delete(h.subjects, s.subject)
	}
}
