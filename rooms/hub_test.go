package rooms

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/internal/snapshot"
)

func TestHub(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, f *fixture){
		"members_get_their_topics_events": func(_ *testing.T, f *fixture) {
			a, b := f.member("a"), f.member("b")
			f.publish(1, "a")
			f.publish(1, "b")
			f.publish(1, "c")
			f.want(a, "1")
			f.want(b, "2")
		},
		"an_event_in_several_rooms_comes_once": func(_ *testing.T, f *fixture) {
			s := f.member("a", "b")
			f.publish(2, "a", "b", "c")
			f.want(s, "1 2")
		},
		"joining_twice_is_joining_once": func(_ *testing.T, f *fixture) {
			s := f.member("a", "a")
			f.join(s, JoinRequest{Topics: []string{"a"}})
			f.publish(1, "a")
			f.want(s, "1")
		},
		"who_leaves_hears_no_more": func(t *testing.T, f *fixture) {
			s, other := f.member("a", "b"), f.member("a")
			if left := s.Leave([]string{"a", "x"}); len(left) != 1 || left[0] != "a" {
				t.Errorf("left %v", left)
			}
			f.publish(1, "a")
			f.publish(1, "b")
			f.want(s, "2")
			f.want(other, "1")
		},
		"joined_stands_before_the_topics_first_event": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Denied: map[string]Denial{"z": {Forbidden, "no"}}})
			f.publish(1, "a")
			f.join(s, JoinRequest{Topics: []string{"b"}})
			f.publish(1, "b")
			f.want(s, "joined(a z:forbidden) 1 joined(b) 2")
		},
		"control_frames_keep_their_place": func(t *testing.T, f *fixture) {
			s := f.member("a")
			f.publish(1, "a")
			if err := s.Control([]byte(`{"type":"$pong"}`)); err != nil {
				t.Error(err)
			}
			f.publish(1, "a")
			f.want(s, "1 $pong 2")
		},
		"a_resync_names_only_topics_of_the_connection": func(_ *testing.T, f *fixture) {
			s, none, all := f.member("topic_1", "topic_2", "b"), f.member("c"), f.member("b", "c")
			f.resync(Bulk, "topic_*", "x")
			f.want(s, "resync(topic_1,topic_2 bulk)")
			f.want(none, "")
			f.resync(SourceGap, "*")
			f.want(all, "resync(b,c source_gap)")
		},
		"a_resync_before_the_join_is_not_for_the_topic": func(_ *testing.T, f *fixture) {
			s := f.member("a")
			f.resync(Bulk, "*")
			f.join(s, JoinRequest{Topics: []string{"b"}})
			f.want(s, "resync(a bulk)")
		},
		"a_restart_tells_everyone_once": func(_ *testing.T, f *fixture) {
			s, both := f.member("a"), f.member("a", "b")
			f.publish(1, "a")
			f.hub.Reset(Reset{Epoch: "e2", Snapshot: snapshot.New(1), Floor: snapshot.New(1), Restart: true})
			f.want(s, "resync(a source_gap)")
			f.want(both, "resync(a,b source_gap)")
			old := f.subscribe(Library)
			f.join(old, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(1))})
			f.want(old, "joined(a replayed=0 recovered=false) resync(a cursor_foreign)")
		},
		"a_restart_answers_the_join_it_breaks": func(_ *testing.T, f *fixture) {
			f.publish(2, "a")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			f.hub.Reset(Reset{Epoch: "e2", Snapshot: snapshot.New(1), Floor: snapshot.New(1), Restart: true})
			f.want(s, "joined(a replayed=0 recovered=false) resync(a source_gap)")
		},
		"a_closed_hub_takes_no_subscriber": func(t *testing.T, f *fixture) {
			s := f.member("a")
			f.hub.Close()
			if _, err := f.hub.Subscribe(SubscriberOptions{}); !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
			f.publish(1, "a")
			f.want(s, "1")
		},
		"finish_drains_then_ends": func(t *testing.T, f *fixture) {
			s, cause := f.member("a"), errors.New("over")
			f.publish(1, "a")
			s.Finish(ByeFrame(1012, true, time.Second), cause)
			f.publish(1, "a")
			if err := s.Control(nil); !errors.Is(err, cause) {
				t.Errorf("control: %v", err)
			}
			f.want(s, "1 $bye")
			if _, err := s.Next(t.Context(), nil); !errors.Is(err, cause) || !errors.Is(s.Err(), cause) {
				t.Errorf("next: %v, err: %v", err, s.Err())
			}
		},
		"close_drops_what_waits": func(t *testing.T, f *fixture) {
			s, cause := f.member("a"), errors.New("over")
			f.publish(1, "a")
			s.Close(cause)
			s.Close(errors.New("again"))
			if _, err := s.Next(t.Context(), nil); !errors.Is(err, cause) {
				t.Errorf("next: %v", err)
			}
			if err := s.Join(t.Context(), JoinRequest{Topics: []string{"a"}}); !errors.Is(err, cause) {
				t.Errorf("join: %v", err)
			}
			if st := f.hub.Stats(); st.Rooms+st.Subscribers+st.Memberships != 0 {
				t.Errorf("left behind: %+v", st)
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setup(t, Options{}))
		})
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, f *fixture){
		"since_replays_what_the_cursor_does_not_see": func(_ *testing.T, f *fixture) {
			f.publish(5, "a")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(4, 2))})
			f.publish(1, "a")
			f.want(s, "2 5 joined(a replayed=2 recovered=true) 6")
		},
		"live_events_are_held_behind_the_replay": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"b"}})
			f.publish(2, "a")
			f.publish(1, "b")
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			f.publish(1, "b")
			f.publish(1, "a", "b")
			f.want(s, "joined(b) 3 1 2 joined(a replayed=2 recovered=true) 4 5")
		},
		"joining_again_since_replays": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}})
			f.publish(1, "a")
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			f.publish(1, "a")
			f.want(s, "joined(a) 1 1 joined(a replayed=1 recovered=true) 2")
		},
		"the_plain_level_is_told_of_gaps_only": func(_ *testing.T, f *fixture) {
			f.publish(1, "a")
			s := f.subscribe(Plain)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			f.join(s, JoinRequest{Topics: []string{"b"}, Since: new("not a cursor")})
			f.want(s, "1 resync(b cursor_foreign)")
		},
		"a_resync_in_the_history_is_replayed_too": func(_ *testing.T, f *fixture) {
			f.publish(1, "topic_1")
			f.resync(Bulk, "topic_*")
			f.publish(1, "topic_1")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"topic_1", "b"}, Since: new(cursorAt(0))})
			f.want(s, "1 resync(topic_1 bulk) 3 joined(topic_1,b replayed=2 recovered=true)")
		},
		"what_is_not_in_the_log_is_live_only": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			item := event(1, "a")
			item.XID, item.Cursor = 0, ""
			f.hub.Publish(Batch{Items: []Item{item}, Partial: true})
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			f.want(s, "joined(a replayed=0 recovered=true)")
		},
		"an_unfinished_batch_is_replayed_but_not_seen": func(t *testing.T, f *fixture) {
			f.hub.Publish(Batch{Items: []Item{event(1, "a")}, Snapshot: snapshot.New(3), Partial: true})
			if got := f.hub.Cursor(); got != cursorAt(0) {
				t.Error("the cursor moved before the batch was whole")
			}
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			f.hub.Publish(Batch{Items: []Item{event(2, "a")}, Snapshot: snapshot.New(3)})
			f.want(s, "1 joined(a replayed=1 recovered=true) 2")
			if got := f.hub.Cursor(); got != cursorAt(2) {
				t.Error("the cursor did not move")
			}
		},
		"another_epoch_is_foreign": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			c := snapshot.Cursor{Epoch: "other", Snapshot: snapshot.New(1)}.Encode()
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: &c})
			f.want(s, "joined(a replayed=0 recovered=false) resync(a cursor_foreign)")
		},
		"ahead_without_refresh_is_foreign": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(1))})
			f.want(s, "joined(a replayed=0 recovered=false) resync(a cursor_foreign)")
		},
		"nothing_joined_is_nothing_lost": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Denied: map[string]Denial{"z": {Forbidden, "no"}}, Since: new("?")})
			f.want(s, "joined( z:forbidden replayed=0 recovered=true)")
		},
		"the_loaded_history_answers_as_its_events_were_read": func(t *testing.T, f *fixture) {
			items := []Item{event(4, "a"), event(7, "a"), event(5, "a")}
			f.hub.Reset(Reset{Epoch: "e1", Snapshot: snapshot.New(9, 6), Floor: snapshot.New(4), History: items})
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(5))})
			f.join(s, JoinRequest{Topics: []string{"b"}, Since: new(cursorAt(3))})
			f.join(s, JoinRequest{Topics: []string{"c"}, Since: new(cursorAt(2))})
			f.want(s, "7 joined(a replayed=1 recovered=true) joined(b replayed=0 recovered=true) "+
				"joined(c replayed=0 recovered=false) resync(c cursor_expired)")
			f.hub.history.limit = items2Size(f)
			f.hub.sweep()
			f.join(s, JoinRequest{Topics: []string{"d"}, Since: new(cursorAt(3))})
			f.join(s, JoinRequest{Topics: []string{"e"}, Since: new(cursorAt(4))})
			f.want(s, "joined(d replayed=0 recovered=false) resync(d cursor_expired) joined(e replayed=0 recovered=true)")
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setup(t, Options{}))
		})
	}
}

