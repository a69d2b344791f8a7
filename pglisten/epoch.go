package pglisten

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"rowcast/internal/snapshot"
)

// askState reads, after every connect and before the first poll, whose log this
// is and whether anybody looked lately.
const askState = `SELECT (SELECT e.epoch FROM rowcast.epoch e WHERE e.identity = rowcast.current_identity()),
       (SELECT e.epoch FROM rowcast.epoch e),
       coalesce(pg_sequence_last_value('rowcast.doorbell'), 0),
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
       rowcast.retention_ms(), rowcast.turn()`

// begin brings sink up to date on a new connection: with a Reset at the start
// and where the log is another one, else from the cursor held.
func (r *reader) begin(ctx context.Context) error {
	var epoch, stale *string
	var h head
	err := r.ask(ctx, askState, nil, &epoch, &stale, &h.doorbell, &h.clock, &h.keeps, &h.turn)
	if err != nil {
		return fmt.Errorf("read epoch: %w", schemaError(err))
	}
	r.s.stats.connected(true)
	fresh, err := loadCatalogue(ctx, r.conn)
	if err != nil {
		return err
	}
	r.exchange(fresh)
	r.bell = bell{tempo: r.s.tempo, backstop: r.s.o.PollInterval, seenTurn: h.turn, turn: -1}
	if r.s.o.Mode == Poll {
		r.bell.state = polling
	}
	abandoned := epoch == nil || h.abandoned()
	if abandoned && epoch != nil {
		// Before the doorbell is set, which hides from whoever comes after us, if
		// we break here, that the old epoch is over.
		made, err := r.makeEpoch(ctx, stale)
		if err != nil {
			return err
		}
		stale = &made.name
	}
	if err := r.obey(ctx, order{set: setNow, settle: r.s.o.Mode == Doorbell}); err != nil {
		return err
	}
	switch {
	case abandoned:
		// Abandoned, writers logged nothing, and whatever began before the
		// doorbell was set may go on so: its xid is below the new epoch's.
		err = r.newEpoch(ctx, stale)
	case !r.began || *epoch != r.epoch:
		err = r.load(ctx, *epoch)
	default:
		err = r.lost(ctx)
	}
	if err != nil {
		return err
	}
	return r.report(ctx)
}

// newEpoch begins where the log holds nothing that clients could go on from, but
// for what is as young as the epoch: another instance may have made it a moment
// ago, and clients come from there. What the log still holds of revocations is as
// good as ever.
func (r *reader) newEpoch(ctx context.Context, stale *string) error {
	e, err := r.makeEpoch(ctx, stale)
	if err != nil {
		return err
	}
	r.s.log.Info("new epoch", "epoch", e.name)
	if err := r.ripe(ctx); err != nil {
		return err
	}
	return r.beginFrom(ctx, e)
}

// epoch is how one began.
type epoch struct {
	name     string
	xid      uint64            // of the transaction that made it: every cursor of the epoch sees all changes below it
	snapshot snapshot.Snapshot // what that saw
}

// makeEpoch returns an epoch that is not stale. Of several instances that call
// the same epoch stale, one makes the new one.
func (r *reader) makeEpoch(ctx context.Context, stale *string) (e epoch, err error) {
	var text string
	const sql = "SELECT epoch, xid::text::bigint, snapshot::text FROM rowcast.new_epoch($1)"
	if err = r.ask(ctx, sql, []any{stale}, &e.name, &e.xid, &text); err == nil {
		e.snapshot, err = snapshot.Parse(text)
	}
	if err != nil {
		return epoch{}, fmt.Errorf("make epoch: %w", err)
	}
	return e, nil
}

// askRipe looks for a transaction of this database that is older than the epoch.
const askRipe = `SELECT (
  SELECT coalesce('pid ' || l.pid, 'prepared transaction ' || p.gid)
    FROM pg_locks l
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    LEFT JOIN pg_prepared_xacts p ON p.transaction = l.transactionid
   WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
     AND coalesce(a.datname, p.database) = current_database()
     AND age(l.transactionid) >= (SELECT age(e.xmin) FROM rowcast.epoch e)
   LIMIT 1)`

// ripe waits until every transaction older than the epoch is over, for they may
// have left changes out of the log. In an epoch of some age it does not wait.
func (r *reader) ripe(ctx context.Context) error {
	said := ""
	for pace := r.bell.step; ; pace = min(pace*3/2, r.bell.settle) {
		var holder *string
		if err := r.ask(ctx, askRipe, nil, &holder); err != nil {
			return fmt.Errorf("wait for older transactions: %w", err)
		}
		if holder == nil {
			return nil
		}
		if said != *holder {
			said = *holder
			r.s.log.Warn("waiting for a transaction that began before anybody read the log", "holder", said)
		}
		if !pause(ctx, pace) {
			return ctx.Err()
		}
	}
}

