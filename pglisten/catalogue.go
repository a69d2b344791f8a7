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
	faults  map[int32]string // what is wrong with a live watch, in rowcast.watches' words
	epoch   string           // "" when there is none for this database
	live    []*Watch         // those that have not ended, without the hidden one
	loaded  time.Time        // when the loading began
}

// LoadWatches reads the live watches, as a [Source] sees them.
func LoadWatches(ctx context.Context, conn *pgx.Conn) ([]*Watch, error) {
	c, err := loadCatalogue(ctx, conn)
	if err != nil {
		return nil, err
	}
	return c.live, nil
}

// loadCatalogue reads the watches and what Postgres knows of their tables, from
// one snapshot.
func loadCatalogue(ctx context.Context, conn *pgx.Conn) (*catalogue, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
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
			if err := c.add(row, types); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, askEpoch).Scan(&c.epoch)
	})
	if err != nil {
		return nil, fmt.Errorf("load watches: %w", schemaError(err))
	}
	return c, nil
}

// watchRow is a row of rowcast.watch and its table's place in the catalogue.
type watchRow struct {
	ID            int32
	OID           uint32
	Schema        string
	Table         string
	Entity        string
	TopicColumn   *string
	SubjectColumn *string
	Topics        []string
	Ops           []string
	Exclude       []string
	Only          []string // NULL: all
	AsText        []string // logged as text: their own cast to json may raise
	IncludeOld    bool
	Unchanged     bool
	Derive        []byte
	Key           []string
	State         *string // NULL when ended
}

const askEpoch = `SELECT coalesce((SELECT e.epoch FROM rowcast.epoch e WHERE e.identity = rowcast.current_identity()), '')`

const askWatches = `SELECT w.id, coalesce(c.oid, 0), coalesce(n.nspname, ''), coalesce(c.relname, ''), w.entity,
       w.topic_column, w.subject_column, w.topics, w.ops, w.exclude, w.columns, w.as_text, w.include_old, w.unchanged, w.derive,
       ARRAY(SELECT a.attname
               FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
              WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place),
       CASE WHEN w.ended IS NULL THEN rowcast.state_of(w.id) END
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
		err = row.Scan(&w.ID, &w.OID, &w.Schema, &w.Table, &w.Entity, &w.TopicColumn, &w.SubjectColumn, &w.Topics, &w.Ops,
			&w.Exclude, &w.Only, &w.AsText, &w.IncludeOld, &w.Unchanged, &w.Derive, &w.Key, &w.State)
		return w, err
	})
}

// add makes a Watch of a row.
func (c *catalogue) add(row watchRow, types *types) error {
	w := &Watch{
		ID: row.ID, Schema: row.Schema, Table: row.Table, Entity: row.Entity,
		Templates: row.Topics, Ops: row.Ops, Key: row.Key, IncludeOld: row.IncludeOld, Unchanged: row.Unchanged,
		Hidden: row.ID == canaryWatch,
		known:  map[string]bool{},
	}
	if row.TopicColumn != nil {
		w.TopicColumn = *row.TopicColumn
	}
	if row.SubjectColumn != nil {
		w.SubjectColumn = *row.SubjectColumn
	}
	if err := json.Unmarshal(row.Derive, &w.Derive); err != nil {
		return fmt.Errorf("watch %d: derive: %w", w.ID, err)
	}
	for _, column := range types.columns[row.OID] {
		w.known[column.name] = true
		if row.captures(column) {
			made := types.column(column)
			if slices.Contains(row.AsText, column.name) {
				made.Type = &Type{Name: made.Type.Name}
			}
			w.Columns = append(w.Columns, made)
		}
	}
	c.watches[w.ID] = w
	if row.State == nil {
		return nil
	}
	if !w.Hidden {
		c.live = append(c.live, w)
	}
	if *row.State != "ok" && !strings.HasPrefix(*row.State, "abandoned") {
		c.faults[w.ID] = *row.State
	}
	return nil
}

// captures reports whether the triggers put a column into the log.
func (w watchRow) captures(c attribute) bool {
	switch {
	case c.virtual:
		return false
	case slices.Contains(w.Key, c.name),
		w.TopicColumn != nil && *w.TopicColumn == c.name, w.SubjectColumn != nil && *w.SubjectColumn == c.name,
		slices.ContainsFunc(w.Topics, func(t string) bool { return strings.Contains(t, "{"+c.name+"}") }):
		return true
	}
	return (w.Only == nil || slices.Contains(w.Only, c.name)) && !slices.Contains(w.Exclude, c.name)
}
