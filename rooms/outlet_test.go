package rooms

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/internal/snapshot"
)

// sees compares what was sent by now, in words, with want; " | " stands between what
// came in one call of Send and what in the next.
func (w *wire) sees(want string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	var calls []string
	for _, frames := range w.sent {
		var words []string
		for _, f := range frames {
			words = append(words, word(w.t, f))
		}
		calls = append(calls, strings.Join(words, " "))
	}
	if w.ended != nil {
		calls = append(calls, w.ended.Error())
	}
	w.sent = nil
	if got := strings.Join(calls, " | "); got != want {
		w.t.Errorf("sent\n got: %s\nwant: %s", got, want)
	}
}

func TestOutlet(t *testing.T) {
	t.Parallel()
	over, later := errors.New("over"), errors.New("later")
	pong := []byte(`{"type":"$pong"}`)
	tests := map[string]func(t *testing.T, f *fixture){
		"takes_nothing_before_it_resumes": func(_ *testing.T, f *fixture) {
			w := f.attach(Library, "a")
			f.publish(2, "a")
			w.sees("")
			w.resume()
			w.sees("joined(a) 1 2")
			f.publish(1, "a")
			w.sees("3")
		},
		"gets_a_batch_in_one_call": func(_ *testing.T, f *fixture) {
			w := f.attached(Plain, "a")
			f.hub.Publish(Batch{Items: []Item{event(1, "a"), event(2, "b"), event(3, "a")}, Snapshot: snapshot.New(4)})
			w.sees("1 3")
		},
		"gets_what_gathered_while_it_was_congested_in_one_call": func(_ *testing.T, f *fixture) {
			w := f.choked(Plain, "a")
			f.publish(1, "a")
			w.sees("1")
			f.publish(3, "a")
			_ = w.sub.Control(pong)
			f.publish(1, "a")
			w.sees("")
			w.resume()
			w.sees("2 3 4 $pong 5")
		},
		"that_was_closed_before_it_resumes_only_ends": func(_ *testing.T, f *fixture) {
			w := f.attach(Library, "a")
			f.publish(1, "a")
			w.sub.Close(over)
			w.sees("")
			w.resume()
			w.sees("over")
		},
		"that_was_closed_while_congested_only_ends": func(_ *testing.T, f *fixture) {
			w := f.choked(Library, "a")
			f.publish(2, "a")
			w.sees("joined(a)")
			w.sub.Close(over)
			w.sees("")
			w.resume()
			w.sees("over")
		},
		"that_was_finished_while_congested_gets_what_waits": func(_ *testing.T, f *fixture) {
			w := f.choked(Library, "a")
			w.sees("joined(a)")
			f.publish(2, "a")
			w.sub.Finish(ByeFrame(1012, true, time.Second), over)
			f.publish(1, "a")
			w.sees("")
			w.resume()
			w.sees("1 2 $bye")
			w.resume()
			w.sees("over")
		},
		"that_was_finished_and_closed_while_congested_only_ends": func(_ *testing.T, f *fixture) {
			w := f.choked(Library, "a")
			w.sees("joined(a)")
			f.publish(2, "a")
			w.sub.Finish(pong, over)
			w.sub.Close(later)
			w.resume()
			w.sees("over")
		},
		"ends_once": func(_ *testing.T, f *fixture) {
			w := f.attached(Library, "a")
			w.sub.Finish(pong, over)
			w.sees("joined(a) | $pong | over")
			w.sub.Close(later)
			w.sub.Close(later)
			w.sub.Finish(pong, later)
			f.publish(1, "a")
			synctest.Wait()
		},
		"that_overflows_gets_all_from_the_history": func(t *testing.T, f *fixture) {
			f.hub.o.QueueBytes = 200
			w := f.choked(Plain, "a")
			f.publish(1, "a")
			w.sees("1")
			f.publish(20, "a", "b")
			if n := f.hub.Stats().Overflows; n != 1 {
				t.Errorf("%d overflows", n)
			}
			w.resume()
			w.sees("2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21")
			w.resume()
			f.publish(1, "a")
			w.sees("22")
		},
		"that_the_history_left_behind_is_told": func(_ *testing.T, f *fixture) {
			f.hub.o.QueueBytes, f.hub.history.limit = 200, 5000
			w := f.choked(Plain, "a")
			f.publish(1, "a")
			w.sees("1")
			f.publish(40, "a")
			f.publish(1, "b")
			w.resume()
			w.sees("resync(a slow_consumer)")
		},
		"gets_a_long_replay_in_pieces": func(t *testing.T, f *fixture) {
			const events, size = 40, 20 << 10
			for range events {
				f.big(size, "a")
			}
			w := f.attach(Library)
			f.join(w.sub, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			w.resume()
			synctest.Wait()
			if n := w.calls(); n < events*size/pieceBytes*3/4 {
				t.Errorf("%d calls", n)
			}
			frames, _ := w.take()
			if len(frames) != events+1 {
				t.Errorf("%d frames", len(frames))
			}
		},
		"that_never_resumes_costs_its_queue": func(t *testing.T, f *fixture) {
			deaf, quick := f.choked(Plain, "a"), f.attached(Plain, "a")
			for range 100 {
				f.big(100_000, "a")
				quick.sees("big")
				if st := f.hub.Stats(); st.QueuedBytes > f.hub.o.QueueBytes {
					t.Fatalf("%d bytes are queued", st.QueuedBytes)
				}
			}
			if n := deaf.calls(); n != 1 {
				t.Errorf("the deaf one was sent %d batches", n)
			}
		},
		"of_a_hidden_subscriber_gets_hidden_items": func(_ *testing.T, f *fixture) {
			w := newWire(f.t)
			w.sub = f.enter(SubscriberOptions{Hidden: true, Outlet: w})
			f.join(w.sub, JoinRequest{Topics: []string{"a"}})
			w.resume()
			item := event(1, "a")
			item.Hidden = true
			f.hub.Publish(Batch{Items: []Item{item, event(2, "a")}, Snapshot: snapshot.New(3)})
			w.sees("1")
		},
		"is_told_of_a_new_epoch": func(_ *testing.T, f *fixture) {
			w := f.choked(Plain, "a")
			f.publish(3, "a")
			w.sees("1")
			f.hub.Reset(Reset{Epoch: "e2", Snapshot: snapshot.New(1), Floor: snapshot.New(1), Restart: true})
			w.resume()
			w.sees("resync(a source_gap)")
		},
		"is_pinged_when_it_is_quiet": func(_ *testing.T, f *fixture) {
			w := f.attached(Library, "a")
			w.sees("joined(a)")
			<-time.After(DefaultHeartbeat + time.Second)
			f.hub.sweep()
			w.sees("$ping(" + cursorAt(0) + ")")
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, setup(t, Options{})) })
		})
	}
}

