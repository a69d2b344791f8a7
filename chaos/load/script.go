package load

import (
	"context"
	"fmt"
)

// usual is the transaction of every day: some statements, perhaps a savepoint,
// sometimes in vain.
func usual(ctx context.Context, t *transaction) error {
	for range 1 + t.IntN(3) {
		if t.IntN(6) == 0 {
			if err := t.inSavepoint(ctx, few); err != nil {
				return err
			}
		}
		if err := t.statement(ctx, t.table()); err != nil {
			return err
		}
	}
	t.linger()
	if t.IntN(12) == 0 {
		return errRollback
	}
	return nil
}

// few are one or two statements.
func few(ctx context.Context, t *transaction) error {
	for range 1 + t.IntN(2) {
		if err := t.statement(ctx, t.table()); err != nil {
			return err
		}
	}
	return nil
}

// bulk silences a table. What the transaction wrote before is told, and so is
// what it writes to other tables.
func bulk(ctx context.Context, t *transaction) error {
	of := t.table()
	for _, do := range []script{
		few,
		func(ctx context.Context, t *transaction) error { return t.statement(ctx, of) },
		func(ctx context.Context, t *transaction) error { return t.silence(ctx, of) },
		func(ctx context.Context, t *transaction) error { return t.statement(ctx, of) },
		few,
	} {
		if err := do(ctx, t); err != nil {
			return err
		}
	}
	t.linger()
	return nil
}

// silence calls bulk, once or twice, or in a savepoint, from which it may be taken back.
func (t *transaction) silence(ctx context.Context, of table) error {
	call := func(ctx context.Context, t *transaction) error {
		return t.exec(ctx, t.mutation(), "SELECT oracle.bulk($1)", of.name)
	}
	if t.IntN(2) == 0 {
		if err := t.inSavepoint(ctx, call); err != nil {
			return err
		}
	}
	if t.IntN(4) == 0 {
		return nil
	}
	return call(ctx, t)
}

// truncate empties a table and begins it anew.
func truncate(ctx context.Context, t *transaction) error {
	of := t.table()
	if err := t.exec(ctx, t.mutation(), "TRUNCATE "+of.name); err != nil {
		return err
	}
	return t.upsert(ctx, of)
}

// large writes rows and deletes half of them: Large changes in all.
func large(ctx context.Context, t *transaction) error {
	in, m := t.table(), t.mutation()
	err := t.exec(ctx, m, fmt.Sprintf(`
		INSERT INTO %s (topic_id, content)
		SELECT 1 + n %% $1, $2::text || n FROM generate_series(1, $3::int) n`, in.name),
		t.o.Topics, m+":", t.o.Large-t.o.Large/2)
	if err != nil {
		return err
	}
	err = t.exec(ctx, t.mutation(), fmt.Sprintf(`
		DELETE FROM %[1]s WHERE id IN (SELECT id FROM %[1]s WHERE content LIKE $1 LIMIT $2)`, in.name),
		m+":%", t.o.Large/2)
	if err != nil {
		return err
	}
	t.linger()
	return nil
}
