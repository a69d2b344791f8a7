package rooms

import (
	"slices"
	"strings"
)

// membership is a subscriber's place in a room. Guarded by the hub's lock.
type membership struct {
	sub   *Subscriber
	topic string
	index int    // in its room's slice
	from  uint64 // the first item it is for: what came before it was replayed, or not asked for
}

// memberships are a subscriber's, sorted by topic: most have one or a few, for which a
// map would be the larger part of an idle connection's memory here.
type memberships []*membership

// find returns where the topic's is, or would be.
func (ms memberships) find(topic string) (i int, found bool) {
	return slices.BinarySearchFunc(ms, topic, func(m *membership, topic string) int {
		return strings.Compare(m.topic, topic)
	})
}

// of returns the topic's; nil for none.
func (ms memberships) of(topic string) *membership {
	if i, found := ms.find(topic); found {
		return ms[i]
	}
	return nil
}

func (ms *memberships) add(m *membership) {
	i, _ := ms.find(m.topic)
	*ms = slices.Insert(*ms, i, m)
}

func (ms *memberships) remove(m *membership) {
	i, _ := ms.find(m.topic)
	*ms = slices.Delete(*ms, i, i+1)
}

// room is the members of one topic. A map entry and a slice that the last one
// swaps into: joining and leaving cost the same in a room of any size.
type room struct {
	topic   string // a copy: a client's may be a piece of a request, and keep all of it
	members []*membership
}

// roomsOf are the rooms that a subscriber can be in.
func (h *Hub) roomsOf(s *Subscriber) map[string]*room {
	if s.hidden {
		return h.hidden
	}
	return h.rooms
}

// enter adds the subscriber to the topic's room, if it is not there.
func (h *Hub) enter(s *Subscriber, topic string) {
	if s.topics.of(topic) != nil {
		return
	}
	rooms := h.roomsOf(s)
	r := rooms[topic]
	if r == nil {
		r = &room{topic: strings.Clone(topic)}
		rooms[r.topic] = r
	}
	m := &membership{sub: s, topic: r.topic, index: len(r.members), from: h.history.seq + 1}
	r.members = append(r.members, m)
	s.topics.add(m)
	if !s.hidden {
		h.memberships++
	}
}

// exit takes the membership out of its room.
func (h *Hub) exit(m *membership) {
	rooms := h.roomsOf(m.sub)
	r := rooms[m.topic]
	end := len(r.members) - 1
	last := r.members[end]
	r.members[m.index], last.index = last, m.index
	r.members[end] = nil
	r.members = r.members[:end]
	if end == 0 {
		delete(rooms, m.topic)
	}
	if !m.sub.hidden {
		h.memberships--
	}
}

// exitAll takes the subscriber out of its rooms. It keeps its topics: what
// waits for it is still to be sorted by them.
func (h *Hub) exitAll(s *Subscriber) {
	if s.detached {
		return
	}
	s.detached = true
	for _, m := range s.topics {
		h.exit(m)
	}
}
