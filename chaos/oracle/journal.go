package oracle

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is how a client speaks to the daemon.
type Kind string

// The kinds of clients.
const (
	Library Kind = "library" // rowcast.v1
	Plain   Kind = "plain"   // a WebSocket without a protocol of its own
	Stream  Kind = "sse"
)

// Event is an event as a client got it.
type Event struct {
	Key, ID, Value string
	Topics         []string
	Received       time.Time
}

// Journal is what one client did and was sent, in the order in which it saw it.
// The client writes it; anybody may look meanwhile.
type Journal struct {
	name string
	kind Kind

	mu      sync.Mutex // guards what follows
	entries []entry
	changed chan struct{} // closed and forgotten at the next entry; nil while nobody waits
	search  *search       // of the last Through
}

type act uint8

const (
	opened act = iota
	asked
	joined
	member
	left
	event
	resync
	fetched
	closed
)

func (a act) String() string {
	return [...]string{"opened", "asked", "joined", "member", "left", "event", "resync", "fetched", "closed"}[a]
}

// entry is one line of a journal. What an act has no use for is zero.
type entry struct {
	act       act
	replay    bool  // asked
	recovered *bool // joined
	replayed  int   // joined
	topics    []string
	snapshot  *Snapshot // member, fetched
	text      string    // resync: the reason; closed: how
	event     *Event
}

// NewJournal is an empty journal.
func NewJournal(name string, kind Kind) *Journal {
	return &Journal{name: name, kind: kind}
}

// Name is the client's.
func (j *Journal) Name() string { return j.name }

// Kind is the client's.
func (j *Journal) Kind() Kind { return j.kind }

// Opened is a new connection: "once" and "in order" begin anew, and no topic is joined.
func (j *Journal) Opened() { j.write(entry{act: opened}) }

// Asked is a join that is being sent, or the topics of a URL. At the library
// level their events may come from its Joined on, and with replay (a join with
// since or lookback_ms) as a replay before it; at the others from here on.
func (j *Journal) Asked(topics []string, replay bool) {
	j.write(entry{act: asked, topics: slices.Clone(topics), replay: replay})
}

// Joined is the answer to the oldest join that has none. Every answer is written
// down, also one that denies all topics (topics is empty then).
func (j *Journal) Joined(topics []string, replayed int, recovered *bool) {
	if recovered != nil {
		value := *recovered
		recovered = &value
	}
	j.write(entry{act: joined, topics: slices.Clone(topics), replayed: replayed, recovered: recovered})
}

// Member is the beginning of a debt: from now on all that from does not see is
// owed. Of a topic the first one counts.
func (j *Journal) Member(topics []string, from Snapshot) {
	j.write(entry{act: member, topics: slices.Clone(topics), snapshot: &from})
}

// Left is a $left: nothing of these topics may come until asked again. What is
// owed stays owed.
func (j *Journal) Left(topics []string) {
	j.write(entry{act: left, topics: slices.Clone(topics)})
}

// Event is an event that came.
func (j *Journal) Event(e Event) {
	j.write(entry{act: event, event: &e})
}

// Resync is a $resync that came; its topics may be patterns.
func (j *Journal) Resync(topics []string, reason string) {
	j.write(entry{act: resync, topics: slices.Clone(topics), text: reason})
}

// Fetched is a refetch: what s sees of these topics needs no event any more.
func (j *Journal) Fetched(topics []string, s Snapshot) {
	j.write(entry{act: fetched, topics: slices.Clone(topics), snapshot: &s})
}

// Closed is the connection's end as the client saw it: "1012", "4413", "cut", "eof".
func (j *Journal) Closed(how string) { j.write(entry{act: closed, text: how}) }

// Changed is closed at the next entry.
func (j *Journal) Changed() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	return j.changed
}

// Through is whether each topic got an event, or a refetch that sees its
// transaction. An event that comes for one topic is none for another in which
// the client is not: what that one missed is still to come.
func (j *Journal) Through(key string, xid uint64, topics []string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.search == nil || j.search.key != key {
		j.search = newSearch(j.kind, key, xid)
	}
	j.search.over(j.entries)
	for _, topic := range topics {
		if !j.search.got[topic] {
			return false
		}
	}
	return true
}

// Events are those that came so far.
func (j *Journal) Events() iter.Seq[Event] {
	entries := j.all()
	return func(yield func(Event) bool) {
		for i := range entries {
			if entries[i].act == event && !yield(*entries[i].event) {
				return
			}
		}
	}
}

// Ends counts how connections ended.
func (j *Journal) Ends() map[string]int {
	ends := map[string]int{}
	for _, e := range j.all() {
		if e.act == closed {
			ends[e.text]++
		}
	}
	return ends
}

// Lines are the journal for people to read: a line an entry, with the numbers
// that violations name.
func (j *Journal) Lines() iter.Seq[string] {
	entries := j.all()
	return func(yield func(string) bool) {
		for i, e := range entries {
			if !yield(fmt.Sprintf("%d %s", i, e)) {
				return
			}
		}
	}
}

func (e entry) String() string {
	parts := []string{e.act.String()}
	if e.event != nil {
		parts = append(parts, e.event.Received.Format("15:04:05.000"), e.event.Key, e.event.ID, strings.Join(e.event.Topics, ","))
	}
	if e.topics != nil {
		parts = append(parts, strings.Join(e.topics, ","))
	}
	if e.replay {
		parts = append(parts, "with replay")
	}
	if e.act == joined {
		parts = append(parts, fmt.Sprintf("replayed %d", e.replayed))
	}
	if e.recovered != nil {
		parts = append(parts, fmt.Sprintf("recovered %v", *e.recovered))
	}
	if e.snapshot != nil {
		parts = append(parts, e.snapshot.String())
	}
	if e.text != "" {
		parts = append(parts, e.text)
	}
	return strings.Join(parts, " ")
}

func (j *Journal) write(e entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

// all are the entries so far, which nobody changes any more.
func (j *Journal) all() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clip(j.entries)
}
