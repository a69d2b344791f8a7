package pglisten

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// catalogue is the watches as they were at one moment, ended ones included while
// the log may name them.
type catalogue struct {
	watches map[int32]*Watch
	faults  map[int32]string // what is wrong with a live watch
	live    int              // watches that have not ended
	loaded  time.Time        // when the loading began
}

// loadCatalogue reads the watches and what Postgres knows of their tables, from
// one snapshot.
func loadCatalogue(ctx context.Context, conn *pgx.Conn) (*catalogue, error) {
	c := &catalogue{watches: map[int32]*Watch{}, faults: map[int32]string{}, loaded: time.Now()}
	o := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, o, func(tx pgx.Tx) error {
		rows, err := loadWatches(ctx, tx)
		if err != nil {
			return err
		}
		types, err := loadTypes(ctx, tx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			c.add(row, types)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load watches: %w", schemaError(err))
	}
	return c, nil
}

// watchRow is a row of rowcast.watch and its table's place in the catalogue.
type watchRow struct {
	ID          int32
	OID         uint32
	Schema      string
	Table       string
	Entity      string
	TopicColumn *string
	Topics      []string
	Exclude     []string
	Only        []string // NULL: all
	IncludeOld  bool
	Unchanged   bool
	Derive      []byte
	Ended       bool
	Key         []string
}

const askWatches = `SELECT w.id, coalesce(c.oid, 0), coalesce(n.nspname, ''), coalesce(c.relname, ''), w.entity,
       w.topic_column, w.topics, w.exclude, w.columns, w.include_old, w.unchanged, w.derive, w.ended IS NOT NULL,
       ARRAY(SELECT a.attname
               FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
              WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place)
  FROM rowcast.watch w
  LEFT JOIN pg_class c ON c.oid = w.source
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
 ORDER BY w.id`

func loadWatches(ctx context.Context, tx pgx.Tx) ([]watchRow, error) {
	rows, err := tx.Query(ctx, askWatches)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w watchRow, err error) {
		err = row.Scan(&w.ID, &w.OID, &w.Schema, &w.Table, &w.Entity, &w.TopicColumn, &w.Topics, &w.Exclude,
			&w.Only, &w.IncludeOld, &w.Unchanged, &w.Derive, &w.Ended, &w.Key)
		return w, err
	})
}

// add makes a Watch of a row.
func (c *catalogue) add(row watchRow, types *types) {
	w := &Watch{
		ID: row.ID, Schema: row.Schema, Table: row.Table, Entity: row.Entity,
		Templates: row.Topics, Key: row.Key, IncludeOld: row.IncludeOld, Unchanged: row.Unchanged,
		known: map[string]bool{},
	}
	if row.TopicColumn != nil {
		w.TopicColumn = *row.TopicColumn
	}
	if err := json.Unmarshal(row.Derive, &w.Derive); err != nil {
		c.faults[w.ID] = "derive is not readable"
	}
	for _, column := range types.columns[row.OID] {
		w.known[column.name] = true
		if row.captures(column) {
			w.Columns = append(w.Columns, types.column(column))
		}
	}
	c.watches[w.ID] = w
	if row.Ended {
		return
	}
	c.live++
	if fault := w.fault(row); fault != "" {
		c.faults[w.ID] = fault
	}
}

// captures reports whether the triggers put a column into the log.
func (w watchRow) captures(c attribute) bool {
	switch {
	case c.virtual:
		return false
	case slices.Contains(w.Key, c.name), w.TopicColumn != nil && *w.TopicColumn == c.name,
		slices.ContainsFunc(w.Topics, func(t string) bool { return strings.Contains(t, "{"+c.name+"}") }):
		return true
	}
	return (w.Only == nil || slices.Contains(w.Only, c.name)) && !slices.Contains(w.Exclude, c.name)
}

// fault says what keeps a live watch from giving its events.
func (w *Watch) fault(row watchRow) string {
	if row.OID == 0 {
		return "table gone"
	}
	if w.TopicColumn != "" && !w.known[w.TopicColumn] {
		return "topic column " + w.TopicColumn + " missing"
	}
	for _, t := range w.Templates {
		for _, name := range placeholders(t) {
			if !w.known[name] {
				return "topic column " + name + " missing"
			}
		}
	}
	return ""
}

// placeholders returns the column names in a topic template.
func placeholders(template string) (names []string) {
	for {
		_, rest, ok := strings.Cut(template, "{")
		if !ok {
			return names
		}
		name, rest, ok := strings.Cut(rest, "}")
		if !ok {
			return names
		}
		names, template = append(names, name), rest
	}
}
