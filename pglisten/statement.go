package pglisten

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"rowcast/internal/snapshot"
)

// A reading is one statement, so it has one snapshot. Its first row is the head:
// that snapshot, the marks of what rotation emptied, the doorbell, the server's
// clock and the log's turn. The log rows that are visible now and were not
// visible in the cursor follow, ordered by id.
//
// It looks through the whole log or, usually, through the one slot in which all
// of them must be (see bell.turnAfter): to open eight indexes takes a reader who
// was asleep as long as all the rest.
//
// READ COMMITTED matters: the executor's snapshot is taken after the locks, so a
// TRUNCATE by rotate() that empties a slot before us is seen with its mark.
// The upper bound keeps out xids that this cluster has not given yet, as a log
// copied from elsewhere may hold.
const (
	headColumns = `NULL::bigint AS id, NULL::xid8, NULL::int, NULL::"char", NULL::smallint, NULL::timestamptz,
       NULL::text, NULL::json, NULL::json, NULL::text[], NULL::text, NULL::text[], NULL::bigint,
       pg_current_snapshot()::text, %s, pg_sequence_last_value('rowcast.doorbell'),
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
       rowcast.retention_ms(), rowcast.turn()`
	rowColumns = `l.id, l.xid, l.watch, l.op, l.flags, l.at,
       l.mutation_id, l.data, l.old, l.changed, l.type, l.topics`
	// bareColumns leave out whatever can be unreadable.
	bareColumns = `l.id, l.xid, l.watch, l.op, l.flags, l.at,
       NULL::text, NULL::json, NULL::json, NULL::text[], NULL::text, NULL::text[]`

	// What a transaction changes of access is not counted: it is never too much.
	counted = `, count(*) FILTER (WHERE l.op <> 'R' AND l.watch <> ALL (` + accessWatches + `)) OVER (PARTITION BY l.xid)` + rest

	uncounted = ", NULL" + rest
	rest      = ", NULL, NULL, NULL, NULL, NULL, NULL"

	accessWatches = `ARRAY(SELECT w.id FROM rowcast.watch w WHERE w.subject_column IS NOT NULL)`

	// In the slot whose turn it is, nothing is emptied.
	allMarks = `ARRAY(SELECT m.snapshot::text FROM rowcast.mark m)`
	noMarks  = `NULL::text[]`

	since = `xid >= $1::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())`
)

// statement reads what is not visible in a cursor.
type statement struct {
	quiet   string
	running string // for cursors at which transactions ran: it scans twice
}

func newStatement(columns, table, marks string) statement {
	head := "SELECT " + fmt.Sprintf(headColumns, marks) + "\nUNION ALL\nSELECT " + columns + counted + " FROM "
	const tail = " ORDER BY id NULLS FIRST"
	return statement{
		quiet: head + table + " l WHERE " + since + tail,
		running: head + "(SELECT * FROM " + table + " WHERE " + since +
			" UNION ALL SELECT * FROM " + table + " WHERE xid = ANY ($2::xid8[])) l" + tail,
	}
}

// revocationBytes bounds the revocations that are loaded from before the history.
const revocationBytes = 32 << 20

// newHistory is the statement of the first reading: of what is not visible in a
// cursor all, and from before it the newest revocations. A token that one of them
// made void may live longer than its row fits among the events. They are found by
// looking at every row that far: no index has to be kept for it by those who write.
//
// Behind the head the rows come in no order, and uncounted: Postgres would sort
// them for either, on its disk, and who loads them has all of them at hand.
// The head itself comes first, for no parallel workers take the parts of the UNION
// ALL out of turn: rowcast.turn() forbids them, and so do the session's settings.
func newHistory(columns string) statement {
	const logged = "id, xid, watch, op, flags, at, mutation_id, data, old, changed, type, topics"
	before := fmt.Sprintf(`SELECT %s FROM (
  SELECT *, sum(%d + coalesce(pg_column_size(data), 0) + coalesce(pg_column_size(old), 0)) OVER (ORDER BY id DESC) AS total
    FROM rowcast.log
   WHERE xid < $1::xid8 AND (op = 'R' OR op IN ('U', 'D', 'T') AND watch = ANY (%s))) r
 WHERE r.total <= %d`, logged, rowOverhead, accessWatches, revocationBytes)
	table := "(SELECT " + logged + " FROM rowcast.log WHERE " + since + "\nUNION ALL " + before + ")"
	return statement{quiet: "SELECT " + fmt.Sprintf(headColumns, allMarks) + "\nUNION ALL\nSELECT " + columns + uncounted +
		" FROM " + table + " l"}
}

// slots is how many partitions the log has.
const slots = 8

var (
	readLog = newStatement(rowColumns, "rowcast.log", allMarks)
	listLog = newStatement(bareColumns, "rowcast.log", allMarks)

	readHistory = newHistory(rowColumns)
	listHistory = newHistory(bareColumns)

	readSlot = func() (each [slots]statement) {
		for i := range each {
			each[i] = newStatement(rowColumns, fmt.Sprintf("rowcast.log_%d", i), noMarks)
		}
		return each
	}()
)

// after returns the statement's text for a cursor, and its arguments.
func (s statement) after(cursor snapshot.Snapshot) (sql string, args []any) {
	args = []any{binaryResults, cursor.Xmax()}
	if xip := cursor.InProgress(); len(xip) > 0 {
		return s.running, append(args, xip)
	}
	return s.quiet, args
}

var binaryResults = pgx.QueryResultFormats{pgx.BinaryFormatCode}

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
	colTurn
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
	turn     int64 // of the log; -1 before its first row
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
	h := head{doorbell: int64Of(raw[colDoorbell]), clock: int64Of(raw[colClock]), keeps: int64Of(raw[colRetention]), turn: int64Of(raw[colTurn])}
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

// decodeRow decodes a log row of a reading, in binary format. New and Old are left
// in the connection's buffer, see texts. It sets Err where a field cannot be read.
func decodeRow(types *pgtype.Map, raw [][]byte) (c Change, watch int32) {
	flags := binary.BigEndian.Uint16(raw[colFlags])
	c = Change{
		ID:         int64Of(raw[colID]),
		XID:        uint64(int64Of(raw[colXID])),
		Op:         Op(raw[colOp][0]),
		At:         timeOf(raw[colAt]),
		MutationID: string(raw[colMutationID]),
		New:        raw[colData],
		Old:        raw[colOld],
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
