package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Judge holds each journal against the truth.
func Judge(t Truth, journals []*Journal, b Budget) Verdict {
	v := Verdict{Transactions: len(t.Transactions), Resyncs: map[string]int{}, Most: map[string]int{}}
	known := newTruth(t)
	for _, j := range journals {
		c := newReading(known, j)
		c.read(j.all())
		c.sum(&v, b)
	}
	return v
}

// truth is a Truth with what judging needs to find its way.
type truth struct {
	transactions map[uint64]Transaction
	owed         []Owed
	byKey        map[string]int
	byTopic      map[string][]int // that name the topic itself
	wide         []int            // notices with patterns
	all          map[string][]int // of the topics that were asked for: byTopic, and the wide ones
	ids          []string         // of each event, as the first client got it
	byID         map[string]int
}

func newTruth(t Truth) *truth {
	k := &truth{
		transactions: t.Transactions,
		owed:         t.Owed,
		byKey:        make(map[string]int, len(t.Owed)),
		byTopic:      map[string][]int{},
		all:          map[string][]int{},
		ids:          make([]string, len(t.Owed)),
		byID:         make(map[string]int, len(t.Owed)),
	}
	for n := range t.Owed {
		o := &t.Owed[n]
		if !o.Notice {
			k.byKey[o.Key] = n
		}
		for _, topic := range o.Topics {
			if strings.Contains(topic, "*") {
				k.wide = append(k.wide, n)
			} else {
				k.byTopic[topic] = append(k.byTopic[topic], n)
			}
		}
	}
	return k
}

// name is an event as a violation names it.
func (t *truth) name(n int) string {
	return fmt.Sprintf("%s (transaction %d)", t.owed[n].Key, t.owed[n].XID)
}

// of are the events and notices of a topic, each once or more.
func (t *truth) of(topic string) []int {
	list, known := t.all[topic]
	if known {
		return list
	}
	list = slices.Clone(t.byTopic[topic])
	for _, n := range t.wide {
		if slices.ContainsFunc(t.owed[n].Topics, func(p string) bool { return matches(p, topic) }) {
			list = append(list, n)
		}
	}
	t.all[topic] = list
	return list
}

// reading is a journal being read against the truth.
type reading struct {
	*truth
	library  bool
	name     string
	standing *standing
	got      []bool // by number of the event

	from    map[string]Snapshot   // of each topic: the debt begins
	fetches map[string][]Snapshot // of each topic
	topics  map[string]bool       // all that were ever asked for

	// Of the connection.
	course *course
	came   map[int]int // an event's last entry
	debts  [][]string  // topics that a $joined with recovered false named, and no $resync yet

	connections, replays, refetches int
	delivered, repeated             int
	resyncs                         map[string]int
	found                           map[string]int // violations by rule
	violations                      []Violation
}

// few is how many violations of a rule are told of a client. What is wrong with
// one event is wrong with thousands.
const few = 10

func newReading(t *truth, j *Journal) *reading {
	return &reading{
		truth: t, library: j.kind == Library, name: j.name, standing: newStanding(j.kind), got: make([]bool, len(t.owed)),
		from: map[string]Snapshot{}, fetches: map[string][]Snapshot{}, topics: map[string]bool{},
		course: newCourse(), came: map[int]int{}, resyncs: map[string]int{}, found: map[string]int{},
	}
}

func (c *reading) violate(rule, format string, args ...any) {
	c.found[rule]++
	if c.found[rule] <= few {
		c.violations = append(c.violations, Violation{c.name, rule, fmt.Sprintf(format, args...)})
	}
}

