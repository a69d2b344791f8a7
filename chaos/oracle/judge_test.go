package oracle

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// story is a truth of a few transactions, and what clients may be told of it.
//
//	10 ends before 11 begins; 12 runs beside 11, sees 10
//	13 sees all of them, and 14 sees 13
type story struct {
	*Journal
	t testing.TB
}

var truthOfStory = []Owed{
	{XID: 10, Order: 1, Key: "a/message_created/1", Topics: []string{"t1", "all"}, Row: "messages/1", Version: 1, Value: "first"},
	{XID: 11, Order: 2, Key: "b/message_updated/1", Topics: []string{"t1", "all"}, Row: "messages/1", Version: 2, Value: "second"},
	{XID: 11, Order: 3, Key: "c/message_created/2", Topics: []string{"t1"}, Row: "messages/2", Version: 3, Value: "x"},
	{XID: 11, Order: 4, Key: "c/message_created/3", Topics: []string{"t1"}, Row: "messages/3", Version: 4, Value: "y"},
	{XID: 12, Order: 5, Key: "d/note", Topics: []string{"t2"}, Value: "beside"},
	{XID: 13, Order: 6, Key: "e/message_deleted/1", Topics: []string{"t1", "all"}, Row: "messages/1", Version: 5},
	{XID: 13, Order: 6, Key: "e/message_updated/1", Topics: []string{"t2", "all"}, Row: "messages/1", Version: 5, Value: "moved"},
	{XID: 14, Order: 8, Key: "f/bulk/", Topics: []string{"t*"}, Notice: true},
}

func storyTruth(t testing.TB) Truth {
	truth := Truth{Transactions: map[uint64]Transaction{}, Owed: truthOfStory}
	for xid, began := range map[uint64]string{10: "10:10:", 11: "11:11:", 12: "11:12:11", 13: "13:13:", 14: "14:14:"} {
		truth.Transactions[xid] = Transaction{xid, snap(t, began)}
	}
	return truth
}

// events come as they should, by the letter of their key.
func (s story) events(letters string) {
	for _, letter := range letters {
		s.Event(s.of(letter))
	}
}

// of is an event by a letter: its mutation id's; 3 is c's second one, E e's.
func (s story) of(letter rune) Event {
	n := slices.Index([]rune("abc3deE"), letter)
	if n < 0 {
		s.t.Fatalf("no event %c", letter)
	}
	o := truthOfStory[n]
	return Event{Key: o.Key, ID: fmt.Sprintf("epoch.%d", n), Value: o.Value, Topics: o.Topics, Received: time.Now()}
}

// connect is a connection with topics from the beginning.
func (s story) connect(topics ...string) {
	s.Opened()
	s.join(topics...)
	s.Member(topics, snap(s.t, "10:10:"))
}

func (s story) join(topics ...string) {
	s.Asked(topics, false)
	s.Joined(topics, 0, nil)
}

func (s story) recover(letters string, topics ...string) {
	s.Asked(topics, true)
	s.events(letters)
	s.answer(true, len(letters), topics...)
}

func (s story) answer(recovered bool, replayed int, topics ...string) {
	s.Joined(topics, replayed, &recovered)
}

// fetch sees everything, the bulk too.
func (s story) fetch(topics ...string) { s.Fetched(topics, snap(s.t, "15:15:")) }

