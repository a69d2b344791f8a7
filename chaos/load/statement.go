package load

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// statements are what applications do, each as often as it stands here.
var statements = []func(t *transaction, ctx context.Context, in table) error{
	(*transaction).insert, (*transaction).insert, (*transaction).insert,
	(*transaction).update, (*transaction).update, (*transaction).update, (*transaction).update, (*transaction).update,
	(*transaction).upsert, (*transaction).upsert,
	(*transaction).move, (*transaction).move,
	(*transaction).remove, (*transaction).remove,
	(*transaction).load,
	(*transaction).carry,
	(*transaction).idle,
	(*transaction).emit,
}

// statement is any of them.
func (t *transaction) statement(ctx context.Context, in table) error {
	return statements[t.IntN(len(statements))](t, ctx, in)
}

func (t *transaction) insert(ctx context.Context, in table) error {
	m := t.mutation()
	return t.exec(ctx, m, fmt.Sprintf(`
		INSERT INTO %s (topic_id, content)
		SELECT topic, $2 || n FROM unnest($1::int[]) WITH ORDINALITY u (topic, n)`, in.name),
		t.topics(in, 1+t.IntN(4)), t.content(m))
}

// load is COPY.
func (t *transaction) load(ctx context.Context, in table) error {
	m := t.mutation()
	if _, err := t.tx.Exec(ctx, setMutation, m); err != nil {
		return err
	}
	topics, content := t.topics(in, 1+t.IntN(8)), t.content(m)
	n, err := t.tx.CopyFrom(ctx, pgx.Identifier{in.name}, []string{"topic_id", "content"},
		pgx.CopyFromSlice(len(topics), func(i int) ([]any, error) { return []any{topics[i], fmt.Sprint(content, i)}, nil }))
	t.rows += int(n)
	return err
}

// upsert may move the rows it finds.
func (t *transaction) upsert(ctx context.Context, in table) error {
	m, ids := t.mutation(), t.hotIDs()
	return t.exec(ctx, m, fmt.Sprintf(`
		INSERT INTO %[1]s AS old (id, topic_id, content)
		SELECT id, topic, $3 || id FROM unnest($1::bigint[], $2::int[]) u (id, topic)
		ON CONFLICT (%[2]s) DO UPDATE
		SET topic_id = excluded.topic_id, content = excluded.content, version = old.version + 1`, in.name, in.key),
		ids, t.topics(in, len(ids)), t.content(m))
}

func (t *transaction) update(ctx context.Context, in table) error {
	m := t.mutation()
	where, which := t.some(in)
	return t.exec(ctx, m, fmt.Sprintf("UPDATE %s SET content = $2 || id, version = version + 1 WHERE %s", in.name, where),
		which, t.content(m))
}

// move is an update that changes the rows' topic. Where the topic is part of the
// key it leaves the hot rows alone, of which one may stand in the way of another.
func (t *transaction) move(ctx context.Context, in table) error {
	m := t.mutation()
	where, which := t.some(in)
	if !in.nullable {
		where, which = t.others(in)
	}
	return t.exec(ctx, m, fmt.Sprintf("UPDATE %s SET topic_id = $3, content = $2 || id, version = version + 1 WHERE %s", in.name, where),
		which, t.content(m), t.topic(in))
}

// remove deletes the more rows, the more there are: tables do not grow for ever.
func (t *transaction) remove(ctx context.Context, in table) error {
	m := t.mutation()
	if t.IntN(4) == 0 {
		return t.exec(ctx, m, fmt.Sprintf("DELETE FROM %s WHERE id = ANY ($1::bigint[])", in.name), t.hotIDs())
	}
	return t.exec(ctx, m, fmt.Sprintf(`
		DELETE FROM %[1]s WHERE id IN (
		  SELECT id FROM %[1]s WHERE id >= %[2]d ORDER BY hashint8extended(id, $1) LIMIT 1 + (SELECT count(*) FROM %[1]s) / 40)`, in.name, firstID),
		t.Int64())
}

// carry deletes from one table and inserts into another in one statement.
func (t *transaction) carry(ctx context.Context, from table) error {
	m, to := t.mutation(), t.table()
	where, which := t.others(from)
	return t.exec(ctx, m, fmt.Sprintf(`
		WITH gone AS (DELETE FROM %s WHERE %s RETURNING id, topic_id)
		INSERT INTO %s (topic_id, content) SELECT coalesce(topic_id, 1), $2 || id FROM gone`, from.name, where, to.name),
		which, t.content(m))
}

// idle is an update that changes nothing, of which nobody hears.
func (t *transaction) idle(ctx context.Context, in table) error {
	where, which := t.some(in)
	return t.exec(ctx, t.mutation(), fmt.Sprintf("UPDATE %s SET content = content WHERE %s", in.name, where), which)
}

func (t *transaction) emit(ctx context.Context, _ table) error {
	names := Names(t.o.Topics)
	t.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	m := t.mutation()
	return t.exec(ctx, m, "SELECT oracle.emit($1, $2, $3)", "announced", t.content(m), names[:1+t.IntN(3)])
}

// some is a condition with one parameter, $1, for rows to write: hot ones, or others.
func (t *transaction) some(in table) (where string, which any) {
	if t.IntN(2) == 0 {
		return "id = ANY ($1::bigint[])", t.hotIDs()
	}
	return t.others(in)
}

func (t *transaction) others(in table) (where string, which any) {
	return fmt.Sprintf("id IN (SELECT id FROM %s WHERE id >= %d ORDER BY hashint8extended(id, $1) LIMIT %d)", in.name, firstID, 1+t.IntN(4)), t.Int64()
}

// hotIDs are one to three, each once, in no order: so there are deadlocks.
func (t *transaction) hotIDs() []int64 {
	ids := make([]int64, 1+t.IntN(3))
	for i, n := range t.Perm(hot)[:len(ids)] {
		ids[i] = int64(1 + n)
	}
	return ids
}