func (c *reading) read(entries []entry) {
	for at := range entries {
		e := &entries[at]
		if e.act == event && len(c.debts) > 0 {
			c.unannounced(at)
		}
		asks := c.standing.asks
		known := c.standing.take(at, e)
		if e.act == joined && c.library {
			c.answer(at, e, asks, known)
		}
		c.arrive(known)
		switch e.act {
		case opened:
			c.connections++
			c.course, c.came, c.debts = newCourse(), map[int]int{}, nil
		case closed:
			c.debts = nil
		case asked:
			if e.replay && c.library {
				c.replays++
			}
			for _, topic := range e.topics {
				c.topics[topic] = true
			}
		case joined:
			if e.recovered != nil && !*e.recovered && len(e.topics) > 0 {
				c.debts = append(c.debts, e.topics)
			}
		case member:
			for _, topic := range e.topics {
				if _, known := c.from[topic]; !known {
					c.from[topic] = *e.snapshot
				}
			}
		case fetched:
			c.refetches++
			for _, topic := range e.topics {
				c.fetches[topic] = append(c.fetches[topic], *e.snapshot)
			}
		case resync:
			c.resync(at, e)
		}
	}
	c.arrive(c.standing.end())
	if len(c.debts) > 0 {
		c.unannounced(len(entries))
	}
}

// answer holds a $joined against the oldest of the joins that have no answer, and
// against the events between them.
func (c *reading) answer(at int, e *entry, asks []ask, between []arrival) {
	if len(asks) == 0 {
		c.violate(Replay, "%d: a $joined for %s answers no join", at, strings.Join(e.topics, ","))
		return
	}
	for _, topic := range e.topics {
		if !slices.Contains(asks[0].topics, topic) {
			c.violate(Replay, "%d: $joined names %s, which the join did not", at, topic)
		}
	}
	if asks[0].replay != (e.recovered != nil) {
		c.violate(Replay, "%d: recovered is there: %v; a replay was asked for: %v", at, e.recovered != nil, asks[0].replay)
	}
	if e.replayed > len(between) {
		c.violate(Replay, "%d: $joined says %d events were replayed, %d came", at, e.replayed, len(between))
	}
	for _, a := range between {
		if a.how == replayed && a.mine && !a.asked || a.how == live && a.asked && !a.mine {
			c.violate(Replay, "%d: $joined says %d events were replayed; that does not fit %d, %s", at, e.replayed, a.at, a.event.Key)
			return
		}
	}
}

func (c *reading) unannounced(at int) {
	c.violate(Unannounced, "%d: $joined said of %s that not all was recovered, and no $resync followed", at, strings.Join(c.debts[0], ","))
	c.debts = nil
}

func (c *reading) resync(at int, e *entry) {
	c.resyncs[e.text]++
	c.debts = slices.DeleteFunc(c.debts, func(topics []string) bool {
		return slices.ContainsFunc(topics, func(topic string) bool {
			return slices.ContainsFunc(e.topics, func(p string) bool { return matches(p, topic) })
		})
	})
	if !c.standing.concerns(e.topics) {
		c.violate(Leaked, "%d: a $resync for %s, which are not joined", at, strings.Join(e.topics, ","))
	}
}

// arrive judges events, of which it is known how they came. Those of one call
// are of one join, if they are replayed.
func (c *reading) arrive(list []arrival) {
	var replay *course
	repeated := map[int]int{}
	for _, a := range list {
		n, known := c.byKey[a.event.Key]
		if !known {
			c.violate(Invented, "%d: %s (%s)", a.at, a.event.Key, a.event.ID)
			continue
		}
		c.same(a, n)
		if !a.mine && !a.asked {
			c.violate(Leaked, "%d: %s, of %s", a.at, c.truth.name(n), strings.Join(a.event.Topics, ","))
		}
		if c.got[n] {
			c.repeated++
		} else {
			c.got[n] = true
			c.delivered++
		}
		before, again := c.came[n]
		switch a.how {
		case live:
			if again {
				c.violate(Doubled, "%d: %s came at %d", a.at, c.truth.name(n), before)
			} else if what := c.course.allows(c.truth, n); what != "" {
				c.violate(Order, "%d: %s came after %s", a.at, c.truth.name(n), what)
			}
		case replayed:
			if replay == nil {
				replay = newCourse()
			}
			if before, again := repeated[n]; again {
				c.violate(Doubled, "%d: %s came at %d, in the same replay", a.at, c.truth.name(n), before)
			} else if what := replay.allows(c.truth, n); what != "" {
				c.violate(Order, "%d: %s was replayed after %s", a.at, c.truth.name(n), what)
			}
			repeated[n] = a.at
			replay.note(c.truth, n)
		}
		if !again {
			c.course.note(c.truth, n)
		}
		c.came[n] = a.at
	}
}

