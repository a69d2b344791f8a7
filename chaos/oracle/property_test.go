package oracle

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// enough is a budget that no run of these reaches.
var enough = Budget{"cursor_expired": 1000, "slow_consumer": 1000}

// TestWhatIsLegal: however a daemon that keeps its promises and careful clients
// get along, the judge finds nothing. Then one thing is broken, and it finds just that.
func TestWhatIsLegal(t *testing.T) {
	t.Parallel()
	broken := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for _, c := range w.clients {
			c.connect(t)
		}
		for range 4 { // longer than one
			t.Repeat(w.actions())
		}
		w.settle(t)
		if v := w.judge(); len(v.Violations) > 0 {
			w.print(t, v.Violations[0].Client)
			t.Fatalf("found %v", v.Violations)
		}
		j := w.client(t).journal
		for _, fault := range faults {
			places := fault.places(w, j)
			if len(places) == 0 {
				continue
			}
			whole := slices.Clone(j.entries)
			fault.do(w, j, rapid.SampledFrom(places).Draw(t, fault.name))
			v := w.judge()
			if len(v.Violations) == 0 || slices.ContainsFunc(v.Violations, func(v Violation) bool { return v.Rule != fault.rule || v.Client != j.name }) {
				w.print(t, j.name)
				t.Fatalf("%s: found %v", fault.name, v.Violations)
			}
			broken[fault.name]++
			j.entries = whole
		}
	})
	for _, f := range faults {
		if broken[f.name] == 0 && !t.Failed() {
			t.Errorf("%s was never tried", f.name)
		}
	}
}

func (w *world) judge() Verdict {
	var journals []*Journal
	for _, c := range w.clients {
		journals = append(journals, c.journal)
	}
	return Judge(w.truth, journals, enough)
}

func (w *world) print(t *rapid.T, client string) {
	for _, c := range w.clients {
		if c.journal.name == client {
			for line := range c.journal.Lines() {
				t.Log(line)
			}
		}
	}
}

// fault is one thing to break in a journal, and where that breaks one rule only.
type fault struct {
	name, rule string
	places     func(*world, *Journal) []int
	do         func(*world, *Journal, int)
}

var faults = []fault{
	{"drop", Lost, func(w *world, j *Journal) []int {
		return w.where(j, func(at int, a arrival) bool { return a.how == live && w.needed(j, a) })
	}, func(_ *world, j *Journal, at int) { j.entries = slices.Delete(j.entries, at, at+1) }},
	{"drop of a replay", Lost, func(w *world, j *Journal) []int {
		return w.where(j, func(at int, a arrival) bool { return a.how == replayed && w.needed(j, a) })
	}, func(_ *world, j *Journal, at int) {
		for n := at; ; n++ {
			if j.entries[n].act == joined {
				j.entries[n].replayed--
				break
			}
		}
		j.entries = slices.Delete(j.entries, at, at+1)
	}},
	{"double", Doubled, func(w *world, j *Journal) []int {
		return w.where(j, func(at int, a arrival) bool { return a.how == live })
	}, func(_ *world, j *Journal, at int) { j.entries = slices.Insert(j.entries, at, j.entries[at]) }},
	{"swap", Order, func(w *world, j *Journal) []int {
		how := w.arrivals(j)
		return w.where(j, func(at int, a arrival) bool {
			b, follows := how[at+1]
			return a.how != undecided && follows && a.how == b.how && w.before(a.event.Key, b.event.Key)
		})
	}, func(_ *world, j *Journal, at int) {
		j.entries[at], j.entries[at+1] = j.entries[at+1], j.entries[at]
	}},
	{"invent", Invented, func(w *world, j *Journal) []int {
		return w.where(j, func(at int, a arrival) bool { return a.how == live })
	}, func(_ *world, j *Journal, at int) {
		e := *j.entries[at].event
		e.Key = "nobody/message_created/1"
		j.entries = slices.Insert(j.entries, at, entry{act: event, event: &e})
	}},
	{"content", Altered, func(w *world, j *Journal) []int {
		return w.where(j, func(at int, a arrival) bool { return true })
	}, func(_ *world, j *Journal, at int) {
		e := *j.entries[at].event
		e.Value += "!"
		j.entries[at].event = &e
	}},
	{"foreign topic", Leaked, func(w *world, j *Journal) (places []int) {
		return w.where(j, func(at int, a arrival) bool { return a.how == live && w.foreign(j, at) >= 0 })
	}, func(w *world, j *Journal, at int) {
		o := w.truth.Owed[w.foreign(j, at)]
		e := Event{Key: o.Key, ID: "foreign", Topics: o.Topics, Value: o.Value}
		for _, c := range w.clients { // the id that others saw
			for known := range c.journal.Events() {
				if known.Key == e.Key {
					e.ID = known.ID
				}
			}
		}
		j.entries = slices.Insert(j.entries, at+1, entry{act: event, event: &e})
	}},
	{"count", Replay, func(_ *world, j *Journal) (places []int) {
		return j.acts(func(at int, e entry) bool { return e.act == joined })
	}, func(_ *world, j *Journal, at int) { j.entries[at].replayed += len(j.entries) }},
	{"silence", Unannounced, func(_ *world, j *Journal) (places []int) {
		return j.acts(func(at int, e entry) bool {
			return e.act == resync && j.entries[at-1].recovered != nil && !*j.entries[at-1].recovered &&
				(at+2 == len(j.entries) || j.entries[at+2].act == event)
		})
	}, func(_ *world, j *Journal, at int) { j.entries = slices.Delete(j.entries, at, at+1) }},
	{"too many", Resyncs, func(_ *world, j *Journal) (places []int) {
		return j.acts(func(at int, e entry) bool { return e.act == resync })
	}, func(_ *world, j *Journal, at int) {
		e := j.entries[at]
		e.text = "source_gap"
		j.entries = slices.Insert(j.entries, at, e)
	}},
}

