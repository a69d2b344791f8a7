package bridge

import (
	"maps"
	"slices"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
	"rowcast/rooms"
)

// maxExactTopics is how many topics of a large transaction are named one by
// one; of more, only the patterns are.
const maxExactTopics = 1000

// largeTransaction is a transaction over limits.transaction_events. Its changes
// are not streamed: in the place of its last one, one resync goes to the topics
// of all of them.
type largeTransaction struct {
	xid    uint64
	left   int64             // changes still to come
	resume snapshot.Snapshot // the cursor that goes with the announcement
	topics map[string]bool   // names, and patterns where there is no name; nil: too many
	// patterns stand for all topics, should they be too many.
	patterns map[string]bool
}

// largeTransaction returns the large transaction the change is part of, nil if
// its transaction is none.
func (t *translator) largeTransaction(c *pglisten.Change) *largeTransaction {
	for _, l := range t.large {
		if l.xid == c.XID {
			return l
		}
	}
	if c.TxChanges <= int64(t.o.TransactionEvents) {
		return nil
	}
	l := &largeTransaction{
		xid:      c.XID,
		left:     c.TxChanges,
		resume:   c.Resume,
		topics:   make(map[string]bool),
		patterns: make(map[string]bool),
	}
	t.large = append(t.large, l)
	return l
}

// collect takes the topics of the transaction's next change.
func (t *translator) collect(l *largeTransaction, c *pglisten.Change) {
	l.left--
	for _, pattern := range t.patterns(c) {
		l.patterns[pattern] = true
	}
	if len(l.patterns) > maxExactTopics {
		l.patterns = map[string]bool{"*": true}
	}
	if l.topics == nil {
		return
	}
	for _, name := range t.concerned(c) {
		l.topics[name] = true
	}
	if len(l.topics) > maxExactTopics {
		l.topics = nil
	}
}

// concerned returns the topics of a change, before and after it; their patterns
// where the rows do not say.
func (t *translator) concerned(c *pglisten.Change) []string {
	switch c.Op {
	case pglisten.Insert, pglisten.Update, pglisten.Delete:
	default:
		return t.patterns(c)
	}
	if c.Err != nil || c.Watch == nil {
		return t.patterns(c)
	}
	p := t.plan(c.Watch)
	if err := t.read(p, c); err != nil {
		return p.patterns
	}
	topics := t.topics(p, t.row)
	if c.Op == pglisten.Update {
		topics = slices.Concat(topics, t.topics(p, t.old))
	}
	return topics
}

// announce tells the topics of a large transaction to refetch.
func (t *translator) announce(items []rooms.Item, l *largeTransaction) []rooms.Item {
	t.large = slices.DeleteFunc(t.large, func(other *largeTransaction) bool { return other == l })
	topics := l.topics
	if topics == nil {
		topics = l.patterns
	}
	if len(topics) == 0 {
		return items
	}
	item := t.resync(rooms.Bulk, slices.Sorted(maps.Keys(topics)))
	item.XID = l.xid
	item.Cursor = t.cursor(l.resume)
	return append(items, item)
}

// announceAll announces the large transactions whose last changes did not come
// (after a break in the batch their number is not known), but the one given:
// no cursor that sees them may go out before.
func (t *translator) announceAll(items []rooms.Item, but uint64) []rooms.Item {
	for _, l := range slices.Clone(t.large) {
		if l.xid != but {
			items = t.announce(items, l)
		}
	}
	return items
}