// items2Size is a limit that drops exactly the oldest entry.
func items2Size(f *fixture) int64 { return f.hub.history.bytes - 1 }

func TestSlowSubscriber(t *testing.T) {
	t.Parallel()
	pong := []byte(`{"type":"$pong"}`)
	size := int64(len(event(1).Data))
	tests := map[string]func(t *testing.T, f *fixture){
		"replays_from_the_first_event_dropped": func(t *testing.T, f *fixture) {
			s := f.member("a")
			f.publish(9, "a", "b")
			if st := f.hub.Stats(); st.QueuedBytes != 0 || st.Overflows != 1 {
				t.Errorf("stats %+v", st)
			}
			f.want(s, "1 2 3 4 5 6 7 8 9")
			f.publish(1, "a")
			f.want(s, "10")
		},
		"is_live_again_at_the_head": func(t *testing.T, f *fixture) {
			s := f.member("a")
			f.publish(4, "a")
			if _, err := s.take(nil); err != nil || s.behind() != nil {
				t.Error("still behind")
			}
		},
		"keeps_its_control_frames_in_place": func(_ *testing.T, f *fixture) {
			s := f.member("a")
			f.publish(2, "a")
			_ = s.Control(pong)
			f.publish(3, "a")
			_ = s.Control(pong)
			f.publish(1, "a")
			f.want(s, "1 2 $pong 3 4 5 $pong 6")
		},
		"gets_any_one_frame_when_nothing_waits": func(t *testing.T, f *fixture) {
			s := f.member("a")
			item := event(1, "a")
			item.Data = []byte(`{"type":"t","id":"big","payload":{"x":"` + strings.Repeat("x", 1000) + `"}}`)
			f.hub.Publish(Batch{Items: []Item{item}, Snapshot: snapshot.New(2)})
			if s.behind() != nil {
				t.Error("went behind")
			}
			f.want(s, "big")
		},
		"is_told_once_when_the_history_has_passed_on": func(_ *testing.T, f *fixture) {
			s := f.member("a", "b")
			f.publish(1, "a")
			_ = s.Control(pong)
			f.publish(4, "a")
			_ = s.Control(pong)
			f.publish(40, "c")
			f.want(s, "resync(a,b slow_consumer) $pong $pong")
			f.publish(1, "a")
			f.want(s, "46")
		},
		"is_not_told_of_what_is_not_for_it": func(_ *testing.T, f *fixture) {
			s := f.member("a")
			f.publish(1, "a")
			f.publish(18, "b")
			f.publish(3, "a")
			f.publish(3, "b")
			f.want(s, "1 20 21 22")
		},
		"gets_topics_joined_meanwhile_from_the_join_on": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}})
			f.publish(4, "a")
			f.publish(1, "b")
			f.join(s, JoinRequest{Topics: []string{"b"}})
			f.publish(1, "b")
			f.publish(1, "a", "b")
			f.want(s, "joined(a) 1 2 3 4 joined(b) 6 7")
		},
		"keeps_the_order_of_replay_and_live": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}})
			f.publish(2, "b")
			f.publish(4, "a")
			f.join(s, JoinRequest{Topics: []string{"b"}, Since: new(cursorAt(1))})
			f.publish(5, "a", "b")
			f.want(s, "joined(a) 3 4 5 6 2 joined(b replayed=1 recovered=true) 7 8 9 10 11")
		},
		"loses_a_replay_to_eviction_and_says_so": func(_ *testing.T, f *fixture) {
			f.publish(3, "a")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			f.publish(40, "c")
			f.want(s, "joined(a replayed=0 recovered=false) resync(a history_gap)")
		},
		"hears_of_a_resync_it_was_too_slow_for": func(_ *testing.T, f *fixture) {
			s := f.member("a")
			f.publish(4, "a")
			f.resync(Bulk, "*")
			f.publish(1, "a")
			f.want(s, "1 2 3 4 resync(a bulk) 6")
		},
		"drops_nothing_of_another": func(_ *testing.T, f *fixture) {
			slow, quick := f.member("a"), f.member("a")
			for i := range 5 {
				f.publish(1, "a")
				f.want(quick, string(rune('1'+i)))
			}
			f.want(slow, "1 2 3 4 5")
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, Options{QueueBytes: 3*size + 8, HistoryBytes: 20 * 420})
			test(t, f)
		})
	}
}

