package bridge

import (
	"errors"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// admissionMost is how long the first in line waits: where the cores are never free,
// 2,000 come in each second.
const admissionMost = 500 * time.Microsecond

// deadlineListener is what a listener of TCP and of a unix socket can do.
type deadlineListener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// admission is a listener that lets a newcomer in when nobody waits for a core. A
// crowd that comes at once would otherwise stand, thousands of goroutines, between an
// event and those it is for: the scheduler is fair, and a handshake costs twenty times
// what a delivery does. Nobody holds a place, so whoever says nothing, or waits for
// the database, is in nobody's way.
//
// Who has to wait stands in the daemon's own line, for the kernel's is short, and
// turns away those it has no room for, for seconds.
type admission struct {
	deadlineListener
	crowded func() bool
	line    []net.Conn // Accept's own
	closed  atomic.Bool
}

// newAdmission returns l as it is where it knows no deadlines.
func newAdmission(l net.Listener) net.Listener {
	d, ok := l.(deadlineListener)
	if !ok {
		return l
	}
	return &admission{deadlineListener: d, crowded: crowded()}
}

// Accept implements net.Listener, for one goroutine.
func (a *admission) Accept() (net.Conn, error) {
	for began := time.Now(); a.crowded() && time.Since(began) < admissionMost; {
		if err := a.SetDeadline(began.Add(admissionMost)); err != nil {
			return nil, a.end(err)
		}
		switch c, err := a.deadlineListener.Accept(); {
		case err == nil:
			a.line = append(a.line, c)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, a.end(err)
		}
	}
	if len(a.line) > 0 && !a.closed.Load() {
		c := a.line[0]
		a.line[0] = nil
		a.line = a.line[1:]
		return c, nil
	}
	if err := a.SetDeadline(time.Time{}); err != nil {
		return nil, a.end(err)
	}
	c, err := a.deadlineListener.Accept()
	return c, a.end(err)
}

// Close implements net.Listener.
func (a *admission) Close() error {
	a.closed.Store(true)
	return a.deadlineListener.Close()
}

// end sends the line away when there is nobody any more who would let it in.
func (a *admission) end(err error) error {
	if errors.Is(err, net.ErrClosed) {
		for _, c := range a.line {
			_ = c.Close()
		}
		a.line = nil
	}
	return err
}

// crowded returns what reports whether goroutines wait for cores, more than one for
// each. Only one goroutine may call it.
func crowded() func() bool {
	waiting := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
	return func() bool {
		metrics.Read(waiting) // less than 1 µs
		return waiting[0].Value.Uint64() > uint64(runtime.GOMAXPROCS(0))
	}
}
