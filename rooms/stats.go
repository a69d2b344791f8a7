package rooms

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Stats are a hub's figures: gauges first, then counters since New.
type Stats struct {
	Rooms        int
	Subscribers  int
	Memberships  int
	QueuedBytes  int64
	HistoryBytes int64
	HistoryItems int
	HistoryAge   time.Duration // of the oldest item
	Ledger       int           // access changes remembered

	Published uint64 // items
	Delivered uint64 // items queued, once for each subscriber
	Replayed  uint64 // events sent from the history
	Overflows uint64 // times a subscriber's queue was full
	Resyncs   map[Reason]uint64
	Changes   uint64 // of access
	Evicted   uint64 // memberships that ended so
}

// counters of a hub.
type counters struct {
	published uint64 // guarded by the hub's lock, like the next three
	delivered uint64
	changes   uint64
	evicted   uint64
	replayed  atomic.Uint64
	overflows atomic.Uint64

	counting sync.Mutex // taken last
	resyncs  map[Reason]uint64
}

func (c *counters) countResync(r Reason) {
	c.counting.Lock()
	defer c.counting.Unlock()
	c.resyncs[r]++
}

// Stats returns the hub's figures.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	defer h.mu.RUnlock()
	st := Stats{
		Rooms:        len(h.rooms),
		Subscribers:  len(h.subscribers),
		Memberships:  h.memberships,
		HistoryBytes: h.history.bytes,
		HistoryItems: len(h.history.entries),
		Published:    h.published,
		Delivered:    h.delivered,
		Replayed:     h.replayed.Load(),
		Overflows:    h.overflows.Load(),
		Ledger:       h.ledger.order.Len(),
		Changes:      h.changes,
		Evicted:      h.evicted,
	}
	if len(h.history.entries) > 0 {
		st.HistoryAge = h.now() - h.history.entries[0].at
	}
	for _, s := range h.subscribers {
		s.mu.Lock()
		st.QueuedBytes += s.bytes
		s.mu.Unlock()
	}
	h.counting.Lock()
	defer h.counting.Unlock()
	st.Resyncs = maps.Clone(h.resyncs)
	return st
}
