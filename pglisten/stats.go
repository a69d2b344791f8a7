package pglisten

import (
	"sync"
	"time"

	"rowcast/internal/snapshot"
)

// Stats is what a Source has done and how it stands, for metrics. Counters
// begin with the Source.
type Stats struct {
	Connected bool
	Attached  time.Time // when this connection had first brought sink up to date; zero before
	State     string    // "asleep", "awake", "settling", "polling"; "" while not connected
	Epoch     string

	Connects uint64
	Polls    uint64
	Narrow   uint64 // polls that looked into one slot of the log only
	Wakeups  uint64 // notifications by writers
	Promises uint64 // doorbell set ahead, renewals included
	Relays   uint64
	Changes  uint64
	Poison   uint64 // changes handed on with Err
	Resets   uint64
	Gaps     uint64 // unread rows rotated away
	Rotated  uint64 // slots emptied by this instance

	Watches  int // live ones
	Drifted  int // of these, those whose trigger or topic column is missing
	Canary   CanaryStats
	LastPoll time.Time
	// Lag is how old the last change of the last batch was when it had been
	// taken, from its writing, by the two machines' clocks.
	Lag time.Duration
	// QueueUsage is how full the server's NOTIFY queue is, 0 to 1.
	QueueUsage float64
}

// CanaryStats say what is known to be wrong with the canary.
type CanaryStats struct {
	Err   error  // why it could not be written the last time
	Fault string // what is wrong with its triggers, in the words of rowcast.watches
}

// statistics keeps a Stats.
type statistics struct {
	mu sync.Mutex
	Stats
	cursor snapshot.Snapshot
}

// Stats returns the figures as they are now.
func (s *Source) Stats() Stats {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	return s.stats.Stats
}

func (s *statistics) edit(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.Stats)
}

func (s *statistics) connected(yes bool) {
	s.edit(func(s *Stats) {
		s.Connected, s.Attached, s.State = yes, time.Time{}, ""
		if yes {
			s.Connects++
			s.State = settling.String()
		}
	})
}

func (s *statistics) polled(rings int) {
	s.edit(func(s *Stats) {
		s.Polls++
		s.Wakeups += uint64(rings)
		s.LastPoll = time.Now()
		if s.Attached.IsZero() {
			s.Attached = s.LastPoll
		}
	})
}

func (s *statistics) took(b Batch) {
	s.edit(func(s *Stats) {
		for _, c := range b.Changes {
			if c.Watch == nil || !c.Watch.Hidden {
				s.Changes++
			}
			if c.Err != nil {
				s.Poison++
			}
		}
		if n := len(b.Changes); n > 0 {
			s.Lag = time.Since(b.Changes[n-1].At)
		}
	})
}

func (s *statistics) obeyed(o order, state bellState) {
	s.edit(func(s *Stats) {
		s.State = state.String()
		if o.set == setPromise {
			s.Promises++
		}
		if o.relay {
			s.Relays++
		}
	})
}

func (s *statistics) watches(c *catalogue) {
	s.edit(func(s *Stats) {
		s.Watches, s.Drifted, s.Canary.Fault = len(c.live), len(c.faults), c.faults[canaryWatch]
		if s.Canary.Fault != "" {
			s.Drifted--
		}
	})
}

func (s *statistics) narrow() { s.edit(func(s *Stats) { s.Narrow++ }) }

func (s *statistics) gap() { s.edit(func(s *Stats) { s.Gaps++ }) }

// at records where the reader stands.
func (s *statistics) at(epoch string, cursor snapshot.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Epoch, s.cursor = epoch, cursor
}

// position returns the reader's cursor.
func (s *statistics) position() snapshot.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursor
}
