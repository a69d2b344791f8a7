package rooms

// membership is a subscriber's place in a room. Guarded by the hub's lock.
type membership struct {
	sub   *Subscriber
	topic string
	index int    // in its room's slice
	from  uint64 // the first item it is for: what came before it was replayed, or not asked for
}

// room is the members of one topic. A map entry and a slice that the last one
// swaps into: joining and leaving cost the same in a room of any size.
type room struct{ members []*membership }

// enter adds the subscriber to the topic's room, if it is not there.
func (h *Hub) enter(s *Subscriber, topic string) {
	if s.topics[topic] != nil {
		return
	}
	r := h.rooms[topic]
	if r == nil {
		r = &room{}
		h.rooms[topic] = r
	}
	m := &membership{sub: s, topic: topic, index: len(r.members), from: h.history.seq + 1}
	r.members = append(r.members, m)
	s.topics[topic] = m
	h.memberships++
}

// exit takes the membership out of its room.
func (h *Hub) exit(m *membership) {
	r := h.rooms[m.topic]
	end := len(r.members) - 1
	last := r.members[end]
	r.members[m.index], last.index = last, m.index
	r.members[end] = nil
	r.members = r.members[:end]
	if end == 0 {
		delete(h.rooms, m.topic)
	}
	h.memberships--
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
