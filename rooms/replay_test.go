package rooms

import (
	"errors"
	"testing"

	"rowcast/internal/snapshot"
)

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
		"a_cursor_is_answered_that_sees_the_last_batch_dropped": func(_ *testing.T, f *fixture) {
			// Batches of two transactions; 2 was in progress when 1 was read.
			f.hub.Publish(Batch{Items: []Item{event(1, "a"), event(3, "a")}, Snapshot: snapshot.New(4, 2)})
			f.hub.Publish(Batch{Items: []Item{event(2, "a"), event(4, "a")}, Snapshot: snapshot.New(5)})
			f.hub.history.limit = f.hub.history.bytes - 1 // the oldest goes
			f.hub.sweep()
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"below"}, Since: new(cursorAt(1))})
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(3, 2))})
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(4, 2, 4))})
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(4, 3))})
			f.want(s, "joined(below replayed=0 recovered=false) resync(below cursor_expired) "+
				"2 4 joined(a replayed=2 recovered=true) 2 4 joined(a replayed=2 recovered=true) "+
				"joined(a replayed=0 recovered=false) resync(a cursor_expired)")
		},
		"an_item_beyond_its_batch_is_replayed_until_it_is_seen": func(_ *testing.T, f *fixture) {
			f.publish(2, "a")
			f.hub.Publish(Batch{Items: []Item{{Topics: []string{"a"}, Reason: SourceGap, XID: 3}}, Snapshot: snapshot.New(3), Partial: true})
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(2))})
			f.want(s, "resync(a source_gap) joined(a replayed=0 recovered=true)")
			f.xid++
			f.publish(1, "b")
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(4, 3))})
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(4))})
			f.want(s, "resync(a source_gap) joined(a replayed=0 recovered=true) joined(a replayed=0 recovered=true)")
			f.hub.history.limit = 0
			f.hub.sweep()
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(4, 3))})
			f.want(s, "joined(a replayed=0 recovered=false) resync(a cursor_expired)")
		},
		"an_answer_has_the_cursor_of_its_place": func(t *testing.T, f *fixture) {
			f.publish(2, "a")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
			f.publish(1, "a")
			frames, _, err := s.take(nil)
			if err != nil || len(frames) != 4 || frames[2].Cursor != cursorAt(2) || frames[3].Cursor != cursorAt(3) {
				t.Errorf("got %+v, %v", frames, err)
			}
		},
		"a_topic_named_twice_is_replayed_once": func(t *testing.T, f *fixture) {
			f.publish(2, "a", "a", "b")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a", "b"}, Since: new(cursorAt(0))})
			f.want(s, "1 2 joined(a,b replayed=2 recovered=true)")
			f.hub.history.limit = 0
			f.hub.sweep()
			if st := f.hub.Stats(); st.HistoryItems != 0 || st.HistoryBytes != 0 || len(f.hub.history.topics) != 0 {
				t.Errorf("stats %+v, topics %v", st, f.hub.history.topics)
			}
		},
		"what_was_seen_is_passed_over_in_pieces": func(t *testing.T, f *fixture) {
			f.publish(3000, "a")
			s, over := f.subscribe(Library), errors.New("over")
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(3000, 1))})
			s.Finish(nil, over)
			for _, want := range []string{"1", "joined(a replayed=1 recovered=true)"} {
				frames, err := s.Next(t.Context(), nil)
				if err != nil || len(frames) != 1 || word(t, frames[0]) != want {
					t.Fatalf("got %d frames, %v, want %s", len(frames), err, want)
				}
			}
			if _, err := s.Next(t.Context(), nil); !errors.Is(err, over) {
				t.Errorf("end: %v", err)
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
			f.hub.history.limit = f.hub.history.bytes - 1 // the oldest goes
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

func TestReplayBytes(t *testing.T) {
	t.Parallel()
	size := int64(len(event(1).Data))
	f := setup(t, Options{ReplayBytes: 3 * size})
	f.publish(3, "a")
	s, plain := f.subscribe(Library), f.subscribe(Plain)
	f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
	f.publish(1, "a")
	f.join(s, JoinRequest{Topics: []string{"b"}, Since: new(cursorAt(0))})
	f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
	f.join(plain, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0))})
	f.publish(1, "a")
	f.want(s, "1 2 3 joined(a replayed=3 recovered=true) 4 joined(b replayed=0 recovered=true) "+
		"1 2 3 joined(a replayed=3 recovered=false) resync(a history_gap) 5")
	f.want(plain, "1 2 3 resync(a history_gap) 5")
}
