package oracle

import "strings"

// Truth is what was committed, and to whom it is owed. Of a row that moved,
// deleted stands before updated.
type Truth struct {
	Transactions map[uint64]Transaction
	Owed         []Owed
}

// Transaction is a committed transaction and what it saw when it began.
type Transaction struct {
	XID   uint64
	Began Snapshot
}

// Owed is one event that every member of its topics must get.
type Owed struct {
	XID     uint64
	Order   int64    // of its statement, within its transaction
	Key     string   // "<mutation id>/<type>/<row id>", of an emit "<mutation id>/<type>/": unique
	Topics  []string // to whom; of a Notice also patterns ("topic_*")
	Row     string   // "messages/17"; "" of an emit
	Version int64    // the row's, after the change; of a moved row both events have the same
	Value   string   // what column content holds after it; "" of a delete
	Notice  bool     // owed as a $resync instead: bulk(), TRUNCATE, a transaction over limits.transaction_events
}

// matches is whether a pattern of a $resync, in which * stands for any text, means a topic.
func matches(pattern, topic string) bool {
	before, after, any := strings.Cut(pattern, "*")
	if !any {
		return pattern == topic
	}
	if !strings.HasPrefix(topic, before) {
		return false
	}
	rest := topic[len(before):]
	for {
		var part string
		part, after, any = strings.Cut(after, "*")
		if !any {
			return strings.HasSuffix(rest, part)
		}
		_, tail, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = tail
	}
}
