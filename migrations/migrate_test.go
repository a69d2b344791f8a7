package migrations_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rowcast/migrations"
)

// schema is an application's: some of everything that a watch touches.
const schema = `
CREATE TABLE message (id bigserial PRIMARY KEY, topic_id int, body text);
CREATE TABLE part (id int, topic_id int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER own AFTER INSERT ON message FOR EACH ROW EXECUTE FUNCTION own();
INSERT INTO message VALUES (1, 7, 'hi');`

func TestMigrate_down_leaves_no_trace(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"", "rowcast_owner"} {
		t.Run("owner_"+owner, func(t *testing.T) {
			t.Parallel()
			d := servers[0].database(t, "template1")
			d.admin.exec(schema)
			before := dump(t, d)
			o := migrations.Options{Owner: owner}
			if err := migrations.Up(t.Context(), d.url(), o); err != nil {
				t.Fatal(err)
			}
			d.doorbell("now")
			d.admin.exec("SELECT rowcast.watch('message', 'topic_id'), rowcast.watch('part', 'topic_id', always => true)")
			d.admin.exec("SELECT rowcast.watch_access('message', 'topic_id', '{t}', '{}'), rowcast.watch_access('part', 'id', '{t}', always => true)")
			d.admin.exec("INSERT INTO message VALUES (2, 7, 'ho'); DELETE FROM message WHERE id = 2; CREATE TABLE gone (id int); SELECT rowcast.watch('gone'), rowcast.watch_access('gone', 'id', '{t}'); DROP TABLE gone")
			if dump(t, d) == before {
				t.Error("the dump does not show the schema")
			}
			if err := migrations.Down(t.Context(), d.url(), migrations.Options{}); err != nil {
				t.Fatal(err)
			}
			if after := dump(t, d); after != before {
				t.Errorf("pg_dump before up:\n%s\nafter down:\n%s", before, after)
			}
			if err := migrations.Down(t.Context(), d.url(), o); !errors.Is(err, migrations.ErrMissing) {
				t.Errorf("a second down: %v", err)
			}
		})
	}
}

func TestMigrate_printed_sql_is_what_up_and_down_do(t *testing.T) {
	t.Parallel()
	s := servers[0]
	psql := filepath.Join(s.cluster.Bin(), "psql")
	feed := func(d *database, direction string) {
		t.Helper()
		var sql strings.Builder
		if err := migrations.Print(&sql, direction); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), psql, "-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", d.url())
		c.Stdin = strings.NewReader(sql.String())
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	printed, applied := s.database(t, "template1"), s.database(t, "template1")
	printed.admin.exec(schema)
	applied.admin.exec(schema)
	before := dump(t, printed)
	feed(printed, "up")
	if err := migrations.Up(t.Context(), applied.url(), migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Up(t.Context(), printed.url(), migrations.Options{}); err != nil {
		t.Fatalf("up after the printed one: %v", err)
	}
	times := func(d *database) string {
		d.admin.exec("UPDATE rowcast.schema_version SET tstamp = '2026-01-01'; UPDATE rowcast.watch SET created = '2026-01-01'")
		return dump(t, d)
	}
	if p, a := times(printed), times(applied); p != a {
		t.Errorf("printed and run by psql:\n%s\nup:\n%s", p, a)
	}
	if err := migrations.Check(t.Context(), printed.admin); err != nil {
		t.Error(err)
	}
	printed.doorbell("now")
	printed.admin.exec("SELECT rowcast.watch('message', 'topic_id'), rowcast.watch_access('message', 'topic_id', '{t}'); INSERT INTO message VALUES (3)")
	printed.admin.exec("DELETE FROM message WHERE id = 3")
	feed(printed, "down")
	if after := dump(t, printed); after != before {
		t.Errorf("pg_dump before up:\n%s\nafter down:\n%s", before, after)
	}
	if err := migrations.Print(&strings.Builder{}, "sideways"); err == nil {
		t.Error("a third direction")
	}
}

func TestMigrate_several_at_once(t *testing.T) {
	t.Parallel()
	d := servers[0].database(t, "template1")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := migrations.Up(t.Context(), d.url(), migrations.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestCheck(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		check := func(want error) {
			t.Helper()
			if err := migrations.Check(t.Context(), d.admin); !errors.Is(err, want) {
				t.Errorf("check: %v, want %v", err, want)
			}
		}
		check(nil)
		versions, err := migrations.Status(t.Context(), d.url())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range versions {
			if v.Applied.IsZero() || v.Name == "" {
				t.Errorf("status: %+v", v)
			}
		}
		d.admin.exec("INSERT INTO rowcast.schema_version (version_id, is_applied) VALUES (99, true)")
		check(migrations.ErrNew)
		d.admin.exec("DELETE FROM rowcast.schema_version WHERE version_id > 1")
		check(migrations.ErrOld)
		d.admin.exec("DROP SCHEMA rowcast CASCADE")
		check(migrations.ErrMissing)
		if versions, err = migrations.Status(t.Context(), d.url()); err != nil || !versions[0].Applied.IsZero() {
			t.Errorf("status without schema: %+v, %v", versions, err)
		}
	})
}

func TestOwner(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		foreign := d.admin.text(`
			SELECT string_agg(format('%s of %s', name, owner::regrole), ', ') FROM (
			  SELECT relname AS name, relowner AS owner FROM pg_class WHERE relnamespace = 'rowcast'::regnamespace
			  UNION ALL SELECT proname, proowner FROM pg_proc WHERE pronamespace = 'rowcast'::regnamespace
			  UNION ALL SELECT nspname, nspowner FROM pg_namespace WHERE nspname = 'rowcast') o
			 WHERE owner <> 'rowcast_owner'::regrole`)
		if foreign != "" {
			t.Error(foreign)
		}
		open := d.admin.text(`SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
			WHERE pronamespace = 'rowcast'::regnamespace AND a.grantee = 0`)
		if open != "" {
			t.Errorf("PUBLIC may execute %s", open)
		}
		if err := migrations.Up(t.Context(), d.url(), migrations.Options{Owner: "somebody_else"}); err == nil {
			t.Error("moved to another owner")
		}
		if got := d.admin.text("SELECT (rolcanlogin OR rolsuper)::text FROM pg_roles WHERE rolname = 'rowcast_owner'"); got != "false" {
			t.Error("the owner can log in")
		}
	})
}

func TestOwner_who_can_log_in_is_refused(t *testing.T) {
	t.Parallel()
	d := servers[0].database(t, "template1")
	err := migrations.Up(t.Context(), d.url(), migrations.Options{Owner: "app"})
	if err == nil || !strings.Contains(err.Error(), "NOLOGIN") {
		t.Errorf("owner app: %v", err)
	}
}