// reset hands a Reset on and begins from it.
func (r *reader) reset(ctx context.Context, reset Reset) error {
	reset.Restart = r.began
	if err := r.sink.Reset(context.WithoutCancel(ctx), reset); err != nil {
		return &sinkError{err}
	}
	r.began, r.since = true, time.Now()
	r.epoch, r.cursor, r.breaks = reset.Epoch, reset.Snapshot, nil
	r.s.stats.at(r.epoch, r.cursor)
	r.s.stats.edit(func(s *Stats) { s.Resets++ })
	return nil
}

// lost tells of the channels that nobody listened on between two connections.
func (r *reader) lost(ctx context.Context) error {
	for _, channel := range r.s.o.Channels {
		loss := Loss{Channel: channel, At: r.cursor}
		if err := r.sink.Lost(context.WithoutCancel(ctx), loss); err != nil {
			return &sinkError{err}
		}
	}
	return nil
}

// load begins from what the log still holds of an epoch.
func (r *reader) load(ctx context.Context, name string) error {
	if err := r.ripe(ctx); err != nil {
		return err
	}
	return r.beginFrom(ctx, epoch{name: name})
}

// beginFrom begins with a history of what the log still holds, as far back as the
// budget reaches; in a new epoch not from before that, which nobody asks for.
//
// Its floor: every row from some xid X0 on is in the history, so a cursor that
// has seen all below X0 can be answered. What was running at S0 below X0 comes
// later by itself. (In a new epoch all cursors have seen that, but not what ran
// then in other databases.) Rows that rotation removed are below its marks.
// Revocations are in the history from below X0, too; nobody resumes there.
func (r *reader) beginFrom(ctx context.Context, e epoch) error {
	x0, err := r.oldest(ctx)
	if err != nil {
		return err
	}
	young := x0 < e.xid
	history, h, err := r.history(ctx, max(x0, e.xid))
	if err != nil {
		return err
	}
	floor := h.snapshot.Below(x0)
	if young {
		floor = e.snapshot.Below(e.xid)
	}
	for _, m := range h.marks {
		floor = floor.Join(m)
	}
	return r.reset(ctx, Reset{Epoch: e.name, Snapshot: h.snapshot, Floor: floor, History: history})
}

// history returns what the log holds from x0 on, and the revocations before it.
func (r *reader) history(ctx context.Context, x0 uint64) ([]Change, head, error) {
	b := &batch{r: r, cursor: snapshot.New(x0), turn: -1, history: true, piece: &piece{}}
	if err := r.readInto(ctx, b); err != nil {
		return nil, head{}, fmt.Errorf("load history: %w", err)
	}
	all := b.piece.changes
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	countHistory(all)
	resumeHistory(all, x0, b.head.snapshot)
	return all, b.head, nil
}

// countHistory gives each change the number of those in its transaction.
func countHistory(history []Change) {
	counts := map[uint64]int64{}
	for i := range history {
		if c := &history[i]; c.Op != Revoke && (c.Watch == nil || c.Watch.SubjectColumn == "") {
			counts[c.XID]++
		}
	}
	for i := range history {
		history[i].TxChanges = counts[history[i].XID]
	}
}

// resumeHistory gives each change, in id order, the largest snapshot that sees
// none of those after it, from x0 on.
func resumeHistory(history []Change, x0 uint64, s0 snapshot.Snapshot) {
	resume := s0
	for i := len(history) - 1; i >= 0; i-- {
		history[i].Resume = resume
		if xid := history[i].XID; x0 <= xid && xid < resume.Xmax() {
			resume = s0.Below(xid)
		}
	}
}

// rowOverhead is what a row is taken to need beside its JSON.
const rowOverhead = 200

// oldestXID finds the newest xid that does not fit into $1 bytes, going back from
// the end of the log, and so whole transactions. Rows beyond $2 cannot fit.
const oldestXID = `SELECT s.xid
  FROM (SELECT n.xid, sum(n.size) OVER (ORDER BY n.xid DESC) AS total
          FROM (SELECT l.xid, $3 + coalesce(pg_column_size(l.data), 0) + coalesce(pg_column_size(l.old), 0) AS size
                  FROM rowcast.log l WHERE l.xid < pg_snapshot_xmax(pg_current_snapshot())
                 ORDER BY l.xid DESC LIMIT $2) n) s
 WHERE s.total > $1 ORDER BY s.xid DESC LIMIT 1`

// oldest returns X0, the xid from which on the history is loaded: 0 is all of it.
func (r *reader) oldest(ctx context.Context) (uint64, error) {
	budget := max(r.s.o.HistoryBytes, 0)
	var xid uint64
	err := r.ask(ctx, oldestXID, []any{budget, budget/rowOverhead + 1, rowOverhead}, &xid)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("measure history: %w", err)
	}
	return xid + 1, nil
}

// schemaError makes ErrSchema of what a missing or forbidden schema gives.
func schemaError(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "3F000", "42P01", "42883", "42501", "42703": // no schema, relation, function; no right; no column
		return fmt.Errorf("%w (%s)", ErrSchema, pg.Message)
	}
	return err
}
