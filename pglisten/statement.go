package pglisten

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"rowcast/internal/snapshot"
)

// A reading is one statement, so it has one snapshot. Its first row is the head:
// that snapshot, the marks of what rotation emptied (those that may be above
// the cursor), the doorbell and the server's clock. The log rows that are
// visible now and were not visible in the cursor follow, ordered by id.
//
// READ COMMITTED matters: the executor's snapshot is taken after the locks, so a
// TRUNCATE by rotate() that empties a slot before us is seen with its mark.
// The upper bound keeps out xids that this cluster has not given yet, as a log
// copied from elsewhere may hold.
const (
	headColumns = `NULL::bigint AS id, NULL::xid8, NULL::int, NULL::"char", NULL::smallint, NULL::timestamptz,
       NULL::text, NULL::json, NULL::json, NULL::text[], NULL::text, NULL::text[], NULL::bigint,
       pg_current_snapshot()::text,
       ARRAY(SELECT m.snapshot::text FROM rowcast.mark m WHERE pg_snapshot_xmax(m.snapshot) > $2::xid8),
       pg_sequence_last_value('rowcast.doorbell'),
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
       rowcast.retention_ms()`
	rowColumns = `l.id, l.xid, l.watch, l.op, l.flags, l.at,
       l.mutation_id, l.data, l.old, l.changed, l.type, l.topics`
	// bareColumns leave out whatever can be unreadable.
	bareColumns = `l.id, l.xid, l.watch, l.op, l.flags, l.at,
       NULL::text, NULL::json, NULL::json, NULL::text[], NULL::text, NULL::text[]`

	unseen = ` FROM rowcast.log l
 WHERE l.xid >= $1::xid8 AND l.xid < pg_snapshot_xmax(pg_current_snapshot())`
	// unseenRunning adds the transactions that ran at the cursor; most cursors
	// have none, and then a reading scans the index once instead of twice.
	unseenRunning = ` FROM (SELECT * FROM rowcast.log WHERE xid >= $1::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())
       UNION ALL SELECT * FROM rowcast.log WHERE xid = ANY ($3::xid8[])) l`

	rest = `, count(*) OVER (PARTITION BY l.xid), NULL, NULL, NULL, NULL, NULL`
	tail = ` ORDER BY id NULLS FIRST`

	readHead    = "SELECT " + headColumns + "\nUNION ALL\nSELECT "
	readQuiet   = readHead + rowColumns + rest + unseen + tail
	readRunning = readHead + rowColumns + rest + unseenRunning + tail
	listQuiet   = readHead + bareColumns + rest + unseen + tail
	listRunning = readHead + bareColumns + rest + unseenRunning + tail
)

// choose picks the statement that reads what is not visible in cursor, and its
// arguments.
func choose(quiet, running string, cursor snapshot.Snapshot) (sql string, args []any) {
	args = []any{cursor.Xmax(), cursor.Xmin()}
	if xip := cursor.InProgress(); len(xip) > 0 {
		return running, append(args, xip)
	}
	return quiet, args
}

// byID reads single rows again, when the whole reading failed on one of them.
const byID = "SELECT " + rowColumns + ` FROM rowcast.log l
 WHERE l.xid = ANY ($1::xid8[]) AND l.id = ANY ($2::bigint[]) ORDER BY l.id`

// The columns of a row, in order.
const (
	colID = iota
	colXID
	colWatch
	colOp
	colFlags
	colAt
	colMutationID
	colData
	colOld
	colChanged
	colType
	colTopics
	colTxChanges
	colSnapshot
	colMarks
	colDoorbell
	colClock
	colRetention
)

// The bits of a log row's flags.
const (
	flagDataCut = 1
	flagOldCut  = 2
)

// head is the first row of a reading.
type head struct {
	snapshot snapshot.Snapshot
	marks    []snapshot.Snapshot
	doorbell int64 // ms; 0 when never set
	clock    int64 // ms, the server's
	keeps    int64 // ms, how long the log is kept
}

// abandoned reports whether writers took the readers for gone and logged
// nothing, or may do so before the doorbell is set: hence a minute early.
func (h head) abandoned() bool {
	return h.clock-max(h.doorbell, -h.doorbell) > h.keeps-time.Minute.Milliseconds()
}

func decodeHead(types *pgtype.Map, raw [][]byte) (head, error) {
	if raw[colID] != nil {
		return head{}, fmt.Errorf("decode head: a log row came first")
	}
	h := head{doorbell: int64Of(raw[colDoorbell]), clock: int64Of(raw[colClock]), keeps: int64Of(raw[colRetention])}
	var err error
	if h.snapshot, err = snapshot.Parse(string(raw[colSnapshot])); err != nil {
		return head{}, fmt.Errorf("decode head: %w", err)
	}
	marks, err := textsOf(types, raw[colMarks])
	if err != nil {
		return head{}, fmt.Errorf("decode marks: %w", err)
	}
	for _, text := range marks {
		m, err := snapshot.Parse(text)
		if err != nil {
			return head{}, fmt.Errorf("decode marks: %w", err)
		}
		h.marks = append(h.marks, m)
	}
	return h, nil
}

// decodeRow decodes a log row of a reading, in binary format, copying what it
// keeps. It sets Err where a field cannot be read.
func decodeRow(types *pgtype.Map, raw [][]byte) (c Change, watch int32) {
	flags := binary.BigEndian.Uint16(raw[colFlags])
	c = Change{
		ID:         int64Of(raw[colID]),
		XID:        uint64(int64Of(raw[colXID])),
		Op:         Op(raw[colOp][0]),
		At:         timeOf(raw[colAt]),
		MutationID: string(raw[colMutationID]),
		New:        append([]byte(nil), raw[colData]...),
		Old:        append([]byte(nil), raw[colOld]...),
		NewCut:     flags&flagDataCut != 0,
		OldCut:     flags&flagOldCut != 0,
		Type:       string(raw[colType]),
	}
	if len(raw) > colTxChanges {
		c.TxChanges = int64Of(raw[colTxChanges])
	}
	var err1, err2 error
	c.Changed, err1 = textsOf(types, raw[colChanged])
	c.Topics, err2 = textsOf(types, raw[colTopics])
	if err := errors.Join(err1, err2); err != nil {
		c.Err = fmt.Errorf("decode log row: %w", err)
	}
	return c, int32(binary.BigEndian.Uint32(raw[colWatch]))
}

func int64Of(b []byte) int64 {
	if b == nil {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

// postgresEpoch is where binary timestamps begin (in microseconds).
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func timeOf(b []byte) time.Time {
	return time.UnixMicro(postgresEpoch.UnixMicro() + int64Of(b)).UTC()
}

func textsOf(types *pgtype.Map, b []byte) ([]string, error) {
	if b == nil {
		return nil, nil
	}
	var out []string
	err := types.Scan(pgtype.TextArrayOID, pgtype.BinaryFormatCode, b, &out)
	return out, err
}
