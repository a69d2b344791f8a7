package migrations_test

import (
	"fmt"
	"strings"
	"testing"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

// A daemon's row is captured like any other, and nobody is shown its watch.
func TestCanary(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		shown := func() string {
			return d.admin.text("SELECT string_agg(instance || ' ' || note, ', ' ORDER BY instance) FROM rowcast.canary")
		}
		d.admin.exec("SELECT rowcast.sing('a', 1); SELECT rowcast.sing('b', 7); SELECT rowcast.sing('a', 2)")
		entries := d.log()
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprintf("%d %s %s", e.Watch, e.Op, e.Data[:strings.Index(e.Data, `,"at"`)]))
		}
		want := `-1 I {"instance":"a","note":1, -1 I {"instance":"b","note":7, -1 U {"instance":"a","note":2`
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("logged\n%s\nwant\n%s", got, want)
		}
		if got := shown(); got != "a 2, b 7" {
			t.Errorf("rows %s", got)
		}
		if n := d.admin.text("SELECT count(*)::text FROM rowcast.watches"); n != "0" {
			t.Errorf("%s watches are shown", n)
		}
		if got := d.admin.text("SELECT rowcast.state_of(-1)"); got != "ok" {
			t.Errorf("its state is %s", got)
		}

		// Its commit waits for nothing, also where the session would have it so.
		d.admin.exec("SET synchronous_commit = on; BEGIN; SELECT rowcast.sing('a', 2)")
		if got := d.admin.text("SELECT current_setting('synchronous_commit')"); got != "off" {
			t.Errorf("synchronous_commit is %s", got)
		}
		d.admin.exec("ROLLBACK")

		// Who has been gone for a day is forgotten, unless somebody else is at it: nobody waits.
		d.admin.exec("UPDATE rowcast.canary SET at = now() - interval '25 hours'")
		d.log()
		other := d.session(t, "postgres")
		other.exec("BEGIN; DELETE FROM rowcast.canary WHERE instance = 'b'")
		d.admin.exec("SET statement_timeout = '5s'; SELECT rowcast.sing('c', 1)")
		other.exec("ROLLBACK")
		if got := shown(); got != "b 7, c 1" {
			t.Errorf("rows %s", got)
		}
		d.admin.exec("SELECT rowcast.sing('c', 2)")
		if got := shown(); got != "c 2" {
			t.Errorf("rows %s", got)
		}
		if n := len(d.log()); n != 2 {
			t.Errorf("%d changes, want those of c", n)
		}
	})
}

// Its row is written in place, for ever: no index entry, no other page, and next to
// nothing for vacuum. A server of its own: Postgres may not clear away what dies
// during a transaction that is open, be it in another database.
func TestCanary_leaves_nothing_to_vacuum(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	url := cluster.URL("postgres")
	if err := migrations.Up(t.Context(), url, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	s := session{t, pgtest.Connect(t, url)}
	s.exec("CREATE EXTENSION pageinspect")
	for note := range 300 {
		for _, instance := range []string{"a", "b", "c"} {
			s.exec("SELECT rowcast.sing($1, $2)", instance, note)
		}
	}
	pages := s.text("SELECT format('%s %s', pg_relation_size('rowcast.canary') / 8192, pg_relation_size('rowcast.canary_pkey') / 8192)")
	if pages != "1 2" {
		t.Errorf("pages of the table and of its index: %s", pages)
	}
	// Autovacuum comes for 50 dead ones.
	if dead := s.text("SELECT (count(*) < 25)::text FROM heap_page_items(get_raw_page('rowcast.canary', 0))"); dead != "true" {
		t.Error("the dead are not cleared away")
	}
}

// A change of a watch that nobody knows would send everybody away.
func TestCanary_is_not_written_when_it_is_not_watched(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("SELECT rowcast.unwatch('rowcast.canary')")
		d.admin.fails("SELECT rowcast.sing('a', 1)", "not watched any more")
		d.admin.exec("DELETE FROM rowcast.watch")
		d.admin.fails("SELECT rowcast.sing('a', 1)", "not watched any more")
		d.logged()
	})
}
