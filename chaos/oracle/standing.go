package oracle

import "slices"

// standing is where a client stands on its connection, as its journal is read:
// the topics it is in, the joins without an answer, and the events of which only
// the answer to a join will tell whether they are its replay.
//
// Between a join and its $joined first comes what was on its way, then the
// replay, and no live event from there on. So the last events before $joined, as
// many as it says were replayed, are the replay.
type standing struct {
	library bool
	in      map[string]bool
	asks    []ask // oldest first; joins are answered one after the other
	held    []arrival
}

// ask is a join without an answer.
type ask struct {
	topics []string
	replay bool
}

// arrival is an event that came.
type arrival struct {
	at    int // of the entry
	event *Event
	how   how
	mine  bool // of a topic that the client was in
	asked bool // of a topic of the join that the event may be a replay for
}

type how uint8

const (
	live      how = iota
	replayed      // by a join of the library level
	undecided     // one or the other: the connection ended before $joined came
)

func newStanding(kind Kind) *standing {
	return &standing{library: kind == Library, in: map[string]bool{}}
}

// take follows an entry. What it returns are the events of which it is now known
// how they came, in their order.
func (s *standing) take(at int, e *entry) (known []arrival) {
	switch e.act {
	case opened, closed:
		return s.end()
	case asked:
		if !s.library {
			s.enter(e.topics)
			break
		}
		s.asks = append(s.asks, ask{e.topics, e.replay})
	case joined:
		if !s.library {
			break
		}
		known = s.decide(e.replayed, e.topics)
		if len(s.asks) > 0 {
			s.asks = s.asks[1:]
		}
		s.enter(e.topics)
	case left:
		for _, topic := range e.topics {
			delete(s.in, topic)
		}
	case event:
		a := arrival{at: at, event: e.event, mine: slices.ContainsFunc(e.event.Topics, func(t string) bool { return s.in[t] })}
		if len(s.asks) == 0 || !s.asks[0].replay {
			return []arrival{a}
		}
		a.asked = among(e.event, s.asks[0].topics)
		s.held = append(s.held, a)
	}
	return known
}

// end is the connection's end.
func (s *standing) end() (known []arrival) {
	known = s.held
	for i := range known {
		if known[i].asked {
			known[i].how = undecided
		}
	}
	clear(s.in)
	s.asks, s.held = nil, nil
	return known
}

// decide is what the answer to the oldest join says of the events before it.
func (s *standing) decide(count int, topics []string) (known []arrival) {
	known, s.held = s.held, nil
	for i := range known {
		known[i].asked = among(known[i].event, topics) // and not denied
		switch {
		case count > len(known): // it is wrong; what of the events is right nobody can say
			known[i].how = undecided
		case i >= len(known)-count:
			known[i].how = replayed
		}
	}
	return known
}

// among is whether an event is of one of the topics.
func among(e *Event, topics []string) bool {
	return slices.ContainsFunc(e.Topics, func(t string) bool { return slices.Contains(topics, t) })
}

func (s *standing) enter(topics []string) {
	for _, topic := range topics {
		s.in[topic] = true
	}
}

// concerns is whether a $resync names a topic that the client is in, or is joining.
func (s *standing) concerns(patterns []string) bool {
	for _, pattern := range patterns {
		for topic := range s.in {
			if matches(pattern, topic) {
				return true
			}
		}
		for _, a := range s.asks {
			if slices.ContainsFunc(a.topics, func(t string) bool { return matches(pattern, t) }) {
				return true
			}
		}
	}
	return false
}

// search looks for an event in a journal, each entry of which it reads once.
type search struct {
	key      string
	xid      uint64
	standing *standing
	read     int
	got      map[string]bool // topics that are through
	waiting  []string        // topics of the event that the client was in when it came
}

func newSearch(kind Kind, key string, xid uint64) *search {
	return &search{key: key, xid: xid, standing: newStanding(kind), got: map[string]bool{}}
}

func (s *search) over(entries []entry) {
	for ; s.read < len(entries); s.read++ {
		e := &entries[s.read]
		if (e.act == fetched || e.act == member) && e.snapshot.Sees(s.xid) {
			s.reach(e.topics)
		}
		if e.act == event && e.event.Key == s.key {
			s.waiting = slices.DeleteFunc(slices.Clone(e.event.Topics), func(t string) bool { return !s.standing.in[t] })
		}
		for _, a := range s.standing.take(s.read, e) {
			switch {
			case a.event.Key != s.key:
			case a.how == live:
				s.reach(s.waiting)
			case a.how == replayed:
				s.reach(e.topics) // e is the $joined
			}
		}
	}
}

func (s *search) reach(topics []string) {
	for _, topic := range topics {
		s.got[topic] = true
	}
}
