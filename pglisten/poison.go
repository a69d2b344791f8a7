package pglisten

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// unreadable reports whether a reading failed on what a row holds: text that
// cannot be converted, a damaged TOAST value, a row too large to send. Anything
// else a server says (shut down, no such table, no right) is no row's fault.
func unreadable(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Severity != "ERROR" {
		return false
	}
	switch pg.Code[:2] {
	case "22", "53", "54", "58", "XX", "0A":
		return true
	}
	return false
}

// pick reads a batch row by row where needed: first everything but the contents,
// then the contents in parts, halving each part that fails. A row that fails
// alone is handed on with its error. cause is why the plain reading failed.
func (b *batch) pick(ctx context.Context, q querier, p *patience, cause error) error {
	b.r.s.log.Warn("reading the log row by row", "err", cause)
	rows, err := b.list(ctx, q)
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		n := min(len(rows), pieceChanges)
		if err := b.fetch(ctx, q, p, rows[:n]); err != nil {
			return err
		}
		p.touch()
		rows = rows[n:]
	}
	return b.finish(ctx, p)
}

// listed is a row of which only the fixed part was read.
type listed struct {
	Change
	watch int32
}

func (b *batch) list(ctx context.Context, q querier) ([]listed, error) {
	from := listLog
	if b.history {
		from = listHistory
	}
	sql, args := from.after(b.cursor)
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	defer rows.Close()
	if err := b.begin(rows); err != nil {
		return nil, err
	}
	var all []listed
	for rows.Next() {
		c, watch := decodeRow(b.r.conn.TypeMap(), rows.RawValues())
		all = append(all, listed{c, watch})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	slices.SortFunc(all, func(a, b listed) int { return cmp.Compare(a.ID, b.ID) }) // history comes in no order
	return all, nil
}

// fetch reads the contents of rows and hands them on, in halves if it must.
func (b *batch) fetch(ctx context.Context, q querier, p *patience, rows []listed) error {
	err := b.fetchTogether(ctx, q, rows)
	if unreadable(err) && len(rows) > 1 {
		half := len(rows) / 2
		if err := b.fetch(ctx, q, p, rows[:half]); err != nil {
			return err
		}
		return b.fetch(ctx, q, p, rows[half:])
	}
	if unreadable(err) {
		rows[0].Err = err
	} else if err != nil {
		return err
	}
	for _, row := range rows {
		if err := b.add(ctx, p, row.Change, row.watch); err != nil {
			return err
		}
	}
	return nil
}

// fetchTogether fills rows in by one statement.
func (b *batch) fetchTogether(ctx context.Context, q querier, rows []listed) error {
	xids, ids := make([]uint64, len(rows)), make([]int64, len(rows))
	for i, row := range rows {
		xids[i], ids[i] = row.XID, row.ID
	}
	return inSavepoint(ctx, q, func() error {
		result, err := q.Query(ctx, byID, binaryResults, xids, ids)
		if err != nil {
			return fmt.Errorf("read log row: %w", err)
		}
		defer result.Close()
		n := 0
		var own texts
		for ; result.Next(); n++ {
			c, watch := decodeRow(b.r.conn.TypeMap(), result.RawValues())
			if n == len(rows) || c.ID != rows[n].ID {
				return errGap
			}
			c.TxChanges = rows[n].TxChanges
			own.keep(&c)
			rows[n] = listed{c, watch}
		}
		if err := result.Err(); err != nil {
			return fmt.Errorf("read log row: %w", err)
		}
		if n < len(rows) {
			return errGap
		}
		return nil
	})
}

// inSavepoint keeps a failure of f from ending the transaction q may be.
func inSavepoint(ctx context.Context, q querier, f func() error) error {
	tx, ok := q.(pgx.Tx)
	if !ok {
		return f()
	}
	return pgx.BeginFunc(ctx, tx, func(pgx.Tx) error { return f() })
}
