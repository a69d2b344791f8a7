package rooms

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// roomFor is the limit of a ledger that holds so many changes, a few, with short
// names.
func roomFor(changes int) int64 { return int64(changes * (changeOverhead + 20)) }

func TestLedger(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	tests := map[string]func(t *testing.T, f *fixture){
		"a_change_concerns_its_subject_and_topic": func(t *testing.T, f *fixture) {
			mark := f.hub.Mark()
			f.access(Granted, "ann", "a", "topic_*")
			f.access(Revoked, "*", "b", "all_*")
			for _, test := range []struct {
				subject, topic string
				changed        bool
				revoked        bool
			}{
				{"ann", "a", true, false},
				{"ann", "topic_7", true, false},
				{"ann", "topic", false, false},
				{"bob", "a", false, false},
				{"", "topic_7", false, false},
				{"ann", "b", true, true},
				{"", "b", true, true},
				{"bob", "all_1", true, true},
				{"bob", "c", false, false},
			} {
				if got := f.hub.Changed(test.subject, test.topic, mark); got != test.changed {
					t.Errorf("%q in %q: changed %t", test.subject, test.topic, got)
				}
				if got := f.hub.RevokedSince(test.subject, test.topic, time.Time{}); got != test.revoked {
					t.Errorf("%q in %q: revoked %t", test.subject, test.topic, got)
				}
				if f.hub.Changed(test.subject, test.topic, f.hub.Mark()) {
					t.Errorf("%q in %q: changed since now", test.subject, test.topic)
				}
			}
		},
		"everyone_is_so_under_any_name": func(t *testing.T, f *fixture) {
			mark := f.hub.Mark()
			f.hub.ledger.add(&Access{Subject: "ann", Everyone: true, Effect: Revoked}, []string{"a"}, 0)
			if !f.hub.Changed("bob", "a", mark) || !f.hub.RevokedSince("", "a", time.Time{}) {
				t.Error("not everyone's")
			}
		},
		"no_mark_is_never_good": func(t *testing.T, f *fixture) {
			if !f.hub.Changed("ann", "a", 0) || f.hub.Mark() == 0 {
				t.Error("0 is a mark")
			}
		},
		"the_newest_revocation_counts": func(t *testing.T, f *fixture) {
			for _, d := range []time.Duration{time.Second, time.Minute, 0} {
				f.hub.ledger.add(&Access{Subject: "ann", Effect: Revoked, At: at.Add(d)}, []string{"a"}, 0)
			}
			f.hub.ledger.add(&Access{Subject: "ann", Effect: Granted, At: at.Add(time.Hour)}, []string{"a"}, 0)
			if !f.hub.RevokedSince("ann", "a", at.Add(time.Minute)) || f.hub.RevokedSince("ann", "a", at.Add(time.Minute+1)) {
				t.Error("not the newest")
			}
		},
		"a_revocation_without_a_time_is_of_now": func(t *testing.T, f *fixture) {
			before := time.Now()
			f.hub.ledger.add(&Access{Subject: "ann", Effect: Revoked}, []string{"a"}, 0)
			if !f.hub.RevokedSince("ann", "a", before) {
				t.Error("it is older")
			}
		},
		"what_there_is_no_room_for_is_taken_for_changed": func(t *testing.T, f *fixture) {
			f.hub.ledger.limit = roomFor(2)
			f.access(Granted, "ann", "a_*")
			first := f.hub.Mark()
			f.access(Granted, "ann", "b")
			f.access(Granted, "ann", "a_*") // newer than b now
			second := f.hub.Mark()
			f.access(Granted, "ann", "c")
			switch l := &f.hub.ledger; {
			case !f.hub.Changed("bob", "x", first):
				t.Error("b is forgotten, and nobody knows whose it was")
			case f.hub.Changed("bob", "x", second) || f.hub.Changed("ann", "a_1", second):
				t.Error("all since then is known")
			case f.hub.RevokedSince("bob", "x", time.Time{}):
				t.Error("nothing was revoked")
			case len(l.changes) != 2 || l.order.Len() != 2 || len(l.patterns) != 1:
				t.Errorf("remembers %d, %d, %d", len(l.changes), l.order.Len(), len(l.patterns))
			}
		},
		"long_texts_take_more_room": func(t *testing.T, f *fixture) {
			f.hub.ledger.limit = roomFor(40)
			f.access(Granted, strings.Repeat("a", 30*changeOverhead), "x")
			f.access(Granted, strings.Repeat("b", 30*changeOverhead), "x")
			if n := f.hub.Stats().Ledger; n != 1 {
				t.Errorf("%d are remembered", n)
			}
			for range 2 {
				f.access(Granted, "ann", "a", "b", "c", "*")
			}
			if n := f.hub.Stats().Ledger; n != 5 {
				t.Errorf("%d are remembered", n)
			}
			f.hub.ledger.forget(ledgerAge + f.hub.now() + 1)
			if l := &f.hub.ledger; l.bytes != 0 || l.order.Len() != 0 {
				t.Errorf("%d changes take %d bytes", l.order.Len(), l.bytes)
			}
		},
		"what_there_is_no_room_for_is_taken_for_revoked": func(t *testing.T, f *fixture) {
			f.hub.ledger.limit = roomFor(1)
			for i := range 3 {
				f.hub.ledger.add(&Access{Subject: "ann", Effect: Revoked, At: at.Add(time.Duration(-i) * time.Hour)}, []string{string(rune('a' + i))}, 0)
			}
			if !f.hub.RevokedSince("bob", "x", at) || !f.hub.RevokedSince("bob", "x", time.Time{}) || f.hub.RevokedSince("bob", "x", at.Add(1)) {
				t.Error("it must be, up to the newest of those forgotten")
			}
			f.hub.ledger.forget(ledgerAge + 1)
			if f.hub.RevokedSince("bob", "x", at) {
				t.Error("a day later it is over")
			}
		},
		"the_last_pattern_leaves_nothing_behind": func(t *testing.T, f *fixture) {
			f.hub.ledger.limit = roomFor(2)
			f.access(Granted, "ann", "a_*", "b_*", "c_*")
			f.access(Granted, "bob", "x", "y")
			if l := &f.hub.ledger; len(l.patterns) != 0 || len(l.changes) != 2 {
				t.Errorf("remembers %d patterns, %d changes", len(l.patterns), len(l.changes))
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setup(t, Options{}))
		})
	}
	t.Run("a_day_is_enough", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := setup(t, Options{})
			mark := f.hub.Mark()
			f.access(Revoked, "ann", "a")
			<-time.After(ledgerAge)
			f.hub.sweep()
			if f.hub.Stats().Ledger != 1 {
				t.Error("forgotten too soon")
			}
			<-time.After(time.Second)
			f.hub.sweep()
			if f.hub.Stats().Ledger != 0 || f.hub.RevokedSince("ann", "a", time.Time{}) {
				t.Error("still there")
			}
			if !f.hub.Changed("bob", "x", mark) || f.hub.Changed("bob", "x", f.hub.Mark()) {
				t.Error("a decision of before is not known to be good, one of now is")
			}
		})
	})
}
