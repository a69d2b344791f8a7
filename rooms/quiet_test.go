package rooms

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/internal/snapshot"
)

func TestQuiet(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options Options
		test    func(t *testing.T, f *fixture)
	}{
		"a_quiet_connection_is_given_a_cursor": {Options{}, func(_ *testing.T, f *fixture) {
			library, stream, plain := f.subscribe(Library), f.subscribe(Stream), f.subscribe(Plain)
			f.pass(24 * time.Second)
			f.want(library, "")
			f.publish(1, "x")
			f.pass(11 * time.Second)
			f.want(library, "$ping("+cursorAt(1)+")")
			f.want(stream, "$ping("+cursorAt(1)+")")
			f.want(plain, "")
		}},
		"events_are_cursor_enough": {Options{}, func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}})
			f.want(s, "joined(a)")
			for _, want := range []string{"1", "2", "3"} {
				f.pass(20 * time.Second)
				f.publish(1, "a")
				f.want(s, want)
			}
		}},
		"events_without_a_cursor_are_not": {Options{}, func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}})
			f.want(s, "joined(a)")
			f.pass(20 * time.Second)
			item := event(9, "a")
			item.XID, item.Cursor = 0, ""
			f.hub.Publish(Batch{Items: []Item{item}, Partial: true})
			f.want(s, "9")
			f.pass(10 * time.Second)
			f.want(s, "$ping("+cursorAt(0)+")")
		}},
		"nobody_is_pinged_who_is_not_known_yet": {Options{}, func(_ *testing.T, f *fixture) {
			s := f.enter(SubscriberOptions{Level: Library, Guarded: true})
			f.pass(time.Minute)
			f.want(s, "")
			s.Identify("")
			f.pass(time.Minute)
			f.want(s, "$ping("+cursorAt(0)+")")
		}},
		"nobody_is_pinged_behind_what_waits": {Options{}, func(_ *testing.T, f *fixture) {
			s := f.member("a")
			s.level = Library
			f.publish(1, "a")
			f.pass(time.Minute)
			f.want(s, "1")
		}},
		"a_large_buffer_is_not_kept": {Options{}, func(t *testing.T, f *fixture) {
			s := f.member("a")
			time.AfterFunc(time.Second, func() { f.publish(1, "a") })
			frames, err := s.Next(t.Context(), make([]Frame, 0, 2*keptQueue))
			if err != nil || len(frames) != 1 || cap(frames) > keptQueue {
				t.Errorf("%d frames in memory for %d, %v", len(frames), cap(frames), err)
			}
		}},
		"a_short_history_makes_pings_come_sooner": {Options{HistoryBytes: 10 * 300}, func(t *testing.T, f *fixture) {
			s := f.subscribe(Library)
			for range 40 { // the history spans ten of these seconds
				f.publish(1, "x")
				f.pass(time.Second)
			}
			f.frames(s)
			f.pass(6 * time.Second)
			if f.frames(s) == "" {
				t.Error("no ping")
			}
		}},
		"dropping_what_was_loaded_threatens_no_cursor": {Options{HistoryBytes: 2 * 300}, func(_ *testing.T, f *fixture) {
			f.pass(time.Second)
			f.hub.Reset(Reset{Epoch: "e1", Snapshot: snapshot.New(9), History: []Item{event(1, "a"), event(2, "a"), event(3, "a")}})
			s := f.subscribe(Library)
			f.pass(20 * time.Second)
			f.want(s, "")
		}},
		"history_is_dropped_by_age": {Options{HistoryAge: time.Minute}, func(t *testing.T, f *fixture) {
			f.publish(1, "a")
			f.pass(30 * time.Second)
			f.publish(1, "a")
			f.pass(40 * time.Second)
			if st := f.hub.Stats(); st.HistoryItems != 1 || st.HistoryAge != 40*time.Second {
				t.Errorf("stats %+v", st)
			}
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(1))})
			f.want(s, "joined(a replayed=0 recovered=false) resync(a cursor_expired) 2 joined(a replayed=1 recovered=true)")
		}},
		"lookback_replays_what_was_published_since": {Options{}, func(_ *testing.T, f *fixture) {
			f.pass(time.Minute)
			f.publish(1, "a")
			f.pass(2 * time.Second)
			f.publish(1, "a", "b")
			f.pass(time.Second)
			f.publish(1, "b")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Lookback: new(2500 * time.Millisecond)})
			f.join(s, JoinRequest{Topics: []string{"b"}, Lookback: new(time.Duration(0))})
			f.want(s, "2 joined(a replayed=1 recovered=true) 3 joined(b replayed=1 recovered=true)")
		}},
		"lookback_has_its_limit": {Options{Lookback: 2 * time.Second}, func(_ *testing.T, f *fixture) {
			f.pass(time.Minute)
			f.publish(1, "a")
			f.pass(3 * time.Second)
			f.publish(1, "a")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Lookback: new(2 * time.Second)})
			f.join(s, JoinRequest{Topics: []string{"a"}, Lookback: new(2*time.Second + 1)})
			f.want(s, "2 joined(a replayed=1 recovered=true) joined(a replayed=0 recovered=false) resync(a history_gap)")
		}},
		"lookback_beyond_the_hubs_life_is_a_gap": {Options{}, func(_ *testing.T, f *fixture) {
			f.pass(time.Second)
			f.publish(1, "a")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Lookback: new(2 * time.Second)})
			f.want(s, "joined(a replayed=0 recovered=false) resync(a history_gap)")
		}},
		"lookback_beyond_the_history_is_a_gap": {Options{HistoryBytes: 3 * 420}, func(_ *testing.T, f *fixture) {
			f.pass(time.Minute)
			f.publish(5, "a")
			f.pass(time.Second)
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Lookback: new(2 * time.Second)})
			f.join(s, JoinRequest{Topics: []string{"a"}, Lookback: new(time.Second)})
			f.want(s, "joined(a replayed=0 recovered=false) resync(a history_gap) "+
				"joined(a replayed=0 recovered=false) resync(a history_gap)")
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := setup(t, test.options)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- f.hub.Run(ctx) }()
				test.test(t, f)
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("run: %v", err)
				}
			})
		})
	}
}

// pass lets time pass; what is due then has happened.
func (f *fixture) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