func TestAhead(t *testing.T) {
	t.Parallel()

	t.Run("one_reading_for_all_who_wait", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f *fixture
			calls := 0
			f = setup(t, Options{Refresh: func(context.Context) error {
				calls++
				time.Sleep(time.Second)
				f.publish(2-calls, "a")
				return nil
			}})
			var subs []*Subscriber
			for range 10 {
				s := f.subscribe(Library)
				subs = append(subs, s)
				go f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(1))})
			}
			synctest.Wait()
			time.Sleep(3 * time.Second)
			for _, s := range subs {
				f.want(s, "joined(a replayed=0 recovered=true)")
			}
			// The first reading began when only one had asked.
			if calls > 2 {
				t.Errorf("%d readings", calls)
			}
		})
	})
	t.Run("a_reading_that_began_before_does_not_answer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f *fixture
			f = setup(t, Options{Refresh: func(context.Context) error {
				time.Sleep(time.Second)
				f.publish(1, "a")
				return nil
			}})
			first, second := f.subscribe(Library), f.subscribe(Library)
			go f.join(first, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(1))})
			synctest.Wait()
			go f.join(second, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(2))})
			time.Sleep(3 * time.Second)
			f.want(second, "joined(a replayed=0 recovered=true)")
		})
	})
	t.Run("still_ahead_is_foreign", func(t *testing.T) {
		t.Parallel()
		f := setup(t, Options{Refresh: func(context.Context) error { return nil }})
		s := f.subscribe(Library)
		f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(5))})
		f.want(s, "joined(a replayed=0 recovered=false) resync(a cursor_foreign)")
	})
	t.Run("unavailable_when_the_database_stays_away", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := setup(t, Options{JoinWait: 10 * time.Second, Refresh: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}})
			began := time.Now()
			s, plain := f.subscribe(Library), f.subscribe(Plain)
			go func() {
				if err := plain.Join(t.Context(), JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(5))}); !errors.Is(err, ErrUnavailable) {
					t.Errorf("plain: %v", err)
				}
			}()
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(5))})
			f.publish(1, "a")
			f.want(s, "joined( a:unavailable replayed=0 recovered=true)")
			if d := time.Since(began); d != 10*time.Second {
				t.Errorf("waited %s", d)
			}
			synctest.Wait()
		})
	})
	t.Run("who_gives_up_takes_no_other_along", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f *fixture
			f = setup(t, Options{Refresh: func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
					f.publish(1, "a")
					return nil
				}
			}})
			ctx, cancel := context.WithCancel(t.Context())
			s, other := f.subscribe(Library), f.subscribe(Library)
			r := JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(1))}
			go func() {
				if err := s.Join(ctx, r); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			}()
			synctest.Wait()
			go f.join(other, r)
			synctest.Wait()
			cancel()
			time.Sleep(5 * time.Second)
			f.want(other, "joined(a replayed=0 recovered=true)")
			f.want(s, "")
		})
	})
}
