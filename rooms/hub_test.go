package rooms

import (
	"context"
	"errors"
	"reflect"
	"testing"
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
		"who_leaves_hears_no_more": func(_ *testing.T, f *fixture) {
			s, other := f.subscribe(Library), f.member("a")
			f.join(s, JoinRequest{Topics: []string{"a", "b"}})
			s.Leave(nil, []string{"a", "x", "a"})
			f.publish(1, "a")
			f.publish(1, "b")
			f.want(s, "joined(a,b) left(a) 2")
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
		"an_end_always_has_a_cause": func(t *testing.T, f *fixture) {
			s := f.member("a")
			s.Finish(nil, nil)
			if _, err := s.Next(t.Context(), nil); !errors.Is(err, ErrClosed) {
				t.Errorf("next: %v", err)
			}
			s.Close(nil)
		},
		"next_waits_for_a_frame_or_the_context": func(t *testing.T, f *fixture) {
			s := f.member("a")
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if _, err := s.Next(ctx, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			go f.publish(1, "a")
			buf := make([]Frame, 3, 8)
			frames, err := s.Next(t.Context(), buf)
			if err != nil || len(frames) != 1 || &frames[0] != &buf[0] || frames[0].Cursor != cursorAt(1) {
				t.Errorf("got %v, %v", frames, err)
			}
		},
		"next_returns_a_piece_at_a_time": func(t *testing.T, f *fixture) {
			s := f.member("a")
			for _, size := range []int{60 << 10, 10 << 10, 10 << 10, 100 << 10} {
				f.hub.Publish(Batch{Items: []Item{{Topics: []string{"a"}, Data: make([]byte, size), XID: 1}}, Partial: true})
			}
			for _, want := range []int{2, 2} {
				if frames, err := s.Next(t.Context(), nil); err != nil || len(frames) != want {
					t.Errorf("%d frames, %v", len(frames), err)
				}
			}
		},
		"the_figures_add_up": func(t *testing.T, f *fixture) {
			f.hub.history.limit = 1 << 20
			f.hub.o.QueueBytes = 100
			a, b := f.member("a", "b"), f.member("a")
			f.publish(1, "a", "b")
			f.resync(Bulk, "*")
			f.frames(b)
			f.publish(5, "b")
			f.frames(a)
			got := f.hub.Stats()
			want := Stats{
				Rooms: 2, Subscribers: 2, Memberships: 3, HistoryBytes: got.HistoryBytes, HistoryItems: 7, HistoryAge: got.HistoryAge,
				Published: 7, Delivered: 2, Replayed: 6 + 1, Overflows: 2, Resyncs: map[Reason]uint64{Bulk: 2},
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %+v\nwant %+v", got, want)
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