func (j *Journal) acts(ok func(int, entry) bool) (places []int) {
	for at, e := range j.entries {
		if ok(at, e) {
			places = append(places, at)
		}
	}
	return places
}

// arrivals are the events of a journal by their entries.
func (w *world) arrivals(j *Journal) map[int]arrival {
	all := map[int]arrival{}
	s := newStanding(j.kind)
	for at := range j.entries {
		for _, a := range s.take(at, &j.entries[at]) {
			all[a.at] = a
		}
	}
	for _, a := range s.end() {
		all[a.at] = a
	}
	return all
}

func (w *world) where(j *Journal, ok func(int, arrival) bool) (places []int) {
	all := w.arrivals(j)
	return j.acts(func(at int, _ entry) bool {
		a, known := all[at]
		return known && ok(at, a)
	})
}

func (w *world) index(key string) int {
	return slices.IndexFunc(w.truth.Owed, func(o Owed) bool { return o.Key == key })
}

// needed is whether an event came once, and for a debt that no refetch paid.
func (w *world) needed(j *Journal, a arrival) bool {
	o := w.truth.Owed[w.index(a.event.Key)]
	times := 0
	owing, paid := map[string]bool{}, map[string]bool{}
	begun := map[string]bool{}
	for _, e := range j.entries {
		for _, topic := range e.topics {
			switch {
			case e.act == member && !begun[topic]:
				begun[topic], owing[topic] = true, !e.snapshot.Sees(o.XID)
			case e.act == fetched && e.snapshot.Sees(o.XID):
				paid[topic] = true
			}
		}
		if e.act == event && e.event.Key == o.Key {
			times++
		}
	}
	return times == 1 && slices.ContainsFunc(o.Topics, func(topic string) bool { return owing[topic] && !paid[topic] })
}

// before is whether promise 4 says that a comes before b.
func (w *world) before(first, second string) bool {
	a, b := w.truth.Owed[w.index(first)], w.truth.Owed[w.index(second)]
	if a.XID == b.XID {
		return statement(a.Key) != statement(b.Key) || a.Row != "" && a.Row == b.Row
	}
	return w.truth.Transactions[b.XID].Began.Sees(a.XID) || a.Row != "" && a.Row == b.Row
}

// foreign is an event that could have followed an entry if the client were in its
// topics; -1 for none.
func (w *world) foreign(j *Journal, at int) int {
	all := w.arrivals(j)
	s := newStanding(j.kind)
	for n := range at + 1 {
		s.take(n, &j.entries[n])
	}
	if len(s.asks) > 0 {
		return -1
	}
	place := func(n int) int { return slices.Index(w.log, n) }
	here, next := place(w.index(j.entries[at].event.Key)), len(w.log)
	for n := at + 1; n < len(j.entries) && j.entries[n].act != opened; n++ {
		if a, known := all[n]; known && a.how == live {
			next = place(w.index(a.event.Key))
			break
		}
	}
	for _, n := range w.log[here+1 : next] {
		if o := w.truth.Owed[n]; !o.Notice && !slices.ContainsFunc(o.Topics, func(topic string) bool { return s.in[topic] }) {
			return n
		}
	}
	return -1
}
