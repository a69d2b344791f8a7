package rooms

import (
	"fmt"
	"slices"
	"testing"

	"rowcast/internal/snapshot"
)

// TestLeave: a $left stands behind all that was published before it for the topics
// it names, whatever else waits, and before nothing.
func TestLeave(t *testing.T) {
	t.Parallel()
	since := func(topic string, xid uint64) JoinRequest {
		return JoinRequest{Topics: []string{topic}, Since: new(cursorAt(xid))}
	}
	tests := map[string]struct {
		do   func(f *fixture, s *Subscriber) // s is in a and b, and four events of a put it behind
		want string
	}{
		"names_what_was_left": {func(_ *fixture, s *Subscriber) {
			s.Leave(nil, []string{"b", "x", "a", "a"})
			s.Leave(nil, []string{"a"})
		}, "1 2 3 4 left(b,a) left()"},
		"several_at_once_or_one_by_one": {func(f *fixture, s *Subscriber) {
			f.join(s, JoinRequest{Topics: []string{"c"}})
			f.publish(4, "a", "b", "c")
			s.Leave(nil, []string{"a", "b"})
			f.publish(4, "a", "b", "c")
			s.Leave(nil, []string{"c"})
			f.publish(4, "a", "b", "c")
		}, "1 2 3 4 joined(c) 5 6 7 8 left(a,b) 9 10 11 12 left(c)"},
		"each_stay_is_one_of_its_own": {func(f *fixture, s *Subscriber) {
			for range 2 {
				s.Leave(nil, []string{"a"})
				f.publish(4, "a", "b")
				f.join(s, JoinRequest{Topics: []string{"a"}})
				f.publish(4, "a")
			}
		}, "1 2 3 4 left(a) 5 6 7 8 joined(a) 9 10 11 12 left(a) 13 14 15 16 joined(a) 17 18 19 20"},
		"comes_back_with_a_replay": {func(f *fixture, s *Subscriber) {
			s.Leave(nil, []string{"a"})
			f.publish(2, "a")
			f.join(s, since("a", 4))
			f.publish(4, "a")
			s.Leave(nil, []string{"a"})
			f.publish(1, "a")
		}, "1 2 3 4 left(a) 5 6 joined(a replayed=2 recovered=true) 7 8 9 10 left(a)"},
		"while_replays_wait": {func(f *fixture, s *Subscriber) {
			f.join(s, since("a", 2))
			f.publish(1, "c")
			f.join(s, since("c", 0))
			s.Leave(nil, []string{"a", "c"})
			f.publish(1, "a", "c")
		}, "1 2 3 4 3 4 joined(a replayed=2 recovered=true) 5 joined(c replayed=1 recovered=true) left(a,c)"},
		"while_a_replay_waits_that_tells_of_a_resync": {func(f *fixture, s *Subscriber) {
			f.resync(Bulk, "*")
			f.join(s, since("c", 4))
			s.Leave(nil, []string{"a", "c"})
			f.resync(Bulk, "*")
		}, "1 2 3 4 resync(a,b bulk) resync(c bulk) joined(c replayed=0 recovered=true) left(a,c) resync(b bulk)"},
		"overflows_again_between": {func(f *fixture, s *Subscriber) {
			s.Leave(nil, []string{"a"})
			f.publish(2, "a", "b")
			s.Leave(nil, []string{"b"})
			f.join(s, JoinRequest{Topics: []string{"c"}})
			f.publish(4, "a", "b", "c")
		}, "1 2 3 4 left(a) 5 6 left(b) joined(c) 7 8 9 10"},
		"and_loses_it": {func(f *fixture, s *Subscriber) {
			s.Leave(nil, []string{"a"})
			f.publish(1, "a")
			f.access(Revoked, "*", "a")
			f.publish(1, "a")
		}, "1 2 3 4 left(a)"},
		"that_it_lost": {func(f *fixture, s *Subscriber) {
			f.access(Revoked, "*", "a")
			f.publish(1, "a")
			s.Leave(nil, []string{"a"})
		}, "1 2 3 4 left(a revoked) left()"},
		"before_its_end": {func(f *fixture, s *Subscriber) {
			s.Leave(nil, []string{"a"})
			f.publish(4, "a", "b")
			s.Finish([]byte(`{"type":"$bye"}`), nil)
			f.publish(1, "b")
			s.Leave(nil, []string{"b"})
		}, "1 2 3 4 left(a) 5 6 7 8 $bye"},
		"too_late_for_the_history": {func(f *fixture, s *Subscriber) {
			s.Leave(nil, []string{"a"})
			f.publish(40, "c")
			f.publish(1, "a", "b")
		}, "resync(a,b slow_consumer) left(a) 45"},
		"in_an_epoch_that_ends": {func(f *fixture, s *Subscriber) {
			s.Leave(nil, []string{"a"})
			f.hub.Reset(Reset{Epoch: "e2", Snapshot: snapshot.New(1), Floor: snapshot.New(1), Restart: true})
		}, "left(a) resync(b source_gap)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, Options{QueueBytes: 3*int64(len(event(1).Data)) + 8, HistoryBytes: 30 * 420})
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a", "b"}})
			f.publish(4, "a")
			test.do(f, s)
			f.want(s, "joined(a,b) "+test.want)
			if len(s.past) != 0 || s.bytes != 0 {
				t.Errorf("%d memberships are left over, and %d bytes", len(s.past), s.bytes)
			}
		})
	}
}

