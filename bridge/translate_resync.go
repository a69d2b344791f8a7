package bridge

import (
	"errors"

	"rowcast/pglisten"
	"rowcast/rooms"
)

var (
	errWatch = errors.New("unknown watch")
	errOp    = errors.New("unknown operation")
)

// everyTopic is the pattern that matches all topics.
var everyTopic = []string{"*"}

// resync makes an item that tells topics they may have missed something.
func (t *translator) resync(reason rooms.Reason, topics []string) rooms.Item {
	t.counts.resyncs.Add(1)
	return rooms.Item{Topics: topics, Reason: reason}
}

// resyncChange makes a resync that stands for a change, also in replays.
func (t *translator) resyncChange(c *pglisten.Change, reason rooms.Reason, topics []string) rooms.Item {
	item := t.resync(reason, topics)
	item.XID = c.XID
	item.Cursor = t.cursor(c.Resume)
	return item
}

// poison makes the resync of a change nobody could understand.
func (t *translator) poison(c *pglisten.Change, err error) rooms.Item {
	t.unreadable(c, err)
	return t.resyncChange(c, rooms.Poison, t.patterns(c))
}

// unreadable counts and logs a change nobody could understand.
func (t *translator) unreadable(c *pglisten.Change, err error) {
	t.counts.poison.Add(1)
	table := ""
	if c.Watch != nil {
		table = c.Watch.Schema + "." + c.Watch.Table
	}
	t.log.Error("change is unreadable", "id", c.ID, "table", table, "err", err)
}

// patterns returns patterns of all topics the change can be for.
func (t *translator) patterns(c *pglisten.Change) []string {
	switch {
	case c.Watch != nil:
		return t.plan(c.Watch).patterns
	case len(c.Topics) > 0:
		return t.emitted(c.Topics)
	default:
		return everyTopic
	}
}
