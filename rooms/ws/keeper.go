package ws

import "time"

const (
	// keeperRounds is how often each connection is looked at within a heartbeat.
	keeperRounds = 4

	// keeperSteps is in how many steps that is done for all of them.
	keeperSteps = 25
)

// keeper is the heartbeat of all connections: a timer that has some of them looked at,
// then the next. Most have been heard of, and timers of their own would have to be set
// anew whenever they are. Guarded by the Handler's lock.
type keeper struct {
	on    bool        // the timer is set, or has fired and will be
	timer *time.Timer // nil before the first session
	round uint64
	step  int // of the round
	rest  int // sessions it has not come to: those up to here
}

// keep looks at some sessions, and sets the timer for the next.
func (h *Handler) keep() {
	piece, ok := h.piece()
	if !ok {
		return
	}
	defer h.running.Done()
	for _, s := range piece {
		s.keep()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keeper.on = false
	h.keepSoon()
}

// piece returns the sessions whose turn it is, with which Shutdown waits for the
// keeper, too. It is not ok when there is no session at all.
func (h *Handler) piece() (_ []*session, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := len(h.sessions)
	if all == 0 {
		h.keeper.on = false
		return nil, false
	}
	h.running.Add(1)
	return h.keeper.next(h.sessions), true
}

// next returns some of the sessions, in a round each once. It goes from the last to the
// first: who comes is appended behind, and who takes the place of one that goes comes
// from there, or with it.
func (k *keeper) next(sessions []*session) []*session {
	if k.step == 0 {
		k.round++
		k.rest = len(sessions)
	}
	k.rest = min(k.rest, len(sessions))
	end := k.rest
	k.rest -= (end + keeperSteps - k.step - 1) / (keeperSteps - k.step)
	k.step = (k.step + 1) % keeperSteps
	piece := make([]*session, 0, end-k.rest)
	for _, s := range sessions[k.rest:end] {
		if s.looked != k.round {
			s.looked = k.round
			piece = append(piece, s)
		}
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
// after another. It counts looks, for by the clock all would be silent when this process
// has stood still. Only the keeper calls it.
func (s *session) keep() {
	socket := s.connection()
	if socket == nil {
		return
	}
	if s.silent++; socket.heardOf() {
		s.silent = 0
	}
	switch s.silent {
	case keeperRounds:
		socket.ping()
	case 2 * keeperRounds:
		s.end(ending{code: closeSilent})
	}
}