// big publishes an event of the size, which has no number of its own.
func (f *fixture) big(size int, topics ...string) {
	f.xid++
	item := event(f.xid, topics...)
	item.Data = fmt.Appendf(nil, `{"type":"t","id":"big","payload":{"x":"%s"}}`, strings.Repeat("x", size))
	f.hub.Publish(Batch{Items: []Item{item}, Snapshot: snapshot.New(f.xid + 1)})
}

// TestOutlet_callsBack: no lock is held in Send and End, whoever calls them.
func TestOutlet_callsBack(t *testing.T) {
	t.Parallel()
	for name, members := range map[string]int{"the_publisher": 1, "a_shard": 2 * fewWoken} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := setup(t, Options{})
				use := func(s *Subscriber) func() {
					return sync.OnceFunc(func() {
						_ = s.Join(t.Context(), JoinRequest{Topics: []string{"b"}, Since: new(cursorAt(0))})
						s.Leave(nil, []string{"a"})
						_ = s.Control([]byte(`{"type":"$pong"}`))
						s.Topics()
						s.Identify("ann")
						f.hub.Stats()
						f.hub.sweep()
						f.subscribe(Library).Close(nil)
						s.Finish([]byte(`{"type":"$bye"}`), nil)
					})
				}
				var wires []*wire
				for range members {
					w := f.attach(Library, "a")
					w.sending = use(w.sub)
					w.ending = func() { w.sub.Close(nil); f.hub.Stats(); f.attach(Library, "c").resume() }
					wires = append(wires, w)
				}
				for _, w := range wires {
					w.resume()
				}
				f.publish(1, "a")
				for _, w := range wires {
					synctest.Wait()
					frames, err := w.take()
					if len(frames) == 0 || word(t, frames[len(frames)-1]) != "$bye" || !errors.Is(err, ErrClosed) {
						t.Fatalf("%d frames, %v", len(frames), err)
					}
				}
			})
		})
	}
}

// TestPublish_few: for few the publisher writes itself, and waits for nobody who is
// written for by a shard.
func TestPublish_few(t *testing.T) {
	t.Parallel()
	for members, inline := range map[int]bool{1: true, fewWoken: true, fewWoken + 1: false} {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := setup(t, Options{})
				var mu sync.Mutex
				byPublisher := 0
				for range members {
					w := f.attach(Plain, "a")
					w.sending = func() {
						stack := make([]byte, 10_000)
						if strings.Contains(string(stack[:runtime.Stack(stack, false)]), "(*Hub).Publish") {
							mu.Lock()
							defer mu.Unlock()
							byPublisher++
						}
					}
					w.resume()
				}
				synctest.Wait() // the first Resume is a shard's
				f.publish(1, "a")
				synctest.Wait()
				if want := map[bool]int{true: members}[inline]; byPublisher != want {
					t.Errorf("the publisher wrote for %d of %d, want %d", byPublisher, members, want)
				}
			})
		})
	}
}

