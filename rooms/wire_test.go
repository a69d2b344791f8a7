package rooms

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"pgregory.net/rapid"
)

// wire is an outlet that keeps what it is sent, and judges how the hub calls it.
type wire struct {
	t    rapid.TB
	sub  *Subscriber
	slow bool // it resumes by itself, after a while

	mu        sync.Mutex
	taking    func() bool // whether it takes more; nil: always
	sending   func()      // called in Send, with no lock; nil: nothing is
	ending    func()      // so, in End
	mine      bool        // it was resumed, and the hub may call
	busy      bool        // the hub does
	congested bool
	sent      [][]Frame
	ended     error
	over      chan struct{} // closed when it has ended
}

// attach adds a subscriber with an outlet, which takes nothing before it is resumed.
func (f *fixture) attach(level Level, topics ...string) *wire {
	w := newWire(f.t)
	w.sub = f.enter(SubscriberOptions{Level: level, Outlet: w})
	if topics != nil {
		f.join(w.sub, JoinRequest{Topics: topics})
	}
	return w
}

// attached does so, and resumes it.
func (f *fixture) attached(level Level, topics ...string) *wire {
	w := f.attach(level, topics...)
	w.resume()
	f.hub.shards.wait()
	return w
}

// choked does so with one that takes no more after each Send.
func (f *fixture) choked(level Level, topics ...string) *wire {
	w := f.attach(level, topics...)
	w.taking = func() bool { return false }
	w.resume()
	f.hub.shards.wait()
	return w
}

func newWire(t rapid.TB) *wire { return &wire{t: t, over: make(chan struct{})} }

// resume says that it takes frames, for the first time or again.
func (w *wire) resume() {
	w.mu.Lock()
	w.mine, w.congested = true, false
	w.mu.Unlock()
	w.sub.Resume()
}

// await has it take again, if it does not, and reports whether that was so.
func (w *wire) await() bool {
	w.mu.Lock()
	congested := w.congested
	w.mu.Unlock()
	switch {
	case !congested:
	case w.slow:
		<-time.After(time.Millisecond)
	default:
		go w.resume()
	}
	return congested
}

// enter is the beginning of a call.
func (w *wire) enter() {
	switch {
	case !w.mine:
		w.t.Error("the hub calls an outlet that did not resume")
	case w.busy:
		w.t.Error("the hub calls an outlet twice at once")
	case w.ended != nil:
		w.t.Error("the hub calls an outlet that has ended")
	}
	w.busy = true
}

// Send implements Outlet.
func (w *wire) Send(frames []Frame) (more bool) {
	w.mu.Lock()
	w.enter()
	w.keep(frames)
	taking, sending := w.taking, w.sending
	w.mu.Unlock()
	if sending != nil {
		sending()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = false // from here on it may be resumed, before Send has returned
	more = taking == nil || taking()
	w.mine, w.congested = more, !more
	return more
}

func (w *wire) keep(frames []Frame) {
	size := 0
	for i, f := range frames {
		if framed := newFrame(f.Kind, f.Data, "").Framed; !bytes.Equal(framed, f.Framed) {
			w.t.Errorf("%.20q is framed as %.20q", f.Data, f.Framed)
		}
		if f.Kind == Event && size >= pieceBytes {
			w.t.Errorf("%d frames more than a piece", len(frames)-i)
		}
		size += len(f.Data)
	}
	if len(frames) == 0 {
		w.t.Error("nothing was sent")
	}
	w.sent = append(w.sent, append([]Frame(nil), frames...))
}

// End implements Outlet.
func (w *wire) End(cause error) {
	w.mu.Lock()
	w.enter()
	ending := w.ending
	w.mu.Unlock()
	if ending != nil {
		ending()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy = false; cause == nil || !errors.Is(cause, w.sub.Err()) {
		w.t.Errorf("ended with %v, want %v", cause, w.sub.Err())
	}
	w.ended = cause
	close(w.over)
}

// take returns what was sent since it was last called, the calls' frames in one, and
// the cause when it has ended.
func (w *wire) take() (frames []Frame, ended error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, sent := range w.sent {
		frames = append(frames, sent...)
	}
	w.sent = nil
	return frames, w.ended
}

// calls is how often Send was called since take was.
func (w *wire) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}
