package pglisten

import (
	"time"

	"rowcast/internal/snapshot"
)

// Op is what happened to a row, as the log writes it.
type Op byte

// The operations a log row can hold.
const (
	Insert   Op = 'I'
	Update   Op = 'U'
	Delete   Op = 'D'
	Truncate Op = 'T'
	Emit     Op = 'E' // rowcast.emit(): Type, Topics and New are set, Watch is nil
	Revoke   Op = 'R' // rowcast.revoke(): Type and Topics are set, Watch is nil
	Bulk     Op = 'B' // changes of the table were not logged: rowcast.bulk(), or there was no telling them
)

// Change is one row of the event log, still in database words.
type Change struct {
	ID         int64  // of the log row, ascending within a batch
	XID        uint64 // the top-level transaction that wrote it
	Op         Op
	Watch      *Watch // nil for Emit and Revoke
	At         time.Time
	MutationID string // "" if the transaction set none

	// New is the row as JSON text: after the change, for Delete before it; for
	// Emit the payload. Old is the row before an Update. They are what
	// Postgres's row_to_json wrote, in the writer's session settings. Their memory
	// is used again, see Sink.
	New, Old []byte
	// NewCut and OldCut say that the row was over the watch's max_bytes: the
	// JSON holds only key and topic columns, each cut to 1000 characters.
	NewCut, OldCut bool
	// Changed names the columns an Update changed where a cut row cannot tell;
	// nil means: compare New and Old.
	Changed []string

	Type   string   // of an Emit; of a Revoke whose access it was, "" for everyone's
	Topics []string // of an Emit; of a Revoke names, and patterns in which * stands for any text

	// TxChanges is how many changes the transaction has in all, those of access
	// not counted.
	TxChanges int64
	// Resume is where a client that got this change resumes: the snapshot
	// before the batch, or, after the batch's last change, the batch's own.
	// Rows loaded as history carry exact ones of their own.
	Resume snapshot.Snapshot
	// Err is set when the row could not be read (poison); the row fields that
	// could not be read are zero, Watch is set where it is known.
	Err error
}

// Batch is a piece of what became visible between two snapshots. A large batch
// comes in several pieces; the cursor moves only with the last.
type Batch struct {
	Changes  []Change
	Snapshot snapshot.Snapshot // the state after the whole batch
	Partial  bool              // more pieces follow
}
