package load

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
)

// finType is the type of the last event.
const finType = "fin"

// Fin emits one last event to all topics, in a transaction that begins after
// all others of the load have ended, and returns its key. Run has returned by
// then. It tries until ctx ends.
func (l *Load) Fin(ctx context.Context) (key string, xid uint64, err error) {
	for n := 1; ; n++ {
		t := &transaction{
			Rand: rand.New(rand.NewPCG(l.o.Seed, 0)), o: &l.o, stop: ctx.Done(),
			name: fmt.Sprintf("%x.fin.%d", l.o.Seed, n),
		}
		if xid, err = l.fin(ctx, t); err == nil {
			l.ended(t, nil)
			return fmt.Sprintf("%s.1/%s/", t.name, finType), xid, nil
		}
		if ctx.Err() != nil {
			return "", 0, fmt.Errorf("emit the last event: %w", err)
		}
		pause(ctx.Done(), retry)
	}
}

func (l *Load) fin(ctx context.Context, t *transaction) (xid uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := connect(ctx, l.o.URL(), 0)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	if err := endOthers(ctx, conn); err != nil {
		return 0, err
	}
	err = t.run(ctx, conn, func(ctx context.Context, t *transaction) error {
		m := t.mutation()
		if err := t.exec(ctx, m, "SELECT oracle.emit($1, $2, $3)", finType, m, Names(l.o.Topics)); err != nil {
			return err
		}
		return t.tx.QueryRow(ctx, "SELECT pg_current_xact_id()::text::bigint").Scan(&xid)
	})
	return xid, err
}

// endOthers returns when no other connection of an application's is left. A
// writer has closed its own, but where the network was cut Postgres does not
// know that yet, and a COMMIT of which nobody heard may still be on its way.
func endOthers(ctx context.Context, conn *pgx.Conn) error {
	for {
		var left int
		if err := conn.QueryRow(ctx, `
			SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			 WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()`, applicationName).Scan(&left); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		pause(ctx.Done(), retry)
	}
}
