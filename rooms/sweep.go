package rooms

import (
	"context"
	"time"
)

const (
	// sweepPiece is how many subscribers are looked at under one lock.
	sweepPiece = 1024
	// leastQuiet and leastSweep keep a history of moments from causing a storm
	// of pings.
	leastQuiet = time.Second
	leastSweep = 100 * time.Millisecond
)

// Run does what time demands: it drops history by age and sends $ping to quiet
// subscribers, until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			timer.Reset(h.sweep())
		}
	}
}

// sweep does it once and returns when to do it again.
func (h *Hub) sweep() time.Duration {
	h.mu.Lock()
	now := h.now()
	h.history.evict(now)
	h.ledger.forget(now)
	quiet := h.quiet(now)
	h.mu.Unlock()
	for i := 0; h.ping(i, quiet); i += sweepPiece {
	}
	return max(min(quiet, h.o.HistoryAge)/10, leastSweep)
}

// quiet is how long a subscriber may be without a new cursor: so long that it
// knows the connection lives, and that the cursor it has can be answered for a
// good while.
func (h *Hub) quiet(now time.Duration) time.Duration {
	if span, bounded := h.history.span(now); bounded {
		return min(h.o.Heartbeat, max(span/4, leastQuiet))
	}
	return h.o.Heartbeat
}

// ping sends $ping to the quiet among a piece of the subscribers, and reports
// whether there are more. All get the same frame: with nothing waiting for them
// each was sent everything up to the hub's cursor.
func (h *Hub) ping(first int, quiet time.Duration) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	now := h.now()
	var frame *ownFrame
	end := min(first+sweepPiece, len(h.subscribers))
	for _, s := range h.subscribers[min(first, end):end] {
		if s.level == Plain || !s.known {
			continue
		}
		s.mu.Lock()
		if s.err == nil && len(s.queue) == 0 && now-s.given >= quiet {
			if frame == nil {
				frame = &ownFrame{Frame: newFrame(Ping, PingFrame(h.cursor, time.Now()), h.cursor)}
			}
			s.given = now
			s.bytes += int64(len(frame.Data))
			s.append(element{frame: frame})
		}
		s.mu.Unlock()
	}
	return end < len(h.subscribers)
}
