package migrations

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// WatchOptions are the arguments of rowcast.watch(). What is zero is left to
// its default.
type WatchOptions struct {
	Table       string // as SQL writes it: public.messages, "Odd Name"
	TopicColumn string
	Topics      []string // templates: topic_{topic_id}
	Entity      string
	Ops         []string // insert, update, delete, truncate; default all
	Exclude     []string
	Columns     []string // nil: all; empty: key and topic columns only
	Level       string   // row or statement; default row
	IncludeOld  bool
	MaxBytes    int
	Derive      string // a JSON array
	Unchanged   bool
	Always      bool
}

// WatchPlan is what a watch would do.
type WatchPlan struct {
	Statement string
	Locks     string
	Undo      string
}

// WatchSQL says what Watch would run, which locks it would take, and how to
// undo it.
func WatchSQL(o WatchOptions) WatchPlan {
	return WatchPlan{
		Statement: o.statement(),
		Locks: "SHARE ROW EXCLUSIVE on " + o.Table + " and its partitions until the transaction ends: reads go on, writes wait. " +
			"Waited for 2 s at a time, 3 times. If it is watched already: ACCESS EXCLUSIVE, unless nothing would change.",
		Undo: "SELECT rowcast.unwatch(" + literal(o.Table) + ");",
	}
}

// Watch captures a table and returns what rowcast.watch() says: one line, then
// a line for each thing to know.
func Watch(ctx context.Context, q Querier, o WatchOptions) (string, error) {
	var said string
	if err := q.QueryRow(ctx, o.statement()).Scan(&said); err != nil {
		return "", fmt.Errorf("watch %s: %w", o.Table, err)
	}
	return said, nil
}

// Unwatch stops capturing a table.
func Unwatch(ctx context.Context, q Querier, table string) error {
	if _, err := q.Exec(ctx, "SELECT rowcast.unwatch("+literal(table)+")"); err != nil {
		return fmt.Errorf("unwatch %s: %w", table, err)
	}
	return nil
}

// UnwatchAccess stops capturing who may be in a topic by a table.
func UnwatchAccess(ctx context.Context, q Querier, table string) error {
	if _, err := q.Exec(ctx, "SELECT rowcast.unwatch_access("+literal(table)+")"); err != nil {
		return fmt.Errorf("unwatch access by %s: %w", table, err)
	}
	return nil
}

// WatchRow is a live watch.
type WatchRow struct {
	ID            int32
	Source        string
	TopicColumn   *string
	SubjectColumn *string // nil: a watch of events
	Topics        []string
	Entity        string
	Ops           []string
	Exclude       []string
	Columns       []string // nil: all
	Level         string
	IncludeOld    bool
	MaxBytes      int32
	Derive        string
	Unchanged     bool
	Always        bool
	Created       time.Time
	State         string // "ok", or what is wrong
}

// Watches lists the live watches by table.
func Watches(ctx context.Context, q Querier) ([]WatchRow, error) {
	rows, err := q.Query(ctx, `SELECT id, source::pg_catalog.text, topic_column::pg_catalog.text, subject_column::pg_catalog.text, topics, entity, ops, exclude::pg_catalog.text[],
  columns::pg_catalog.text[], level, include_old, max_bytes, derive::pg_catalog.text, unchanged, always, created, state
  FROM rowcast.watches ORDER BY 2, 1`)
	if err != nil {
		return nil, fmt.Errorf("list watches: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[WatchRow])
	if err != nil {
		return nil, fmt.Errorf("list watches: %w", err)
	}
	return list, nil
}

// statement is written out, not parametrised: what --dry-run shows is what runs.
func (o WatchOptions) statement() string {
	args := []string{literal(o.Table)}
	add := func(name, value string) { args = append(args, name+" => "+value) }
	if o.TopicColumn != "" {
		add("topic_column", literal(o.TopicColumn))
	}
	if o.Topics != nil {
		add("topics", array(o.Topics, "text[]"))
	}
	if o.Entity != "" {
		add("entity", literal(o.Entity))
	}
	if o.Ops != nil {
		add("ops", array(o.Ops, "text[]"))
	}
	if o.Exclude != nil {
		add("exclude", array(o.Exclude, "name[]"))
	}
	if o.Columns != nil {
		add("columns", array(o.Columns, "name[]"))
	}
	if o.Level != "" {
		add("level", literal(o.Level))
	}
	if o.IncludeOld {
		add("include_old", "true")
	}
	if o.MaxBytes != 0 {
		add("max_bytes", fmt.Sprint(o.MaxBytes))
	}
	if o.Derive != "" {
		add("derive", literal(o.Derive))
	}
	if o.Unchanged {
		add("unchanged", "true")
	}
	if o.Always {
		add("always", "true")
	}
	return "SELECT rowcast.watch(" + strings.Join(args, ", ") + ");"
}

func literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

func array(values []string, kind string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = literal(v)
	}
	return "ARRAY[" + strings.Join(quoted, ", ") + "]::" + kind
}
