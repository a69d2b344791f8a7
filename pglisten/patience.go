package pglisten

import (
	"context"
	"errors"
	"time"
)

// A reading that stands still for this long has lost its connection. The limit
// doubles with each failure: a large log may need longer for its first row.
// When the source is to stop, a reading has the grace to finish.
const (
	standstill = 10 * time.Second
	grace      = time.Second
)

var errStandstill = errors.New("no answer from the server")

// patience ends the context of a reading that stands still.
type patience struct {
	limit  time.Duration
	timer  *time.Timer
	cancel func()
	stop   func()
}

func newPatience(parent context.Context, failures int) (context.Context, *patience) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	p := &patience{
		limit:  standstill << min(failures, 6),
		cancel: func() { cancel(nil) },
	}
	p.timer = time.AfterFunc(p.limit, func() { cancel(errStandstill) })
	unwatch := context.AfterFunc(parent, func() { time.AfterFunc(grace, p.cancel) })
	p.stop = func() {
		unwatch()
		p.timer.Stop()
		p.cancel()
	}
	return ctx, p
}

// hold stops the clock while the sink works.
func (p *patience) hold() { p.timer.Stop() }

// touch starts it again.
func (p *patience) touch() { p.timer.Reset(p.limit) }
