package oracle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestJournalThrough(t *testing.T) {
	t.Parallel()
	fin := Event{Key: "fin/fin/", ID: "epoch.9", Topics: []string{"t1", "t2"}}
	for _, test := range []struct {
		name string
		kind Kind
		tell func(*Journal)
		want string // the topics that are through
	}{
		{"nothing yet", Library, func(j *Journal) { j.join("t1", "t2") }, ""},
		{"live", Library, func(j *Journal) { j.join("t1", "t2"); j.Event(fin) }, "t1 t2"},
		{"live, at the plain level", Plain, func(j *Journal) { j.Asked([]string{"t1", "t2"}, false); j.Event(fin) }, "t1 t2"},
		{"for one topic, the other left", Library, func(j *Journal) {
			j.join("t1", "t2")
			j.Left([]string{"t2"})
			j.Event(fin)
		}, "t1"},
		{"on the connection before", Library, func(j *Journal) { j.join("t1"); j.Event(fin); j.Opened(); j.join("t2") }, "t1"},
		{"in a replay", Library, func(j *Journal) {
			j.join("t1")
			j.Asked([]string{"t2"}, true)
			j.Event(fin)
			j.answer(1, "t2")
		}, "t2"},
		{"before a replay", Library, func(j *Journal) {
			j.join("t1")
			j.Asked([]string{"t2"}, true)
			j.Event(fin)
			j.answer(0, "t2")
		}, "t1"},
		{"in a replay without an answer", Library, func(j *Journal) {
			j.Asked([]string{"t2"}, true)
			j.Event(fin)
			j.Closed("cut")
		}, ""},
		{"another event", Library, func(j *Journal) {
			j.join("t1")
			j.Event(Event{Key: "fin/other/", Topics: fin.Topics})
		}, ""},
		{"fetched", Library, func(j *Journal) { j.Fetched([]string{"t1"}, snap(t, "8:8:")) }, "t1"},
		{"fetched before", Library, func(j *Journal) { j.Fetched([]string{"t1"}, snap(t, "7:8:7")) }, ""},
		{"a member since", Library, func(j *Journal) { j.Member([]string{"t1"}, snap(t, "8:8:")) }, "t1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			through := func(j *Journal) string {
				var topics []string
				for _, topic := range fin.Topics {
					if j.Through(fin.Key, 7, []string{topic}) {
						topics = append(topics, topic)
					}
				}
				if all := j.Through(fin.Key, 7, fin.Topics); all != (len(topics) == 2) {
					t.Errorf("both at once: %v", all)
				}
				return strings.Join(topics, " ")
			}
			j := NewJournal("ann", test.kind)
			j.Opened()
			test.tell(j)
			if got := through(j); got != test.want {
				t.Errorf("through are %q, want %q", got, test.want)
			}
			// Looked at after every entry it is the same.
			again := NewJournal("ann", test.kind)
			for _, e := range j.all() {
				again.write(e)
				through(again)
			}
			if got := through(again); got != test.want {
				t.Errorf("step by step: through are %q, want %q", got, test.want)
			}
		})
	}
}

func (j *Journal) join(topics ...string) {
	j.Asked(topics, false)
	j.Joined(topics, 0, nil)
}

func (j *Journal) answer(replayed int, topics ...string) {
	recovered := true
	j.Joined(topics, replayed, &recovered)
}

func TestJournalChanged(t *testing.T) {
	t.Parallel()
	j := NewJournal("ann", Plain)
	j.Opened()
	changed := j.Changed()
	select {
	case <-changed:
		t.Fatal("changed before anything did")
	default:
	}
	go j.Closed("cut")
	select {
	case <-changed:
	case <-time.After(5 * time.Second):
		t.Fatal("not told of an entry")
	}
	if got := j.Ends(); len(got) != 1 || got["cut"] != 1 {
		t.Errorf("ends: %v", got)
	}
}

func TestJournalLines(t *testing.T) {
	t.Parallel()
	j := NewJournal("ann", Library)
	j.Opened()
	j.Asked([]string{"t1", "t2"}, true)
	j.Event(Event{Key: "a/note/", ID: "epoch.1", Topics: []string{"t1"}, Received: time.Date(2026, 1, 1, 10, 11, 12, 0, time.UTC)})
	j.answer(1, "t1")
	j.Fetched([]string{"t1"}, snap(t, "7:9:8"))
	j.Closed("1012")
	want := []string{
		"0 opened",
		"1 asked t1,t2 with replay",
		"2 event 10:11:12.000 a/note/ epoch.1 t1",
		"3 joined t1 replayed 1 recovered true",
		"4 fetched t1 7:9:8",
		"5 closed 1012",
	}
	if got := slices.Collect(j.Lines()); !slices.Equal(got, want) {
		t.Errorf("lines:\n%s", strings.Join(got, "\n"))
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, topic string
		want           bool
	}{
		{"t1", "t1", true},
		{"t1", "t12", false},
		{"t12", "t1", false},
		{"*", "", true},
		{"*", "t1", true},
		{"t*", "t", true},
		{"t*", "at", false},
		{"*1", "t1", true},
		{"*1", "t12", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "a1b2c", true},
		{"a*b*c", "acb", false},
		{"a*bc*bc", "abcbc", true},
		{"a*bc*bc", "abc", false},
	} {
		if got := matches(test.pattern, test.topic); got != test.want {
			t.Errorf("%q means %q: %v", test.pattern, test.topic, got)
		}
	}
}

// BenchmarkJudge is 20 clients in all of 100,000 events.
func BenchmarkJudge(b *testing.B) {
	const events, clients = 100_000, 20
	truth := Truth{Transactions: map[uint64]Transaction{}}
	for n := range uint64(events) {
		xid := 10 + n/2
		truth.Transactions[xid] = Transaction{xid, Snapshot{xmin: max(xid, 20) - 10, xmax: xid, running: []uint64{max(xid, 20) - 10}}}
		truth.Owed = append(truth.Owed, Owed{
			XID: xid, Order: int64(n), Key: fmt.Sprintf("w%d/message_updated/%d", n, n%100), Topics: []string{"t1"},
			Row: fmt.Sprintf("messages/%d", n%100), Version: int64(n),
		})
	}
	var journals []*Journal
	for range clients {
		j := NewJournal("ann", Plain)
		j.Opened()
		j.Asked([]string{"t1"}, false)
		j.Member([]string{"t1"}, Snapshot{xmin: 10, xmax: 10})
		for n, o := range truth.Owed {
			j.Event(Event{Key: o.Key, ID: fmt.Sprint(n), Topics: o.Topics})
		}
		journals = append(journals, j)
	}
	for b.Loop() {
		if v := Judge(truth, journals, nil); len(v.Violations) > 0 {
			b.Fatal(v.Violations)
		}
	}
}
