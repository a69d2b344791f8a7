package ws

import "time"

const (
	// keeperRounds is how often each connection is looked at within a heartbeat.
	keeperRounds = 4

	// keeperSteps is in how many steps all of them are.
	keeperSteps = 25
)

// keeper is the heartbeat of all connections: a timer that has some of them looked at,
// then the next. Most have been heard of, and timers of their own would have to be set
// anew whenever they are. Guarded by the Handler's lock.
type keeper struct {
	on    bool        // the timer is set, or has fired and will be
	timer *time.Timer // nil before the first session
	next  int         // in Handler.sessions
}

// keep looks at some sessions, and sets the timer for the next.
func (h *Handler) keep() {
	piece := h.piece()
	now := time.Now()
	for _, s := range piece {
		s.keep(now, h.o.Heartbeat)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keeper.on = false
	h.keepSoon()
	if piece != nil {
		h.running.Done()
	}
}

// piece returns the sessions whose turn it is, with which Shutdown waits for the
// keeper, too.
func (h *Handler) piece() []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := len(h.sessions)
	if all == 0 {
		return nil
	}
	h.running.Add(1)
	piece := make([]*session, 0, all/keeperSteps+1)
	for len(piece) < min(cap(piece), all) {
		if h.keeper.next >= all {
			h.keeper.next = 0
		}
		piece = append(piece, h.sessions[h.keeper.next])
		h.keeper.next++
	}
	return piece
}

// keepSoon sets the timer, unless it is set or there is no session. The lock is held.
func (h *Handler) keepSoon() {
	if h.keeper.on || len(h.sessions) == 0 {
		return
	}
	h.keeper.on = true
	step := h.o.Heartbeat / (keeperRounds * keeperSteps)
	if h.keeper.timer == nil {
		h.keeper.timer = time.AfterFunc(step, h.keep)
		return
	}
	h.keeper.timer.Reset(step)
}

// wholePing is a ping frame, for all connections.
var wholePing = []byte("\x89\x00")

// keep pings a client of which nothing was heard for a heartbeat, and ends its session
// after another. Only the keeper calls it.
func (s *session) keep(now time.Time, heartbeat time.Duration) {
	socket := s.connection()
	if socket == nil {
		return
	}
	switch silence := socket.silence(now); {
	case silence < heartbeat:
		s.pinged = false
	case silence >= 2*heartbeat:
		s.end(ending{code: closeSilent})
	case !s.pinged:
		s.pinged = true
		_, _ = socket.Write(wholePing) // the reader sees an error, too
	}
}
