package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// transaction is one transaction being made.
type transaction struct {
	*rand.Rand
	o    *Options
	name string
	stop <-chan struct{} // the load ends: nobody sleeps any more

	tx   pgx.Tx // of savepoints the innermost
	made int    // statements
	rows int    // written, and not rolled back again
}

// script is what a transaction does between BEGIN and COMMIT.
type script func(ctx context.Context, t *transaction) error

// errRollback is what a script returns that has thought better of it.
var errRollback = errors.New("rolled back")

// transactionOf is the name of the transaction that a mutation is of.
func transactionOf(mutation string) string {
	return mutation[:max(strings.LastIndexByte(mutation, '.'), 0)]
}

// run makes the transaction. When it returns without error, COMMIT has returned.
func (t *transaction) run(ctx context.Context, conn *pgx.Conn, do script) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: t.isolation()})
	if err != nil {
		return err
	}
	t.tx = tx
	if err := t.writtenDown(ctx, do); err != nil {
		_ = tx.Rollback(ctx) // or the connection is broken, which is as good
		return err
	}
	return tx.Commit(ctx)
}

func (t *transaction) isolation() pgx.TxIsoLevel {
	switch t.IntN(10) {
	case 0:
		return pgx.RepeatableRead
	case 1:
		return pgx.Serializable
	default:
		return pgx.ReadCommitted
	}
}

// writtenDown runs the script, and writes down the transaction before it or after
// it, with what it saw when it began.
func (t *transaction) writtenDown(ctx context.Context, do script) error {
	if t.IntN(2) == 0 {
		if _, err := t.tx.Exec(ctx, "INSERT INTO oracle.tx (began) VALUES (pg_current_snapshot())"); err != nil {
			return err
		}
		return do(ctx, t)
	}
	var began string
	if err := t.tx.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&began); err != nil {
		return err
	}
	if err := do(ctx, t); err != nil {
		return err
	}
	_, err := t.tx.Exec(ctx, "INSERT INTO oracle.tx (began) VALUES ($1::text::pg_snapshot)", began)
	return err
}

// linger sleeps, sometimes: so transactions begin in one order and commit in another.
func (t *transaction) linger() {
	if t.o.Open > 0 && t.IntN(8) == 0 {
		pause(t.stop, time.Duration(t.Int64N(int64(t.o.Open))))
	}
}

// inSavepoint runs the script in a savepoint and, half of the time, or when
// Postgres refuses, goes back to it.
func (t *transaction) inSavepoint(ctx context.Context, do script) error {
	outer, rows := t.tx, t.rows
	inner, err := outer.Begin(ctx)
	if err != nil {
		return err
	}
	t.tx = inner
	defer func() { t.tx = outer }()
	var refused *pgconn.PgError
	if err := do(ctx, t); err != nil && !errors.As(err, &refused) {
		return err
	}
	if refused == nil && t.IntN(2) == 0 {
		return inner.Commit(ctx)
	}
	t.rows = rows
	return inner.Rollback(ctx)
}

// mutation begins the next statement: it has a name of its own.
func (t *transaction) mutation() string {
	t.made++
	return fmt.Sprintf("%s.%d", t.name, t.made)
}

const setMutation = "SELECT set_config('rowcast.mutation_id', $1, true)"

// exec runs a statement in one round trip with its name.
func (t *transaction) exec(ctx context.Context, mutation, sql string, args ...any) error {
	var b pgx.Batch
	b.Queue(setMutation, mutation)
	b.Queue(sql, args...).Exec(func(tag pgconn.CommandTag) error {
		if !tag.Select() {
			t.rows += int(tag.RowsAffected())
		}
		return nil
	})
	return t.tx.SendBatch(ctx, &b).Close()
}

// content is what a statement writes into its rows, before what tells them apart.
func (t *transaction) content(mutation string) string {
	const text = "Nothing lost, nothing twice, all in order. "
	n := 0
	if t.o.Padding > 0 {
		n = t.IntN(t.o.Padding + 1)
	}
	return mutation + ":" + strings.Repeat(text, n/len(text)+1)[:n] + ":"
}

// topic is of one of a row's topics; NULL now and then, where a table has that.
func (t *transaction) topic(of table) *int32 {
	if of.nullable && t.IntN(16) == 0 {
		return nil
	}
	id := int32(1 + t.IntN(t.o.Topics))
	return &id
}

func (t *transaction) topics(of table, n int) []*int32 {
	topics := make([]*int32, n)
	for i := range topics {
		topics[i] = t.topic(of)
	}
	return topics
}

func (t *transaction) table() table { return tables[t.IntN(len(tables))] }
