package rooms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"rowcast/internal/snapshot"
)

// TestConcurrency has everything happen at once. The members that stay get every
// publisher's events in order, though their queues are tiny and most of them read
// from the history.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	const publishers, each, members, visitors = 4, 500, 8, 16
	f := setup(t, Options{QueueBytes: 500})
	ctx, cancel := context.WithCancel(t.Context())
	over := errors.New("over")

	var readers sync.WaitGroup
	var stay []*Subscriber
	for m := range members {
		s, read := f.reader(m, "stay", "now_and_then")
		readers.Go(func() {
			var next [publishers]int
			err := read(ctx, func(frame Frame) {
				var p, n int
				if _, err := fmt.Sscanf(string(frame.Data), `{"p":%d,"n":%d}`, &p, &n); err != nil {
					t.Errorf("frame %s", frame.Data)
				} else if next[p] != n {
					t.Errorf("publisher %d: got %d, want %d", p, n, next[p])
				} else {
					next[p]++
				}
			})
			for p, n := range next {
				if n != each {
					t.Errorf("publisher %d: %d of %d", p, n, each)
				}
			}
			if !errors.Is(err, over) {
				t.Errorf("end: %v", err)
			}
		})
		stay = append(stay, s)
	}

	var busy sync.WaitGroup
	for n := range visitors {
		busy.Go(func() { f.visit(ctx, n, over) })
	}
	busy.Go(func() {
		for ctx.Err() == nil {
			f.hub.sweep()
			f.hub.Stats()
		}
	})
	var xid atomic.Uint64
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for n := range each {
				x := xid.Add(1)
				f.hub.Publish(Batch{
					Items: []Item{
						{Topics: []string{"stay", fmt.Sprint("topic_", n%8)}, XID: x, Cursor: cursorAt(x), Data: fmt.Appendf(nil, `{"p":%d,"n":%d}`, p, n)},
						{Topics: []string{"topic_*"}, Reason: Bulk, XID: x},
					},
					Snapshot: snapshot.New(x + 1),
				})
			}
		})
	}
	publishing.Wait()
	cancel()
	busy.Wait()
	for _, s := range stay {
		s.Finish(nil, over)
	}
	readers.Wait()
}

// reader adds a member, and returns what passes its frames on until it ends. One in
// three calls Next, the others have outlets: one that takes everything, and one that is
// often congested, and resumed by others.
func (f *fixture) reader(n int, topics ...string) (*Subscriber, func(context.Context, func(Frame)) error) {
	if n%3 == 0 {
		s := f.member(topics...)
		return s, func(ctx context.Context, see func(Frame)) error { return read(ctx, s, see) }
	}
	w := f.attach(Plain, topics...)
	if n%3 == 1 {
		w.stumble()
	}
	w.resume()
	return w.sub, func(_ context.Context, see func(Frame)) error {
		<-w.over
		frames, err := w.take()
		for _, frame := range frames {
			see(frame)
		}
		return err
	}
}

// stumble has the wire be congested one time in three, until somebody else resumes it.
func (w *wire) stumble() {
	n := 0
	w.taking = func() bool {
		if n++; n%3 > 0 {
			return true
		}
		go w.resume()
		return false
	}
}

// visit comes, joins, reads a little, leaves, and comes back, until ctx ends.
func (f *fixture) visit(ctx context.Context, n int, over error) {
	for i := 0; ctx.Err() == nil; i++ {
		w := newWire(f.t)
		w.stumble()
		o := SubscriberOptions{Level: Level(n % 3)}
		if i%2 == 0 {
			o.Outlet = w
		}
		s, err := f.hub.Subscribe(o)
		if err != nil {
			f.t.Error(err)
			return
		}
		w.sub = s
		topics := []string{fmt.Sprint("topic_", n%8), fmt.Sprint("topic_", i%8)}
		r := JoinRequest{Topics: topics}
		if i%2 == 0 {
			r.Since = new(f.hub.Cursor())
		}
		var mine sync.WaitGroup
		mine.Go(func() {
			if i%2 == 0 {
				w.resume()
				<-w.over
				return
			}
			_ = read(ctx, s, func(Frame) {})
		})
		mine.Go(func() { _ = s.Join(ctx, r) })
		mine.Go(func() { _ = s.Control([]byte(`{}`)) })
		mine.Go(func() {
			s.Leave(nil, topics[:1])
			s.Topics()
			if i%3 == 0 {
				s.Finish([]byte(`{}`), over)
			}
			s.Close(over)
		})
		mine.Wait()
	}
}

// read passes frames to see until the subscriber ends.
func read(ctx context.Context, s *Subscriber, see func(Frame)) error {
	ctx = context.WithoutCancel(ctx)
	var buf []Frame
	for {
		var err error
		if buf, err = s.Next(ctx, buf); err != nil {
			return err
		}
		for _, frame := range buf {
			see(frame)
		}
	}
}

// TestRevocationsAgainstJoins has members join, as often as they may, while
// their access is revoked and given back. Once a revocation was published no
// decision made before it lets anybody in.
func TestRevocationsAgainstJoins(t *testing.T) {
	t.Parallel()
	const subjects, rounds, joiners = 4, 100, 3
	f := setup(t, Options{QueueBytes: 500})
	say := func(topic string, xid uint64, data []byte) {
		f.hub.Publish(Batch{Items: []Item{{Topics: []string{topic}, Data: data, XID: xid}}, Partial: true})
	}
	var revoking, joining, reading sync.WaitGroup
	var early atomic.Int64 // decisions that came too late
	var over atomic.Bool
	for n := range subjects {
		subject := fmt.Sprint("subject_", n)
		topic := fmt.Sprint("topic_", n%2)
		s := f.enter(SubscriberOptions{Level: Library, Guarded: true})
		s.Identify(subject)
		var allowed atomic.Bool
		reading.Go(func() {
			_ = read(t.Context(), s, func(frame Frame) {
				switch {
				case bytes.Contains(frame.Data, []byte(subject)):
					t.Errorf("%s was sent %s", subject, frame.Data)
				case bytes.Contains(frame.Data, []byte(`"unavailable"`)):
					early.Add(1)
				}
			})
		})
		for range joiners {
			joining.Go(func() {
				for !over.Load() {
					mark := f.hub.Mark()
					if allowed.Load() && len(s.Topics()) == 0 {
						if err := s.Join(t.Context(), JoinRequest{Topics: []string{topic}, Since: new(f.hub.Cursor()), Mark: mark}); err != nil {
							t.Error(err)
						}
					}
					runtime.Gosched()
				}
			})
		}
		revoking.Go(func() {
			for range rounds {
				allowed.Store(true)
				for len(s.Topics()) == 0 {
					runtime.Gosched()
				}
				say(topic, 1, []byte(`{"type":"open"}`))
				allowed.Store(false)
				f.hub.Publish(Batch{Items: []Item{{Topics: []string{"topic_*"}, Access: &Access{Subject: subject, Effect: Revoked}}}, Partial: true})
				say(topic, 0, fmt.Appendf(nil, `{"type":"not for %s"}`, subject))
				if len(s.Topics()) != 0 {
					t.Errorf("%s is still there", subject)
				}
			}
		})
	}
	revoking.Wait()
	over.Store(true)
	joining.Wait()
	for _, s := range f.hub.subscribers {
		s.Finish(nil, nil)
	}
	reading.Wait()
	t.Logf("%d decisions of %d revocations came too late", early.Load(), subjects*rounds)
}
