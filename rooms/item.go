package rooms

import "rowcast/internal/snapshot"

// Item is one thing to tell the members of some rooms: an event, or (with a
// Reason) that they may have missed something, or (with Access) that somebody's
// right to be there changed.
type Item struct {
	// Topics are topic names. Those of a resync and of an access change may be
	// patterns in which * stands for any text ("topic_*", "*"); no topic name
	// holds a *.
	Topics []string
	Reason Reason  // "" for an event
	Access *Access // nil for an event; such an item is not kept in the history

	// Data is an event's JSON text, one line. The hub copies it, once for all
	// members. nil for a resync.
	Data []byte
	// Cursor resumes after this event; also inside Data. "" for an event
	// nothing durable stands behind.
	Cursor string
	// XID is the transaction behind the item: a cursor that does not see it
	// replays the item. 0 is never replayed by cursor.
	XID uint64
	// Hidden: for hidden subscribers alone. Such an item is not kept, nor counted.
	Hidden bool
}

// Batch is a piece of what one reading of the log brought.
type Batch struct {
	Items    []Item
	Snapshot snapshot.Snapshot // the hub's cursor once the batch's last piece is published
	Partial  bool              // more pieces follow: the cursor stays
}

// Reason says why a client is told to refetch (docs/protocol.md, $resync).
type Reason string

// The reasons of a $resync.
const (
	CursorExpired Reason = "cursor_expired"
	CursorForeign Reason = "cursor_foreign"
	HistoryGap    Reason = "history_gap"
	SlowConsumer  Reason = "slow_consumer"
	SourceGap     Reason = "source_gap"
	Truncated     Reason = "truncate"
	Bulk          Reason = "bulk"
	Poison        Reason = "poison"
)

// Code is an error code of the protocol; clients branch on it.
type Code string

// The error codes (docs/protocol.md).
const (
	BadFrame        Code = "bad_frame"
	Unauthenticated Code = "unauthenticated"
	TokenExpired    Code = "token_expired"
	Forbidden       Code = "forbidden"
	BadTopic        Code = "bad_topic"
	TooManyTopics   Code = "too_many_topics"
	RateLimited     Code = "rate_limited"
	TooLarge        Code = "too_large"
	Unavailable     Code = "unavailable"
	Internal        Code = "internal"
)