func (s story) bulk(topics ...string) {
	s.Resync([]string{"t*"}, "bulk")
	s.fetch(topics...)
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		kind   Kind
		budget Budget
		tell   func(story)
		want   []string // rules
	}{
		{name: "all of it", tell: func(s story) { s.connect("t1"); s.events("abc3e"); s.bulk("t1") }},
		{name: "all of it, two topics", tell: func(s story) { s.connect("t1", "t2"); s.events("abc3deE"); s.bulk("t1", "t2") }},
		{name: "a topic without notices", tell: func(s story) { s.connect("all"); s.events("abeE") }},
		{name: "nobody's", tell: func(s story) { s.Opened(); s.join("t1") }},

		{name: "lost", tell: func(s story) { s.connect("all"); s.events("aeE") }, want: []string{Lost}},
		{name: "lost, the last", tell: func(s story) { s.connect("all"); s.events("abe") }, want: []string{Lost}},
		{name: "lost by one topic, fetched for another", tell: func(s story) {
			s.connect("t1", "all")
			s.events("ac3eE")
			s.bulk("t1")
		}, want: []string{Lost}},
		{name: "fetched instead", tell: func(s story) { s.connect("all"); s.events("a"); s.Fetched([]string{"all"}, snap(s.t, "14:14:")) }},
		{name: "fetched too early", tell: func(s story) {
			s.connect("all")
			s.Fetched([]string{"all"}, snap(s.t, "11:14:11,13"))
			s.events("aeE")
		}, want: []string{Lost}},
		{name: "seen before the membership", tell: func(s story) {
			s.Opened()
			s.join("all")
			s.Member([]string{"all"}, snap(s.t, "11:11:"))
			s.events("beE")
		}},
		{name: "lost in spite of a second membership", tell: func(s story) {
			s.connect("all")
			s.events("a")
			s.Opened()
			s.join("all")
			s.Member([]string{"all"}, snap(s.t, "13:13:"))
			s.events("eE")
		}, want: []string{Lost}},
		{name: "lost while away", tell: func(s story) {
			s.connect("all")
			s.events("a")
			s.Left([]string{"all"})
			s.recover("eE", "all")
		}, want: []string{Lost}},
		{name: "a notice is no event", tell: func(s story) { s.connect("t2"); s.events("dE") }, want: []string{Lost}},
		{name: "a notice without a refetch", tell: func(s story) {
			s.connect("t2")
			s.events("dE")
			s.Resync([]string{"t2"}, "bulk")
		}, want: []string{Lost}},
		{name: "a notice fetched too early", tell: func(s story) {
			s.connect("t2")
			s.events("dE")
			s.Resync([]string{"t2"}, "bulk")
			s.Fetched([]string{"t2"}, snap(s.t, "14:15:14"))
		}, want: []string{Lost}},

		{name: "invented", tell: func(s story) {
			s.connect("all")
			s.events("abeE")
			s.Event(Event{Key: "g/message_created/9", ID: "epoch.9", Topics: []string{"all"}})
		}, want: []string{Invented}},
		{name: "a notice as an event", tell: func(s story) {
			s.connect("t2")
			s.events("dE")
			s.Event(Event{Key: "f/bulk/", ID: "epoch.9", Topics: []string{"t2"}})
			s.bulk("t2")
		}, want: []string{Invented}},

		{name: "altered content", tell: func(s story) {
			s.connect("all")
			s.events("abe")
			e := s.of('E')
			e.Value = "moved!"
			s.Event(e)
		}, want: []string{Altered}},
		{name: "altered topics", tell: func(s story) {
			s.connect("all")
			s.events("abe")
			e := s.of('E')
			e.Topics = []string{"all"}
			s.Event(e)
		}, want: []string{Altered}},
		{name: "topics in another order", tell: func(s story) {
			s.connect("all")
			s.events("abe")
			e := s.of('E')
			e.Topics = []string{"all", "t2"}
			s.Event(e)
		}},
		{name: "no id", tell: func(s story) {
			s.connect("all")
			s.events("abe")
			e := s.of('E')
			e.ID = ""
			s.Event(e)
		}, want: []string{Altered}},
		{name: "another's id", tell: func(s story) {
			s.connect("all")
			s.events("abe")
			e := s.of('E')
			e.ID = s.of('e').ID
			s.Event(e)
		}, want: []string{Altered}},
		{name: "another id the second time", tell: func(s story) {
			s.connect("all")
			s.events("abeE")
			s.Opened()
			s.Asked([]string{"all"}, true)
			e := s.of('E')
			e.ID = "epoch2.6"
			s.Event(e)
			s.answer(true, 1, "all")
		}, want: []string{Altered}},

		{name: "leaked", tell: func(s story) { s.connect("t2"); s.events("adE"); s.bulk("t2") }, want: []string{Leaked}},
		{name: "leaked after $left", tell: func(s story) {
			s.connect("all")
			s.events("ab")
			s.Left([]string{"all"})
			s.events("e")
			s.recover("eE", "all")
		}, want: []string{Leaked}},
		{name: "on its way before $left", tell: func(s story) {
			s.connect("all")
			s.events("abe")
			s.Left([]string{"all"})
			s.recover("E", "all")
		}},
		{name: "leaked on the next connection", tell: func(s story) {
			s.connect("t1", "t2")
			s.events("ab")
			s.Closed("cut")
			s.Opened()
			s.recover("c3e", "t1")
			s.events("E")
			s.recover("dE", "t2")
			s.bulk("t1", "t2")
		}, want: []string{Leaked}},
		{name: "leaked before $joined", tell: func(s story) {
			s.Opened()
			s.Asked([]string{"all"}, false)
			s.events("a")
			s.Joined([]string{"all"}, 0, nil)
			s.Member([]string{"all"}, snap(s.t, "10:10:"))
			s.events("beE")
		}, want: []string{Leaked}},
		{name: "at once, where there is no $joined", kind: Plain, tell: func(s story) {
			s.Opened()
			s.Asked([]string{"all"}, false)
			s.events("a")
			s.Member([]string{"all"}, snap(s.t, "10:10:"))
			s.events("beE")
		}},
		{name: "leaked though denied", tell: func(s story) {
			s.connect("t2")
			s.Asked([]string{"t2", "t1"}, true)
			s.events("a")
			s.answer(true, 1, "t2")
			s.events("dE")
			s.bulk("t2")
		}, want: []string{Leaked}},
		{name: "a $resync for others", tell: func(s story) {
			s.connect("all")
			s.events("abeE")
			s.Resync([]string{"t*"}, "bulk")
		}, want: []string{Leaked, Resyncs}},

		{name: "doubled", tell: func(s story) { s.connect("all"); s.events("aabeE") }, want: []string{Doubled}},
		{name: "doubled for two topics", tell: func(s story) { s.connect("t2", "all"); s.events("abdeEE"); s.bulk("t2") }, want: []string{Doubled}},
		{name: "doubled without a $joined", kind: Stream, tell: func(s story) { s.connect("all"); s.events("abeEb") }, want: []string{Doubled}},
		{name: "again on the next connection", kind: Plain, tell: func(s story) {
			s.connect("all")
			s.events("ab")
			s.Closed("cut")
			s.connect("all")
			s.events("abeE")
		}},
		{name: "again in a replay", tell: func(s story) { s.connect("all"); s.events("ab"); s.recover("ab", "all"); s.events("eE") }},
		{name: "again in two replays", tell: func(s story) {
			s.connect("all")
			s.recover("ab", "all")
			s.recover("ab", "all")
			s.events("eE")
		}},
		{name: "doubled in a replay", tell: func(s story) { s.connect("all"); s.recover("aab", "all"); s.events("eE") }, want: []string{Doubled}},
		{name: "doubled after a replay", tell: func(s story) { s.connect("all"); s.recover("ab", "all"); s.events("beE") }, want: []string{Doubled}},
		{name: "doubled between a join and its replay", tell: func(s story) {
			s.connect("all")
			s.events("ab")
			s.Asked([]string{"all"}, true)
			s.events("b")
			s.events("b")
			s.answer(true, 1, "all")
			s.events("eE")
		}, want: []string{Doubled}},
		{name: "once between a join and its replay", tell: func(s story) {
			s.connect("all")
			s.events("a")
			s.Asked([]string{"all"}, true)
			s.events("b")
			s.events("b")
			s.answer(true, 1, "all")
			s.events("eE")
		}},
		{name: "a replay that was cut off", tell: func(s story) {
			s.connect("all")
			s.events("ab")
			s.Asked([]string{"all"}, true)
			s.events("ab")
			s.Closed("cut")
			s.Opened()
			s.recover("abeE", "all")
		}},

		{name: "an effect before its cause", tell: func(s story) { s.connect("t1", "t2"); s.events("dabc3eE"); s.bulk("t1", "t2") }, want: []string{Order}},
		{name: "transactions side by side, either way", tell: func(s story) { s.connect("t1", "t2"); s.events("adbc3eE"); s.bulk("t1", "t2") }},
		{name: "a transaction in between, its part late", tell: func(s story) { s.connect("t1", "t2"); s.events("abdc3eE"); s.bulk("t1", "t2") }},
		{name: "statements the wrong way round", tell: func(s story) { s.connect("t1"); s.events("acb3e"); s.bulk("t1") }, want: []string{Order}},
		{name: "rows of one statement, either way", tell: func(s story) { s.connect("t1"); s.events("ab3ce"); s.bulk("t1") }},
		{name: "a move the wrong way round", tell: func(s story) { s.connect("all"); s.events("abEe") }, want: []string{Order}},
		{name: "changes of a row the wrong way round", tell: func(s story) { s.connect("all"); s.events("baeE") }, want: []string{Order}},
		{name: "order in a replay", tell: func(s story) { s.connect("all"); s.recover("baeE", "all") }, want: []string{Order}},
		{name: "a replay goes back", tell: func(s story) {
			s.connect("t2")
			s.events("dE")
			s.bulk("t2")
			s.recover("ab", "all")
		}},
		{name: "what is live never goes back behind a replay", tell: func(s story) {
			s.connect("t1")
			s.events("a")
			s.recover("E", "t2")
			s.events("bc3e")
			s.Fetched([]string{"t2"}, snap(s.t, "15:15:"))
			s.bulk("t1")
		}, want: []string{Order}},
		{name: "order begins anew on the next connection", kind: Plain, tell: func(s story) {
			s.connect("all")
			s.events("abeE")
			s.Closed("eof")
			s.connect("all")
			s.events("abeE")
		}},

		{name: "a $resync without a budget", tell: func(s story) {
			s.connect("all")
			s.events("abeE")
			s.Resync([]string{"all"}, "slow_consumer")
		}, want: []string{Resyncs}},
		{name: "a $resync within its budget", budget: Budget{"slow_consumer": 1}, tell: func(s story) {
			s.connect("all")
			s.events("abeE")
			s.Resync([]string{"*"}, "slow_consumer")
		}},
		{name: "a $resync over its budget", budget: Budget{"slow_consumer": 1}, tell: func(s story) {
			s.connect("all")
			s.events("abeE")
			s.Resync([]string{"all"}, "slow_consumer")
			s.Resync([]string{"all"}, "slow_consumer")
		}, want: []string{Resyncs}},
		{name: "a notice twice", tell: func(s story) { s.connect("t2"); s.events("dE"); s.bulk("t2"); s.bulk("t2") }, want: []string{Resyncs}},
		{name: "a notice on two connections", kind: Plain, tell: func(s story) {
			s.connect("t2")
			s.events("dE")
			s.bulk("t2")
			s.connect("t2")
			s.bulk("t2")
		}},
		{name: "a notice again in a replay", tell: func(s story) {
			s.connect("t2")
			s.events("dE")
			s.bulk("t2")
			s.Asked([]string{"t2"}, true)
			s.bulk("t2")
			s.answer(true, 0, "t2")
		}},
		{name: "a notice for whom there is none", tell: func(s story) {
			s.connect("all")
			s.events("abeE")
			s.Resync([]string{"all"}, "truncate")
		}, want: []string{Resyncs}},

		{name: "fewer replayed than told", tell: func(s story) {
			s.Opened()
			s.Asked([]string{"all"}, true)
			s.events("ab")
			s.answer(true, 3, "all")
		}, want: []string{Replay}},
		{name: "more replayed than told", tell: func(s story) {
			s.Opened()
			s.Asked([]string{"all"}, true)
			s.events("ab")
			s.answer(true, 1, "all")
		}, want: []string{Replay}},
		{name: "what is replayed is of another topic", tell: func(s story) {
			s.Opened()
			s.join("t2")
			s.Asked([]string{"all"}, true)
			s.events("abd")
			s.answer(true, 3, "all")
		}, want: []string{Replay}},
		{name: "on its way before the replay", tell: func(s story) {
			s.Opened()
			s.join("t2")
			s.Asked([]string{"all"}, true)
			s.events("dab")
			s.answer(true, 2, "all")
		}},
		{name: "recovered where nothing was asked", tell: func(s story) {
			s.Opened()
			s.Asked([]string{"all"}, false)
			s.answer(true, 0, "all")
		}, want: []string{Replay}},
		{name: "recovered left out", tell: func(s story) {
			s.Opened()
			s.Asked([]string{"all"}, true)
			s.Joined([]string{"all"}, 0, nil)
		}, want: []string{Replay}},
		{name: "$joined to nobody", tell: func(s story) { s.Opened(); s.Joined([]string{"all"}, 0, nil) }, want: []string{Replay}},
		{name: "$joined of what was not asked", tell: func(s story) {
			s.Opened()
			s.Asked([]string{"all"}, false)
			s.Joined([]string{"all", "t1"}, 0, nil)
		}, want: []string{Replay}},
		{name: "joins answered in turn", tell: func(s story) {
			s.Opened()
			s.Asked([]string{"all"}, true)
			s.Asked([]string{"t2"}, false)
			s.events("ab")
			s.answer(true, 2, "all")
			s.Joined([]string{"t2"}, 0, nil)
			s.events("eE")
		}},
		{name: "two replays in turn", tell: func(s story) {
			s.Opened()
			s.Asked([]string{"all"}, true)
			s.Asked([]string{"t2"}, true)
			s.events("abE")
			s.answer(true, 3, "all")
			s.events("dE")
			s.answer(true, 2, "t2")
		}},

		{name: "not recovered, and silence", tell: func(s story) {
			s.connect("all")
			s.events("abeE")
			s.Asked([]string{"all"}, true)
			s.answer(false, 0, "all")
		}, want: []string{Unannounced}},
		{name: "not recovered, and life goes on", budget: Budget{"cursor_expired": 1}, tell: func(s story) {
			s.connect("all")
			s.events("a")
			s.Asked([]string{"all"}, true)
			s.answer(false, 0, "all")
			s.events("b")
			s.Resync([]string{"all"}, "cursor_expired")
			s.events("eE")
		}, want: []string{Unannounced}},
		{name: "not recovered, another topic's $resync", budget: Budget{"cursor_expired": 1}, tell: func(s story) {
			s.connect("all", "t2")
			s.Asked([]string{"all"}, true)
			s.answer(false, 0, "all")
			s.Resync([]string{"t2"}, "cursor_expired")
			s.fetch("all", "t2")
		}, want: []string{Unannounced}},
		{name: "not recovered, and said so", budget: Budget{"cursor_expired": 1}, tell: func(s story) {
			s.connect("all")
			s.Asked([]string{"all"}, true)
			s.answer(false, 0, "all")
			s.Resync([]string{"*"}, "cursor_expired")
			s.fetch("all")
		}},
		{name: "not recovered, and cut off", tell: func(s story) {
			s.connect("all")
			s.Asked([]string{"all"}, true)
			s.answer(false, 0, "all")
			s.Closed("cut")
			s.fetch("all")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			kind := test.kind
			if kind == "" {
				kind = Library
			}
			s := story{NewJournal("ann", kind), t}
			test.tell(s)
			v := Judge(storyTruth(t), []*Journal{s.Journal}, test.budget)
			var rules []string
			for _, v := range v.Violations {
				rules = append(rules, v.Rule)
			}
			slices.Sort(rules)
			slices.Sort(test.want)
			if !slices.Equal(slices.Compact(rules), test.want) {
				t.Errorf("found %v, want %v", v.Violations, test.want)
			}
		})
	}
}