// same holds an event against what was committed, and against what others got.
func (c *reading) same(a arrival, n int) {
	o, e := &c.owed[n], a.event
	if e.Value != o.Value {
		c.violate(Altered, "%d: %s holds %.40q, not %.40q", a.at, c.truth.name(n), e.Value, o.Value)
	}
	if !equal(e.Topics, o.Topics) {
		c.violate(Altered, "%d: %s is of %s, not of %s", a.at, c.truth.name(n), strings.Join(e.Topics, ","), strings.Join(o.Topics, ","))
	}
	if c.ids[n] == e.ID && e.ID != "" {
		return
	}
	other, taken := c.byID[e.ID]
	switch {
	case c.ids[n] != "":
		c.violate(Altered, "%d: %s has the id %s, and had %s elsewhere", a.at, c.truth.name(n), e.ID, c.ids[n])
	case e.ID == "":
		c.violate(Altered, "%d: %s has no id", a.at, c.truth.name(n))
	case taken:
		c.violate(Altered, "%d: %s has the id %s of %s", a.at, c.truth.name(n), e.ID, c.truth.name(other))
	default:
		c.ids[n], c.byID[e.ID] = e.ID, n
	}
}

// equal is whether two lists hold the same topics.
func equal(a, b []string) bool {
	return len(a) == len(b) &&
		!slices.ContainsFunc(a, func(t string) bool { return !slices.Contains(b, t) }) &&
		!slices.ContainsFunc(b, func(t string) bool { return !slices.Contains(a, t) })
}

// sum says what is missing, and adds all up.
func (c *reading) sum(v *Verdict, b Budget) {
	v.Owed += c.debt()
	c.count(v, b)
	v.Delivered += c.delivered
	v.Repeated += c.repeated
	v.Connections += c.connections
	v.Refetches += c.refetches
	v.Violations = append(v.Violations, c.violations...)
	for _, rule := range slices.Sorted(maps.Keys(c.found)) {
		if more := c.found[rule] - few; more > 0 {
			v.Violations = append(v.Violations, Violation{c.name, rule, fmt.Sprintf("… and %d more", more)})
		}
	}
}

// debt returns how many events and notices are owed, and violates for each that
// neither came nor was fetched.
func (c *reading) debt() (owed int) {
	const counted, told = 1, 2
	state := make([]uint8, len(c.owed))
	for _, topic := range slices.Sorted(maps.Keys(c.from)) {
		from := c.from[topic]
		for _, n := range c.of(topic) {
			o := &c.owed[n]
			if from.Sees(o.XID) {
				continue
			}
			if state[n] == 0 {
				state[n] = counted
				owed++
			}
			fetched := slices.ContainsFunc(c.fetches[topic], func(s Snapshot) bool { return s.Sees(o.XID) })
			if c.got[n] || fetched || state[n] == told {
				continue
			}
			state[n] = told
			kind := ""
			if o.Notice {
				kind = ", owed as a $resync"
			}
			c.violate(Lost, "%s, of %s%s; refetches of it: %d", c.truth.name(n), topic, kind, len(c.fetches[topic]))
		}
	}
	return owed
}

// count holds the $resync that came against the budget. What the truth owes as
// one comes once on a connection, and once more in each replay.
func (c *reading) count(v *Verdict, b Budget) {
	notices := map[int]bool{}
	for topic := range c.topics {
		for _, n := range c.of(topic) {
			if c.owed[n].Notice {
				notices[n] = true
			}
		}
	}
	free := len(notices) * (c.connections + c.replays)
	owed := c.resyncs["bulk"] + c.resyncs["truncate"]
	if most := free + b["bulk"] + b["truncate"]; owed > most {
		c.violate(Resyncs, "%d of bulk and truncate, %d allowed", owed, most)
	}
	for reason, n := range c.resyncs {
		v.Resyncs[reason] += n
		v.Most[reason] = max(v.Most[reason], n)
		if reason != "bulk" && reason != "truncate" && n > b[reason] {
			c.violate(Resyncs, "%d of %s, %d allowed", n, reason, b[reason])
		}
	}
}