// TestLeave_answer: it is counted as one, and carries the ref.
func TestLeave_answer(t *testing.T) {
	t.Parallel()
	f := setup(t, Options{})
	s := f.subscribe(Library)
	f.join(s, JoinRequest{Topics: []string{"a"}})
	s.Leave([]byte(`7`), []string{"a"})
	frames, _, err := s.take(nil)
	if err != nil || len(frames) != 2 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	if f := frames[1]; f.Kind != Control || string(f.Data) != `{"type":"$left","ref":7,"payload":{"topics":["a"]}}` {
		t.Errorf("%d %s", f.Kind, f.Data)
	}
}

// TestLeave_churn: who is behind, leaves and joins all the time makes no replay
// walk more trails than it had topics, and holds no more than what it is owed.
func TestLeave_churn(t *testing.T) {
	t.Parallel()
	const churn = 50
	f := setup(t, Options{QueueBytes: 1})
	s := f.subscribe(Library)
	f.join(s, JoinRequest{Topics: []string{"a", "b"}})
	f.publish(4, "a", "b")
	for range churn {
		s.Leave(nil, []string{"a", "b"})
		f.join(s, JoinRequest{Topics: []string{"b", "a"}})
		f.publish(1, "a", "b")
		f.publish(1, "b")
	}
	spans := 0
	for _, e := range slices.Clone(s.queue) {
		if e.span != nil {
			spans++
			if n := len(s.trails(e.span)); n != 3 {
				t.Errorf("%d trails, want those of two topics, and the resyncs", n)
			}
		}
		if e.frame != nil {
			s.past = s.past[e.frame.ended:]
		}
	}
	if spans != churn+1 || len(s.past) != 0 {
		t.Errorf("%d spans, %d memberships left over", spans, len(s.past))
	}
}

// TestRestart_cursor: nobody holds a cursor of the new epoch before they were told
// what the old one may have kept from them.
func TestRestart_cursor(t *testing.T) {
	t.Parallel()
	for _, leaves := range []bool{false, true} {
		t.Run(fmt.Sprintf("leaves=%t", leaves), func(t *testing.T) {
			t.Parallel()
			f := setup(t, Options{QueueBytes: 1})
			f.publish(1, "b")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}})
			f.publish(2, "a")
			f.join(s, JoinRequest{Topics: []string{"b"}, Since: new(cursorAt(0))})
			if leaves {
				s.Leave(nil, []string{"a"})
			}
			f.hub.Reset(Reset{Epoch: "e2", Snapshot: snapshot.New(1), Floor: snapshot.New(1), Restart: true})
			var frames []Frame
			for more, _, _ := s.take(nil); len(more) > 0; more, _, _ = s.take(nil) {
				frames = append(frames, more...)
			}
			if len(frames) != 4 { // both $joined and a $resync, then $left or another $resync
				t.Errorf("%d frames", len(frames))
			}
			for n, frame := range frames {
				c, err := snapshot.DecodeCursor(frame.Cursor)
				if err != nil && frame.Cursor != "" {
					t.Fatal(err)
				}
				told := !leaves && n == len(frames)-1
				if (c.Epoch == "e2") != told {
					t.Errorf("%s with a cursor of %q", frame.Data, c.Epoch)
				}
			}
		})
	}
}