// TestPublish_waits: who publishes faster than shards write waits for them, and goes
// on when they have written.
func TestPublish_waits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events, size = 40, 50_000 // two times the queue's bytes
		f := setup(t, Options{})
		gate := make(chan struct{})
		var wires []*wire
		for range 2 * fewWoken {
			w := f.attach(Plain, "a")
			w.sending = func() { <-gate }
			w.resume()
			wires = append(wires, w)
		}
		synctest.Wait()
		published := 0
		var publishing sync.WaitGroup
		publishing.Go(func() {
			for range events {
				f.big(size, "a")
				published++
			}
		})
		synctest.Wait()
		if most := int(f.hub.o.QueueBytes) / size; published == 0 || published > most {
			t.Errorf("%d events were published to nobody who takes them, want at most %d", published, most)
		}
		close(gate)
		publishing.Wait()
		synctest.Wait()
		for _, w := range wires {
			if frames, _ := w.take(); len(frames) != events {
				t.Fatalf("%d frames, want %d", len(frames), events)
			}
		}
		if n := f.hub.Stats().Overflows; n != 0 {
			t.Errorf("%d overflows", n)
		}
	})
}

// TestBacklog: frames count as well as bytes, and nothing for those who are behind.
func TestBacklog(t *testing.T) {
	t.Parallel()
	b := newBacklog(newShards(), 1000)
	for _, step := range []struct {
		frames int
		bytes  int64
		far    bool
	}{
		{10, 999, false},
		{0, 1 << 30, false},
		{1, 1, true},
		{1, 999, false},
		{framesMost - 1, 0, true},
		{framesMost - 1, 0, false},
		{1, 0, true},
		{1, 5000, true},
		{1, 0, false},
	} {
		if far := b.published(step.frames, step.bytes); far != step.far {
			t.Errorf("%+v: far %t", step, far)
		}
	}
}

// TestPublish_healthy: whoever takes what it is sent never overflows, however much is
// published at once, however long writing takes and however deaf others are. Nobody
// waits for the deaf.
func TestPublish_healthy(t *testing.T) {
	t.Parallel()
	for _, queue := range []int64{64 << 10, DefaultQueueBytes, 8 << 20} {
		t.Run(fmt.Sprint(queue), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const healthy, deaf, events, size = fewWoken + 1, 5, 5_000, 8 << 10
				f := setup(t, Options{QueueBytes: queue, HistoryBytes: 1 << 20})
				var counters []*counter
				for range healthy {
					c := &counter{}
					s := f.enter(SubscriberOptions{Outlet: c})
					f.join(s, JoinRequest{Topics: []string{"a"}})
					s.Resume()
					counters = append(counters, c)
				}
				for range deaf {
					f.choked(Plain, "a")
				}
				item := Item{Topics: []string{"a"}, Data: fmt.Appendf(nil, "%0*d", size, 0), XID: 1}
				f.hub.Publish(Batch{Items: slices.Repeat([]Item{item}, events), Snapshot: snapshot.New(2)})
				<-time.After(time.Hour)
				synctest.Wait()
				for _, c := range counters {
					if c.n != events {
						t.Errorf("%d events of %d", c.n, events)
					}
				}
				if n := f.hub.Stats().Overflows; n != deaf {
					t.Errorf("%d overflows, want those of %d deaf", n, deaf)
				}
			})
		})
	}
}

// counter is an outlet that takes everything, and its time.
type counter struct{ n int }

func (c *counter) Send(frames []Frame) bool {
	<-time.After(time.Millisecond)
	c.n += len(frames)
	return true
}

func (*counter) End(error) {}

// TestShard_fair: who has much to get keeps the others of its shard waiting for a
// visit's pieces, and no longer.
func TestShard_fair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(t, Options{})
		for range 3 * visitPieces {
			f.big(pieceBytes, "long")
		}
		f.publish(1, "short")
		long, short := f.attach(Plain), f.attach(Plain)
		f.join(long.sub, JoinRequest{Topics: []string{"long"}, Since: new(cursorAt(0))})
		f.join(short.sub, JoinRequest{Topics: []string{"short"}, Since: new(cursorAt(0))})
		long.mine, short.mine = true, true
		var pieces int
		short.sending = func() { pieces = long.calls() }
		long.sub.shard.add(long.sub, short.sub)
		synctest.Wait()
		if pieces != visitPieces || long.calls() != 3*visitPieces {
			t.Errorf("the short one came after %d pieces of %d, want %d", pieces, long.calls(), visitPieces)
		}
	})
}

// TestShards: a subscriber stays in its own, and all have some.
func TestShards(t *testing.T) {
	t.Parallel()
	f := setup(t, Options{})
	members := map[*shard]int{}
	for range 10 * len(f.hub.shards.all) {
		members[f.subscribe(Plain).shard]++
	}
	for _, sh := range f.hub.shards.all {
		if members[sh] != 10 {
			t.Errorf("shard %d has %d subscribers", sh.number, members[sh])
		}
	}
}
