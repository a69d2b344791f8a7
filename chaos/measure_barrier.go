package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/load"
)

// commitLate writes an event while the reader promises to look, so that nobody
// rings for it, and commits when the promise is over and nothing else happens. The
// reader may not sleep before it has seen that transaction end.
func commitLate(ctx context.Context, w *world) (figure string, err error) {
	p := &promiser{world: w}
	if p.conn, err = pgx.Connect(ctx, w.writers()); err != nil {
		return "", err
	}
	defer p.conn.Close(ctx)
	conn, err := pgx.Connect(ctx, w.writers())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	longest, commits, err := proofs(func(n int) (time.Duration, error) { return p.outlast(ctx, conn, fmt.Sprintf("late.%d", n)) })
	return fmt.Sprintf("all there %d ms after the commit at the latest, of %d", longest.Milliseconds(), commits), err
}

// outlast is one such transaction; delay is from its commit to the last client.
func (p *promiser) outlast(ctx context.Context, conn *pgx.Conn, mutation string) (delay time.Duration, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after a commit it does nothing
	promised := func() (bool, error) {
		left, err := p.left(ctx)
		return left > promise/2, err
	}
	if err := p.emitFor(ctx, 5*time.Second, fastPace, promised); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf(`
		INSERT INTO oracle.tx (began) VALUES (pg_current_snapshot());
		SELECT set_config('rowcast.mutation_id', '%[1]s', true);
		SELECT oracle.emit('late', '%[1]s', '{%[2]s}')`, mutation, strings.Join(load.Names(topics), ","))); err != nil {
		return 0, err
	}
	if left, err := p.left(ctx); err != nil || left <= 0 {
		return 0, cmp.Or(err, errNoPromise) // it was over too soon
	}
	if err := p.pass(ctx, promise+p.soon()); err != nil {
		return 0, err
	}
	if left, err := p.left(ctx); err != nil || left > 0 {
		return 0, cmp.Or(err, errNoPromise) // it was made again
	}
	began := time.Now()
	if err := tx.Commit(ctx); err != nil {
		return 0, err
	}
	last, err := p.reached(ctx, mutation+"/late/", tooLate)
	if err != nil {
		return 0, fmt.Errorf("nobody has looked after the commit: %w", err)
	}
	return last.Sub(began), nil
}
