package auth

import (
	"sync"
	"time"
)

const (
	// leaseWarning is how long before its end a lease warns; a short one halfway,
	// or clients whose tokens all live shorter would renew without a pause.
	leaseWarning = time.Minute

	// leaseGlance is the longest that a lease sleeps. Its end is a time on the
	// wall clock, which may be set, and which goes on while the machine is
	// suspended; timers know nothing of either.
	leaseGlance = time.Minute
)

// Lease is how long a connection may stay: until its token runs out. It calls
// back from a timer's goroutine, or from that of Renew. Its methods may be called
// by any.
type Lease struct {
	soon func(left time.Duration)
	over func()
	now  func() time.Time

	mu     sync.Mutex
	timer  *time.Timer   // nil: there was no end yet
	until  time.Time     // zero: no end
	ahead  time.Duration // of the end, to warn
	warned bool
}

// NewLease returns a Lease without an end. soon, unless it is nil, is called a
// minute before there is one, or halfway when less than two are left; over is
// called then.
func NewLease(soon func(left time.Duration), over func()) *Lease {
	return &Lease{soon: soon, over: over, now: time.Now}
}

// Renew sets the end; the zero time is none. The end that there was is not warned
// of again: who answers a warning with the same token would be warned for ever.
func (l *Lease) Renew(until time.Time) {
	l.mu.Lock()
	if !until.Equal(l.until) {
		l.until, l.warned = until, l.soon == nil
		l.ahead = min(leaseWarning, l.left()/2)
	}
	l.mu.Unlock()
	l.look()
}

// Stop takes the end away for good: nothing is called any more, but what is
// being called already may go on.
func (l *Lease) Stop() { l.Renew(time.Time{}) }

// look sees what time it is. A call too many does nothing.
func (l *Lease) look() {
	left, warn, over := l.glance()
	switch {
	case over:
		l.over()
	case warn:
		l.soon(left)
	}
}

// glance returns what is due, once, and sets the timer for the next look.
func (l *Lease) glance() (left time.Duration, warn, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until.IsZero() {
		if l.timer != nil {
			l.timer.Stop()
		}
		return 0, false, false
	}
	left = l.left()
	next := left
	switch {
	case left <= 0:
		l.until = time.Time{}
		return 0, false, true
	case l.warned:
	case left <= l.ahead:
		l.warned, warn = true, true
	default:
		next = left - l.ahead
	}
	next = min(next, leaseGlance)
	if l.timer == nil {
		l.timer = time.AfterFunc(next, l.look)
	} else {
		l.timer.Reset(next)
	}
	return left, warn, false
}

// left is until the end, by the wall clock.
func (l *Lease) left() time.Duration { return l.until.Round(0).Sub(l.now().Round(0)) }
