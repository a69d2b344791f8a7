package rooms

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"rowcast/internal/snapshot"
)

func TestAccess(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, f *fixture){
		"a_revocation_evicts_in_its_place": func(t *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a", "b")
			f.publish(1, "a")
			f.access(Revoked, "ann", "a")
			f.publish(1, "a")
			f.publish(1, "b")
			f.want(s, "joined(a,b) 1 left(a revoked) 3")
			if got := s.Topics(); !slices.Equal(got, []string{"b"}) {
				t.Errorf("topics %v", got)
			}
		},
		"only_the_subjects_members_leave": func(_ *testing.T, f *fixture) {
			ann, again, bob, nobody := f.guest(Library, "ann", "a"), f.guest(Library, "ann", "a"), f.guest(Library, "bob", "a"), f.guest(Library, "", "a")
			f.access(Revoked, "ann", "a")
			f.publish(1, "a")
			f.want(ann, "joined(a) left(a revoked)")
			f.want(again, "joined(a) left(a revoked)")
			f.want(bob, "joined(a) 1")
			f.want(nobody, "joined(a) 1")
		},
		"everyone_is_everyone": func(_ *testing.T, f *fixture) {
			ann, nobody, open := f.guest(Library, "ann", "a"), f.guest(Library, "", "a"), f.subscribe(Library)
			f.join(open, JoinRequest{Topics: []string{"a"}})
			f.access(Revoked, "*", "a")
			f.publish(1, "a")
			for _, s := range []*Subscriber{ann, nobody, open} {
				f.want(s, "joined(a) left(a revoked)")
			}
		},
		"everyone_is_so_under_any_name": func(_ *testing.T, f *fixture) {
			ann, bob := f.guest(Library, "ann", "a"), f.guest(Library, "bob", "a")
			f.hub.Publish(Batch{Items: []Item{{Topics: []string{"a"}, Access: &Access{Subject: "ann", Everyone: true, Effect: Revoked}}}, Partial: true})
			f.want(ann, "joined(a) left(a revoked)")
			f.want(bob, "joined(a) left(a revoked)")
		},
		"a_subject_called_star_is_not_everyone": func(_ *testing.T, f *fixture) {
			star, ann := f.guest(Library, "*", "a"), f.guest(Library, "ann", "a")
			f.hub.Publish(Batch{Items: []Item{{Topics: []string{"a"}, Access: &Access{Subject: "*", Effect: Revoked}}}, Partial: true})
			f.want(star, "joined(a) left(a revoked)")
			f.want(ann, "joined(a)")
		},
		"no_subject_is_those_without": func(_ *testing.T, f *fixture) {
			nobody, ann := f.guest(Library, "", "a"), f.guest(Library, "ann", "a")
			f.access(Revoked, "", "a")
			f.want(nobody, "joined(a) left(a revoked)")
			f.want(ann, "joined(a)")
		},
		"a_pattern_evicts_from_what_it_covers": func(_ *testing.T, f *fixture) {
			ann, bob := f.guest(Library, "ann", "topic_2", "topic_1", "b"), f.guest(Library, "bob", "topic_1", "b")
			f.access(Revoked, "ann", "x", "topic_*", "*_1")
			f.want(ann, "joined(topic_2,topic_1,b) left(topic_1,topic_2 revoked)")
			f.access(Revoked, "*", "b", "topic_*", "*")
			f.want(ann, "left(b revoked)")
			f.want(bob, "joined(topic_1,b) left(b,topic_1 revoked)")
		},
		"who_is_not_there_hears_nothing": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a")
			f.access(Revoked, "ann", "b")
			f.access(Revoked, "bob", "a")
			f.access(Revoked, "ann", "a")
			f.access(Revoked, "ann", "a")
			f.want(s, "joined(a) left(a revoked)")
		},
		"an_event_of_two_rooms_still_comes_through_the_other": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a", "b")
			f.access(Revoked, "ann", "a")
			f.publish(1, "a", "b")
			f.want(s, "joined(a,b) left(a revoked) 1")
		},
		"granting_evicts_nobody": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a")
			f.access(Granted, "ann", "a")
			f.publish(1, "a")
			f.want(s, "joined(a) 1")
		},
		"who_comes_again_starts_as_anyone": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a")
			f.access(Revoked, "ann", "a")
			f.publish(1, "a")
			f.access(Granted, "ann", "a")
			f.publish(1, "a")
			f.join(s, JoinRequest{Topics: []string{"a"}, Mark: f.hub.Mark()})
			f.publish(1, "a")
			f.want(s, "joined(a) left(a revoked) joined(a) 3")
		},
		"the_other_levels_end": func(t *testing.T, f *fixture) {
			for _, level := range []Level{Plain, Stream} {
				s := f.guest(level, "ann", "a", "b")
				f.publish(1, "a")
				before := fmt.Sprint(f.xid)
				f.access(Revoked, "ann", "a")
				f.publish(1, "b")
				f.access(Revoked, "ann", "b")
				f.want(s, before+" error(forbidden)")
				if _, err := s.Next(t.Context(), nil); !errors.Is(err, ErrRevoked) {
					t.Errorf("level %d: %v", level, err)
				}
			}
		},
		"what_is_not_known_sends_the_judged_away": func(t *testing.T, f *fixture) {
			library, plain, stream := f.guest(Library, "ann", "topic_1"), f.guest(Plain, "", "topic_1"), f.guest(Stream, "bob", "topic_1")
			elsewhere, open := f.guest(Library, "ann", "a"), f.member("topic_1")
			f.publish(1, "topic_1")
			f.access(Unknown, "*", "topic_*")
			f.publish(1, "topic_1")
			f.want(library, "joined(topic_1) 1 $bye")
			f.want(plain, "1")
			f.want(stream, "1")
			for _, s := range []*Subscriber{library, plain, stream} {
				if _, err := s.Next(t.Context(), nil); !errors.Is(err, ErrUncertain) {
					t.Errorf("level %d: %v", s.level, err)
				}
			}
			f.want(open, "1 2")
			f.want(elsewhere, "joined(a)")
			f.access(Unknown, "ann", "a")
			f.want(elsewhere, "$bye")
		},
		"a_restart_sends_the_judged_away": func(t *testing.T, f *fixture) {
			mark := f.hub.Mark()
			judged, open := f.guest(Library, "ann", "a"), f.member("a")
			f.publish(1, "a")
			f.hub.Reset(Reset{Epoch: "e2", Snapshot: snapshot.New(1), Floor: snapshot.New(1), Restart: true})
			f.want(judged, "joined(a) resync(a source_gap) $bye")
			f.want(open, "resync(a source_gap)")
			if !f.hub.Changed("ann", "a", mark) {
				t.Error("a decision outlived the epoch")
			}
		},
		"the_history_brings_its_changes": func(t *testing.T, f *fixture) {
			mark, at := f.hub.Mark(), time.Now().Add(-time.Hour)
			s := f.guest(Library, "ann", "a")
			f.hub.Reset(Reset{Epoch: "e1", Snapshot: snapshot.New(1), History: []Item{
				{Topics: []string{"a"}, Access: &Access{Subject: "ann", Effect: Revoked, At: at}},
			}})
			f.want(s, "joined(a)") // of no epoch that was read before
			if !f.hub.RevokedSince("ann", "a", at) || f.hub.RevokedSince("ann", "a", at.Add(1)) {
				t.Error("not at its time")
			}
			if !f.hub.Changed("bob", "b", mark) {
				t.Error("a decision of before the first epoch is good")
			}
			if st := f.hub.Stats(); st.HistoryItems != 0 || st.Ledger != 1 {
				t.Errorf("stats %+v", st)
			}
		},
		"a_decision_is_good_until_something_changes": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann")
			mark := f.hub.Mark()
			f.access(Granted, "ann", "a")
			f.access(Revoked, "ann", "b_*")
			f.access(Unknown, "*", "c")
			f.access(Revoked, "bob", "d")
			denied := map[string]Denial{"z": {Forbidden, "no"}}
			f.join(s, JoinRequest{Topics: []string{"a"}, Mark: mark})
			f.join(s, JoinRequest{Topics: []string{"b_1"}, Mark: mark, Since: new(cursorAt(0))})
			f.join(s, JoinRequest{Topics: []string{"d", "c", "e"}, Denied: denied, Mark: mark})
			f.join(s, JoinRequest{Topics: []string{"a", "b_1", "c"}, Mark: f.hub.Mark()})
			f.want(s, "joined() joined( a:unavailable) joined( b_1:unavailable replayed=0 recovered=true) "+
				"joined(d,e c:unavailable z:forbidden) joined(a,b_1,c)")
			if len(denied) != 1 {
				f.t.Error("the request was changed")
			}
		},
		"at_the_other_levels_an_old_decision_joins_nothing": func(t *testing.T, f *fixture) {
			s := f.guest(Plain, "ann")
			mark := f.hub.Mark()
			f.access(Revoked, "ann", "a")
			if err := s.Join(t.Context(), JoinRequest{Topics: []string{"a", "b"}, Mark: mark}); !errors.Is(err, ErrUnavailable) {
				t.Errorf("join: %v", err)
			}
			f.publish(1, "b")
			f.want(s, "")
		},
		"who_signs_in_is_found": func(t *testing.T, f *fixture) {
			s := f.guest(Library, "", "a", "b", "c")
			s.Identify("ann")
			f.access(Revoked, "", "a")
			f.access(Revoked, "ann", "b")
			s.Identify("bob")
			f.access(Revoked, "ann", "c")
			f.want(s, "joined(a,b,c) left(b revoked)")
			s.Close(ErrClosed)
			for _, subject := range []string{"bob", "ann"} {
				if n := len(f.hub.subjects); n != 0 {
					t.Errorf("%d subjects without a connection", n)
				}
				s.Identify(subject)
			}
			s.Close(ErrClosed)
		},
		"who_signs_in_answers_for_the_new_subject": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "")
			mark := f.hub.Mark()
			f.access(Revoked, "ann", "a")
			s.Identify("ann")
			f.join(s, JoinRequest{Topics: []string{"a"}, Mark: mark})
			f.want(s, "joined() joined( a:unavailable)")
		},
		"a_narrower_token_evicts": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a", "b", "c")
			other := f.guest(Library, "ann", "a")
			mark := f.hub.Mark()
			f.publish(1, "b")
			s.Evict([]string{"c", "x", "a"})
			f.join(s, JoinRequest{Topics: []string{"a"}, Mark: mark})
			s.Evict([]string{"a"})
			f.publish(1, "a")
			f.publish(1, "b")
			f.join(other, JoinRequest{Topics: []string{"b"}, Mark: mark})
			f.join(s, JoinRequest{Topics: []string{"a"}, Mark: f.hub.Mark()})
			f.want(s, "joined(a,b,c) 1 left(a,c revoked) joined( a:unavailable) 3 joined(a)")
			f.want(other, "joined(a) 2 joined(b)")
		},
		"nobody_is_evicted_who_is_ending": func(t *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a")
			over := errors.New("over")
			s.Finish(ByeFrame(serviceRestart, true, 0), over)
			f.access(Revoked, "ann", "a")
			f.access(Unknown, "ann", "a")
			s.Evict([]string{"a"})
			f.want(s, "joined(a) $bye")
			if !errors.Is(s.Err(), over) {
				t.Errorf("ended with %v", s.Err())
			}
		},
		"the_figures_count_it": func(t *testing.T, f *fixture) {
			f.guest(Library, "ann", "a", "b")
			f.access(Revoked, "*", "a", "b")
			f.access(Granted, "ann", "a")
			st := f.hub.Stats()
			if st.Changes != 2 || st.Evicted != 2 || st.Ledger != 3 || st.Memberships+st.Rooms+st.HistoryItems+int(st.Published) != 0 {
				t.Errorf("stats %+v", st)
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

// TestAccessBehind has revocations come upon subscribers who wait for the
// history: for them too the revocation has its place, no event behind it is
// theirs, and none before it is lost.
func TestAccessBehind(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, f *fixture){
		"an_overflow_shows_what_came_before": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a", "b")
			f.publish(5, "a")
			f.publish(1, "b")
			f.access(Revoked, "ann", "a")
			f.publish(2, "a")
			f.publish(5, "b")
			f.want(s, "joined(a,b) 1 2 3 4 5 6 left(a revoked) 9 10 11 12 13")
		},
		"an_overflow_after_it_does_too": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a", "b")
			f.publish(1, "a")
			f.access(Revoked, "ann", "a")
			f.publish(5, "a", "b")
			f.want(s, "joined(a,b) 1 left(a revoked) 2 3 4 5 6")
		},
		"who_comes_again_is_shown_nothing_from_between": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a")
			f.publish(5, "a")
			f.access(Revoked, "ann", "a")
			f.publish(5, "a")
			f.access(Granted, "ann", "a")
			f.join(s, JoinRequest{Topics: []string{"a"}, Mark: f.hub.Mark()})
			f.publish(5, "a")
			f.access(Revoked, "ann", "a")
			f.publish(5, "a")
			f.join(s, JoinRequest{Topics: []string{"a"}, Mark: f.hub.Mark()})
			f.want(s, "joined(a) 1 2 3 4 5 left(a revoked) joined(a) 11 12 13 14 15 left(a revoked) joined(a)")
			if len(s.past) != 0 {
				f.t.Error("still a member of what is past")
			}
		},
		"a_replay_shows_what_came_before": func(_ *testing.T, f *fixture) {
			f.publish(3, "a")
			s := f.guest(Library, "ann")
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0)), Mark: f.hub.Mark()})
			f.publish(1, "a")
			f.access(Revoked, "ann", "a")
			f.publish(1, "a")
			f.want(s, "joined() 1 2 3 joined(a replayed=3 recovered=true) 4 left(a revoked)")
		},
		"a_replay_is_as_before_for_who_left_first": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a")
			f.access(Revoked, "ann", "a")
			f.publish(3, "a")
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(0)), Mark: f.hub.Mark()})
			s.Leave(nil, []string{"a"})
			f.want(s, "joined(a) left(a revoked) 1 2 3 joined(a replayed=3 recovered=true) left(a)")
		},
		"a_resync_before_it_is_heard": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a", "b")
			f.resync(Bulk, "*")
			f.access(Revoked, "ann", "a")
			f.resync(Bulk, "*")
			f.want(s, "joined(a,b) resync(a,b bulk) left(a revoked) resync(b bulk)")
		},
		"a_resync_in_an_overflow_too": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a", "b")
			f.publish(4, "a")
			f.resync(Bulk, "*")
			f.access(Revoked, "ann", "a")
			f.publish(4, "b")
			f.resync(Bulk, "*")
			f.want(s, "joined(a,b) 1 2 3 4 resync(a,b bulk) left(a revoked) 6 7 8 9 resync(b bulk)")
		},
		"what_the_history_lost_is_told_to_who_was_there": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a", "b")
			f.want(s, "joined(a,b)")
			f.publish(5, "a")
			f.access(Revoked, "ann", "a")
			f.publish(5, "b")
			f.publish(40, "c")
			f.want(s, "resync(a,b slow_consumer) left(a revoked)")
			f.publish(5, "b")
			f.access(Granted, "ann", "a")
			f.publish(40, "c")
			f.want(s, "resync(b slow_consumer)")
		},
		"but_not_to_who_came_later": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a")
			f.want(s, "joined(a)")
			f.publish(5, "a")
			f.join(s, JoinRequest{Topics: []string{"b"}, Mark: f.hub.Mark()})
			f.publish(40, "c")
			f.want(s, "resync(a slow_consumer) joined(b)")
		},
		"and_once_to_who_came_again": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a")
			f.want(s, "joined(a)")
			f.publish(5, "a")
			f.access(Revoked, "ann", "a")
			f.join(s, JoinRequest{Topics: []string{"a"}, Mark: f.hub.Mark()})
			f.publish(5, "a")
			f.publish(40, "c")
			f.want(s, "resync(a slow_consumer) left(a revoked) joined(a)")
		},
		"the_word_of_it_is_never_dropped": func(_ *testing.T, f *fixture) {
			s := f.guest(Library, "ann", "a", "b", "c")
			f.publish(5, "c")
			f.access(Revoked, "ann", "a")
			f.publish(5, "c")
			f.access(Revoked, "ann", "b")
			f.publish(40, "c")
			f.want(s, "joined(a,b,c) resync(a,b,c slow_consumer) left(a revoked) left(b revoked)")
		},
		"an_epochs_end_keeps_it_too": func(_ *testing.T, f *fixture) {
			s := f.subscribe(Library)
			s.Identify("ann")
			f.join(s, JoinRequest{Topics: []string{"a", "b"}})
			f.publish(5, "a")
			f.access(Revoked, "ann", "a")
			f.publish(5, "b")
			f.hub.Reset(Reset{Epoch: "e2", Snapshot: snapshot.New(1), Floor: snapshot.New(1), Restart: true})
			f.want(s, "joined(a,b) left(a revoked) resync(b source_gap)")
		},
		"a_plain_subscriber_that_is_behind_ends_there": func(_ *testing.T, f *fixture) {
			s := f.guest(Plain, "ann", "a", "b")
			f.publish(5, "a", "b")
			f.access(Revoked, "ann", "a")
			f.publish(5, "a", "b")
			f.want(s, "1 2 3 4 5 error(forbidden)")
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setup(t, Options{QueueBytes: 3*int64(len(event(1).Data)) + 8, HistoryBytes: 20 * 420}))
		})
	}
}
