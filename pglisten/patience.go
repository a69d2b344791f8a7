package pglisten

import (
	"context"
	"errors"
	"time"
)

// grace is what a reading has to finish when the source is to stop.
const grace = time.Second

// historyPatience: the first reading looks at the whole of the log.
const historyPatience = 12

var errStandstill = errors.New("no answer from the server")

// patience ends the context of a reading that stands still for so long that its
// connection must be lost. The limit doubles with each failure: a large log may
// need longer for its first row.
type patience struct {
	limit  time.Duration
	timer  *time.Timer
	cancel func()
	cause  func() error
	stop   func()
}

func (r *reader) patience(parent context.Context) (context.Context, *patience) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	p := &patience{
		limit:  r.s.tempo.standstill << min(r.failures, 6),
		cancel: func() { cancel(nil) },
		cause:  func() error { return context.Cause(ctx) },
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

// extend makes it last n times as long.
func (p *patience) extend(n time.Duration) {
	p.limit *= n
	p.touch()
}

// hold stops the clock while the sink works.
func (p *patience) hold() { p.timer.Stop() }

// touch starts it again.
func (p *patience) touch() { p.timer.Reset(p.limit) }

// explain returns err, or that the reading stood still if it failed of that.
func (p *patience) explain(err error) error {
	if err != nil && errors.Is(p.cause(), errStandstill) {
		return errStandstill
	}
	return err
}

// ask runs a statement of one row that may take its time.
func (r *reader) ask(ctx context.Context, sql string, args []any, into ...any) error {
	ctx, p := r.patience(ctx)
	defer p.stop()
	return p.explain(r.conn.QueryRow(ctx, sql, args...).Scan(into...))
}
