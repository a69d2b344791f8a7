package pglisten

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/snapshot"
)

// handed says what a broken batch had handed on: the rows visible in snapshot
// up to the id last. Reading goes on from the cursor before it, so the next
// reading meets them again.
type handed struct {
	snapshot snapshot.Snapshot
	last     int64
}

// batch hands on what one reading finds, in pieces.
type batch struct {
	r      *reader
	cursor snapshot.Snapshot // what is visible in it was taken before
	skip   []handed          // as was this

	// resuming: whatever was rotated away must have been visible in cursor.
	resuming bool
	turn     int64 // all there is to read is of this turn, if the log has not gone on; -1: of any
	history  bool  // revocations from before cursor, too; all of it is one piece, in no order

	head  head
	found int    // changes handed on or at hand
	last  int64  // id of the last change handed on, 0 for none
	piece *piece // at hand
}

// read hands on everything since the cursor and moves it.
func (r *reader) read(ctx context.Context) (h head, found int, err error) {
	b := &batch{r: r, cursor: r.cursor, skip: r.breaks, resuming: true, turn: r.bell.turnAfter(r.cursor.Xmin()), piece: &r.piece}
	if err := r.readInto(ctx, b); err != nil {
		r.breaks = b.handed()
		return head{}, 0, err
	}
	r.cursor, r.breaks = b.head.snapshot, nil
	r.s.stats.at(r.epoch, r.cursor)
	if b.turn >= 0 {
		r.s.stats.narrow()
	}
	return b.head, b.found, nil
}

func (r *reader) take(ctx context.Context, p Batch) error {
	if len(p.Changes) == 0 && p.Snapshot.Equal(r.cursor) {
		return nil
	}
	if err := r.sink.Take(context.WithoutCancel(ctx), p); err != nil {
		return &sinkError{err}
	}
	r.s.stats.took(p)
	return nil
}

// readInto reads by one statement, and if that fails on a row, row by row.
func (r *reader) readInto(ctx context.Context, b *batch) error {
	ctx, p := r.patience(ctx)
	defer p.stop()
	if b.history {
		p.extend(historyPatience)
	}
	stream := func(q querier) error { return b.stream(ctx, q, p) }
	err := r.inSession(ctx, stream)
	if errors.Is(err, errTurned) {
		b.turn = -1
		err = r.inSession(ctx, stream)
	}
	if !unreadable(err) {
		return p.explain(err)
	}
	b.skip, b.last, b.found, b.turn = b.handed(), 0, 0, -1
	return p.explain(r.inSession(ctx, func(q querier) error { return b.pick(ctx, q, p, err) }))
}

// inSession runs f on the reader's connection. In mode Poll that may lead
// through a pooler, where settings hold for a transaction only.
func (r *reader) inSession(ctx context.Context, f func(querier) error) error {
	if r.s.o.Mode != Poll {
		return f(r.conn)
	}
	return pgx.BeginTxFunc(ctx, r.conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if err := applySettings(ctx, tx, true); err != nil {
			return err
		}
		return f(tx)
	})
}

// stream runs the reading and hands on what it returns.
func (b *batch) stream(ctx context.Context, q querier, p *patience) error {
	from := readLog
	switch {
	case b.history:
		from = readHistory
	case b.turn >= 0:
		from = readSlot[b.turn%slots]
	}
	sql, args := from.after(b.cursor)
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	defer rows.Close()
	if err := b.begin(rows); err != nil {
		return err
	}
	for rows.Next() {
		c, watch := decodeRow(b.r.conn.TypeMap(), rows.RawValues())
		if err := b.add(ctx, p, c, watch); err != nil {
			p.cancel() // or Close would read all that is left
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	return b.finish(ctx, p)
}

// begin reads the head and looks whether anything is missing.
func (b *batch) begin(rows pgx.Rows) error {
	b.piece.empty()
	if !rows.Next() {
		return fmt.Errorf("read log: %w", cmp.Or(rows.Err(), errNoHead))
	}
	var err error
	if b.head, err = decodeHead(b.r.conn.TypeMap(), rows.RawValues()); err != nil {
		return err
	}
	if b.turn >= 0 && b.turn != b.head.turn {
		return errTurned
	}
	for _, m := range b.head.marks {
		if b.resuming && !m.Within(b.cursor) {
			return errGap
		}
	}
	return nil
}

var (
	errNoHead = errors.New("no rows")
	errTurned = errors.New("the log has begun another turn")
)

// add takes the next row. The last one is always held back: only the end of the
// batch shows that it was the last.
func (b *batch) add(ctx context.Context, p *patience, c Change, watch int32) error {
	for _, h := range b.skip {
		if c.ID <= h.last && h.snapshot.Visible(c.XID) {
			return nil
		}
	}
	if c.Op != Emit && c.Op != Revoke {
		if err := b.r.resolve(ctx, &c, watch); err != nil {
			return err
		}
	}
	if b.piece.full() {
		if err := b.hand(ctx, p, true); err != nil {
			return err
		}
	}
	c.Resume = b.cursor
	b.piece.add(c)
	b.found++
	return nil
}

func (b *batch) hand(ctx context.Context, p *patience, partial bool) error {
	if b.history {
		p.touch()
		return nil
	}
	p.hold()
	defer p.touch()
	last := b.last
	if c := b.piece.last(); c != nil {
		last = c.ID
	}
	if err := b.r.take(ctx, Batch{Changes: b.piece.changes, Snapshot: b.head.snapshot, Partial: partial}); err != nil {
		return err
	}
	b.last = last
	b.piece.empty()
	return nil
}

func (b *batch) finish(ctx context.Context, p *patience) error {
	if c := b.piece.last(); c != nil {
		c.Resume = b.head.snapshot
	}
	return b.hand(ctx, p, false)
}

// handed returns what has been handed on since the cursor, by this batch and
// those that broke before it. A later snapshot sees what an earlier one saw.
func (b *batch) handed() []handed {
	if b.last == 0 {
		return b.skip
	}
	now := handed{b.head.snapshot, b.last}
	all := []handed{now}
	for _, h := range b.skip {
		if h.last > now.last {
			all = append(all, h)
		}
	}
	return all
}
