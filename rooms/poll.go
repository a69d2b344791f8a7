package rooms

import (
	"context"
	"time"
)

// poll is one call of Options.Refresh.
type poll struct {
	done      chan struct{}
	err       error
	abandoned bool // who made the call gave up: no answer for the others
}

// refresh has the log read once more. Those who ask at the same time share a
// reading; one that began before they asked may have come too early for them.
func (h *Hub) refresh(ctx context.Context, deadline time.Time) error {
	if h.o.Refresh == nil {
		return nil
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for {
		h.polls.Lock()
		p := h.nextPoll
		mine := p == nil
		if mine {
			p = &poll{done: make(chan struct{})}
			h.nextPoll = p
		}
		h.polls.Unlock()
		if mine {
			h.poll(ctx, p)
		}
		select {
		case <-p.done:
			if !p.abandoned || ctx.Err() != nil {
				return p.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// poll makes the call when the one before it has ended. Whoever asks from then on
// needs another.
func (h *Hub) poll(ctx context.Context, p *poll) {
	defer close(p.done)
	select {
	case h.polling <- struct{}{}:
		defer func() { <-h.polling }()
	case <-ctx.Done():
	}
	h.polls.Lock()
	h.nextPoll = nil
	h.polls.Unlock()
	if p.err = ctx.Err(); p.err == nil {
		p.err = h.o.Refresh(ctx)
	}
	p.abandoned = ctx.Err() != nil
}
