package migrations_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/migrations"
)

// Writers of two watched tables, in either order, while rowcast is taken out:
// no write of theirs may fail.
func TestRemoval_under_live_writes(t *testing.T) {
	for _, way := range []string{"down", "printed"} {
		t.Run(way, func(t *testing.T) {
			each(t, func(t *testing.T, d *database) {
				d.admin.exec("CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
				d.admin.exec("SELECT rowcast.watch_access('a', 'id', '{t}'), rowcast.watch('b', max_bytes => 1), rowcast.watch('p')")
				ctx, cancel := context.WithCancel(t.Context())
				var writers sync.WaitGroup
				for _, tables := range [][]string{{"a", "b", "p"}, {"b", "p1", "a"}, {"p", "a", "b"}, {"p1", "p", "a"}} {
					s := d.session(t, "app")
					writers.Go(func() { write(ctx, t, s, tables) })
				}
				remove(t, d, way)
				cancel()
				writers.Wait()
			})
		})
	}
}

// write inserts into the tables, in their order, again and again.
func write(ctx context.Context, t *testing.T, s session, tables []string) {
	sql := "BEGIN; INSERT INTO " + strings.Join(tables, " VALUES (1); INSERT INTO ") + " VALUES (1); COMMIT"
	for ctx.Err() == nil {
		if _, err := s.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s\n%v", sql, err)
			return
		}
	}
}

func remove(t *testing.T, d *database, way string) {
	t.Helper()
	if way == "down" {
		if err := migrations.Down(t.Context(), d.url(), migrations.Options{}); err != nil {
			t.Error(err)
		}
		return
	}
	var sql strings.Builder
	if err := migrations.Print(&sql, "down"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.admin.Exec(t.Context(), sql.String(), pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Error(err)
	}
}
