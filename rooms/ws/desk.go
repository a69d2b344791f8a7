package ws

import (
	"context"
	"sync"

	"rowcast/rooms"
)

// desk takes a connection's joins and leaves one after the other, away from the
// reader, which must not wait when a join does. A goroutine stands at it only
// while there is something to do.
type desk struct {
	serving sync.WaitGroup

	mu      sync.Mutex
	waiting []request // the first is being served
}

// put hands a request in. Only the reader calls it.
func (d *desk) put(r request, serve func(request)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, r)
	if len(d.waiting) > 1 {
		return
	}
	d.serving.Go(func() {
		for more := true; more; r, more = d.next() {
			serve(r)
		}
	})
}

// next puts away the request that was served and returns the one behind it.
func (d *desk) next() (request, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = d.waiting[1:]
	if len(d.waiting) == 0 {
		d.waiting = nil
		return request{}, false
	}
	return d.waiting[0], true
}

// wait returns when nobody stands at the desk. The reader must have ended.
func (d *desk) wait() { d.serving.Wait() }

// serve does what was asked for at the desk. Who did not say yet who they are may
// say that, and ask for nothing.
func (s *session) serve(ctx context.Context, r request) {
	switch {
	case s.sub.Err() != nil: // the session ends
	case r.Type == "auth":
		s.signIn(ctx, r)
	case s.identity == nil:
		s.end(refusal(r.Ref, *s.h.gate.Unidentified("auth.mode")))
	case r.Type == "leave":
		s.sub.Leave(r.Ref, r.Topics)
	default:
		s.join(ctx, r)
	}
}

// join answers a join. It fails only when the session ends. Who is told that a
// topic is forbidden does not stay in it, though nobody announced a revocation.
func (s *session) join(ctx context.Context, r request) {
	joined := s.sub.Topics()
	verdict := s.h.gate.Judge(ctx, s.identity, r.Topics, joined)
	_ = s.sub.Join(ctx, rooms.JoinRequest{
		Ref:      r.Ref,
		Topics:   verdict.Topics,
		Denied:   verdict.Denied,
		Mark:     verdict.Mark,
		Since:    r.Since,
		Lookback: r.lookback(),
		Asked:    r.asked,
	})
	s.lose(joined, verdict)
}
