package rooms

import "strings"

// membership is a subscriber's place in a room. Guarded by the hub's lock.
type membership struct {
	sub   *Subscriber
	topic string
	index int    // in its room's slice
	from  uint64 // the first item it is for: what came before it was replayed, or not asked for
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
	if s.topics[topic] != nil {
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
	s.topics[r.topic] = m
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
