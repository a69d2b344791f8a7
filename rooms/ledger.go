package rooms

import (
	"container/list"
	"slices"
	"strings"
	"time"
)

const (
	// ledgerBytes is what the changes remembered take: those of more memberships
	// than are deleted at once, a hundred thousand and some.
	ledgerBytes = 40 << 20
	// changeOverhead is about what a change takes besides its texts.
	changeOverhead = 256
	// ledgerAge is how long: no decision lives so long, and few tokens do.
	ledgerAge = 24 * time.Hour
)

// ledger remembers the changes of access, so that who decides needs no lock: a
// decision carries the mark taken before it, and is good for as long as nothing
// changed since. Of each subject and topic only the newest change counts. What
// it no longer knows it takes for changed. Guarded by the hub's lock.
type ledger struct {
	limit int64
	bytes int64

	seq      uint64 // of the newest change; above 0
	floor    uint64 // what changed after marks below it is not known
	changes  map[right]*list.Element
	order    *list.List          // of *change, the newest last
	patterns map[whose][]*change // those with a * in their topic
	lost     time.Time           // of the newest revocation there was no room for
	lostAt   time.Duration       // when it was forgotten
}

// whose rights: a subject's, or everybody's.
type whose struct {
	everyone bool
	subject  string
}

// right is what changes.
type right struct {
	whose
	topic string // or a pattern
}

// change is the newest of a right.
type change struct {
	right
	seq     uint64
	at      time.Duration // when it came, by the hub's clock
	revoked time.Time     // the newest revocation; zero for none
}

// size is what the change takes of a ledger.
func (c *change) size() int64 { return int64(changeOverhead + len(c.subject) + len(c.topic)) }

func newLedger() ledger {
	return ledger{
		limit: ledgerBytes, seq: 1, floor: 1,
		changes: map[right]*list.Element{}, order: list.New(), patterns: map[whose][]*change{},
	}
}

// add takes note of a change in the topics.
func (l *ledger) add(a *Access, topics []string, now time.Duration) {
	l.seq++
	w := whose{subject: a.Subject}
	if a.Everyone {
		w = whose{everyone: true}
	}
	for _, t := range topics {
		c := l.of(right{w, t})
		c.seq, c.at = l.seq, now
		if a.Effect == Revoked {
			c.revoked = later(c.revoked, a.At)
		}
	}
	l.forget(now)
}

// of returns the change of a right, as the newest of all.
func (l *ledger) of(r right) *change {
	if e := l.changes[r]; e != nil {
		l.order.MoveToBack(e)
		return e.Value.(*change)
	}
	c := &change{right: r}
	l.bytes += c.size()
	l.changes[r] = l.order.PushBack(c)
	if strings.Contains(r.topic, "*") {
		l.patterns[r.whose] = append(l.patterns[r.whose], c)
	}
	return c
}

// later returns the later of two times; a revocation whose time is not known
// happened now.
func later(t, at time.Time) time.Time {
	if at.IsZero() {
		at = time.Now()
	}
	if at.Before(t) {
		return t
	}
	return at
}

// void makes all decisions so far void.
func (l *ledger) void() {
	l.seq++
	l.floor = l.seq
}

// forget drops what is too old or too much.
func (l *ledger) forget(now time.Duration) {
	if now-l.lostAt > ledgerAge {
		l.lost = time.Time{}
	}
	for e := l.order.Front(); e != nil; e = l.order.Front() {
		c := e.Value.(*change)
		tooMuch := l.bytes > l.limit
		if !tooMuch && now-c.at <= ledgerAge {
			return
		}
		if tooMuch && !c.revoked.IsZero() {
			l.lost, l.lostAt = later(l.lost, c.revoked), now
		}
		l.floor = max(l.floor, c.seq)
		l.bytes -= c.size()
		l.order.Remove(e)
		delete(l.changes, c.right)
		if ps := l.patterns[c.whose]; len(ps) == 1 && ps[0] == c {
			delete(l.patterns, c.whose)
		} else if i := slices.Index(ps, c); i >= 0 {
			l.patterns[c.whose] = slices.Delete(ps, i, i+1)
		}
	}
}

// changed reports whether the subject's right to the topic may have changed
// after mark.
func (l *ledger) changed(subject, topic string, mark uint64) bool {
	return mark < l.floor || l.find(subject, topic, func(c *change) bool { return c.seq > mark })
}

// revokedSince reports whether it was revoked at t or later.
func (l *ledger) revokedSince(subject, topic string, t time.Time) bool {
	since := func(at time.Time) bool { return !at.IsZero() && !at.Before(t) }
	return since(l.lost) || l.find(subject, topic, func(c *change) bool { return since(c.revoked) })
}

// find reports whether ok holds for a change of the subject's, or of
// everybody's, right to the topic.
func (l *ledger) find(subject, topic string, ok func(*change) bool) bool {
	for _, w := range [...]whose{{subject: subject}, {everyone: true}} {
		if e := l.changes[right{w, topic}]; e != nil && ok(e.Value.(*change)) {
			return true
		}
		for _, c := range l.patterns[w] {
			if ok(c) && matches(c.topic, topic) {
				return true
			}
		}
	}
	return false
}

// Mark is the place in the hub's count of access changes. Who decides what a
// subject may join takes it first: the decision is good while Changed says no.
func (h *Hub) Mark() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ledger.seq
}

// Changed reports whether the subject's right to the topic may have changed
// since the mark was taken.
func (h *Hub) Changed(subject, topic string, mark uint64) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ledger.changed(subject, topic, mark)
}

// RevokedSince reports whether the subject's right to the topic was revoked at t
// or later, as far as is remembered: a day, and what Reset brought from before.
// When there were too many to remember it is taken for revoked.
func (h *Hub) RevokedSince(subject, topic string, t time.Time) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ledger.revokedSince(subject, topic, t)
}
