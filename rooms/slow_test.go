package rooms

import (
	"strings"
	"testing"

	"rowcast/internal/snapshot"
)

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
			if _, _, err := s.take(nil); err != nil || s.behind() != nil {
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
		"is_told_with_the_cursor_of_what_was_passed_over": func(t *testing.T, f *fixture) {
			s := f.member("a")
			f.publish(5, "a")
			_ = s.Control(pong)
			f.publish(40, "c")
			frames, _, err := s.take(nil)
			if err != nil || len(frames) != 2 || frames[0].Kind != Resync || frames[0].Cursor != cursorAt(5) {
				t.Errorf("got %+v, %v", frames, err)
			}
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
		"skips_nothing_of_a_topic_that_it_leaves": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a", "b"}})
			f.publish(4, "a")
			f.publish(1, "b")
			s.Leave(nil, []string{"a"})
			f.publish(1, "a")
			f.publish(1, "b")
			f.want(s, "joined(a,b) 1 2 3 4 5 left(a) 7")
		},
		"leaves_and_joins_again_while_it_is_behind": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}})
			f.publish(4, "a")
			s.Leave(nil, []string{"a"})
			f.publish(1, "a")
			f.join(s, JoinRequest{Topics: []string{"a"}})
			f.publish(4, "a")
			f.want(s, "joined(a) 1 2 3 4 left(a) joined(a) 6 7 8 9")
		},
		"overflows_behind_a_replay": func(_ *testing.T, f *fixture) {
			f.publish(3, "a")
			s := f.subscribe(Library)
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(1))})
			f.publish(5, "a")
			s.Leave(nil, []string{"a"})
			f.publish(1, "a")
			f.want(s, "2 3 joined(a replayed=2 recovered=true) 4 5 6 7 8 left(a)")
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
