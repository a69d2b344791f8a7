package migrations_test

import (
	"fmt"
	"strings"
	"testing"

	"rowcast/migrations"
)

// What follows is written by the application's role, which may write its tables
// and has not heard of rowcast. Each of it must succeed as if nobody watched.

func TestHarmless_values(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec(`CREATE TYPE shape AS (p point, j json);
			CREATE TABLE n (id int PRIMARY KEY, topic_id json, j json, jb jsonb, x xml, p point, s shape, b bytea, f float8, n numeric, ts timestamptz, r int4range, a json[], v tsvector)`)
		for _, way := range ways("'n', 'topic_id'", "topic_id", "", ", exclude => '{v}'", ", level => 'statement'", ", level => 'statement', exclude => '{v}'", ", max_bytes => 1", ", max_bytes => 1, level => 'statement'") {
			d.admin.exec("TRUNCATE n")
			watches := d.watchOnly(way)
			d.log()
			d.app.exec(`INSERT INTO n VALUES (1, '{"t": "\u0000"}', '{"a": "\u0000", "a": 2}', '{"b": 1}', '<a/>', '(1,2)', ROW('(1,2)', '"\u0000"'), '\x00', 'NaN', 'NaN', 'infinity', '[1,5)', ARRAY['{}'::json], 'a b')`)
			d.app.exec(`UPDATE n SET j = '"\u0000"', x = '<b/>', p = '(NaN,3)', s = ROW('(2,2)', '1'), f = '-infinity', ts = '-infinity', r = 'empty', a = NULL`)
			d.app.exec(`UPDATE n SET topic_id = NULL`)
			d.app.exec(`UPDATE n SET j = j`)
			d.app.exec(`DELETE FROM n`)
			want := 4
			if strings.HasSuffix(way, "columns => '{}')") {
				want = 3 // an UPDATE of none of its columns is none
			}
			if n := len(d.log()); n != want*watches {
				t.Errorf("%s: %d log rows, want %d of each watch", way, n, want)
			}
		}
	})
}

func TestHarmless_casts_to_json_that_raise(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec(`CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN moods AS mood; CREATE TYPE pair AS (a int, m mood);
			CREATE FUNCTION no(mood) RETURNS json LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
			CREATE CAST (mood AS json) WITH FUNCTION no(mood);
			CREATE TABLE n (id int PRIMARY KEY, a mood, b moods, c mood[], d pair, e int)`)
		d.admin.fails("SELECT to_json('good'::mood)", "no")
		for _, way := range []string{"rowcast.watch('n')", "rowcast.watch('n', level => 'statement')", "rowcast.unwatch('n'), rowcast.watch_access('n', 'a', array['{b}'])"} {
			said := d.admin.text("SELECT concat_ws('', " + way + ")")
			if !strings.Contains(said, "could raise: a, b, c, d") {
				t.Errorf("%s said %q", way, said)
			}
			d.app.exec("INSERT INTO n VALUES (1, 'good', 'bad', '{good}', '(1,bad)', 5); UPDATE n SET a = 'bad', b = NULL; DELETE FROM n")
			d.logged(`I {"id":1,"a":"good","b":"bad","c":"{good}","d":"(1,bad)","e":5}`,
				`U {"id":1,"a":"bad","b":null,"c":"{good}","d":"(1,bad)","e":5} < {"id":1,"a":"good","b":"bad","c":"{good}","d":"(1,bad)","e":5}`,
				`D {"id":1,"a":"bad","b":null,"c":"{good}","d":"(1,bad)","e":5}`)
		}
		d.admin.exec("CREATE TYPE tint AS ENUM ('red'); ALTER TABLE n ADD COLUMN t tint")
		d.admin.exec("CREATE FUNCTION no(tint) RETURNS json LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'; CREATE CAST (tint AS json) WITH FUNCTION no(tint)")
		if state := d.admin.text("SELECT state FROM rowcast.watches"); state != "column t has got a cast to json: watch again" {
			t.Errorf("state %q", state)
		}
	})
}

func TestHarmless_ddl_in_live_sessions(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		tables := []string{"n", "s", "c", "a", "ac"}
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, topic_id int, body text); CREATE TABLE s (LIKE n INCLUDING ALL); CREATE TABLE c (LIKE n INCLUDING ALL); CREATE TABLE a (LIKE n INCLUDING ALL); CREATE TABLE ac (LIKE n INCLUDING ALL)")
		d.admin.exec("SELECT rowcast.watch('n', 'topic_id'), rowcast.watch('s', 'topic_id', level => 'statement'), rowcast.watch('c', 'topic_id', columns => '{body}')")
		d.admin.exec("SELECT rowcast.watch_access('a', 'body', array['{topic_id}']), rowcast.watch_access('ac', 'body', array['{topic_id}'], columns => '{}')")
		d.app.exec("SET plan_cache_mode = force_generic_plan")
		id := 0
		write := func(want int) {
			t.Helper()
			for _, table := range tables {
				id++
				d.app.exec(fmt.Sprintf("INSERT INTO %s (id) VALUES (%d); UPDATE %[1]s SET id = id + 1000 WHERE id = %d; DELETE FROM %[1]s WHERE id = %[2]d + 1000", table, id, id))
			}
			if n := len(d.log()); n != want {
				t.Errorf("%d log rows, want %d", n, want)
			}
		}
		write(15)
		want := 15
		for _, ddl := range []string{
			"ALTER TABLE %s ADD COLUMN x int DEFAULT 5",
			"ALTER TABLE %s ALTER COLUMN topic_id TYPE bigint",
			"ALTER TABLE %s ALTER COLUMN x TYPE text",
			"ALTER TABLE %s RENAME COLUMN body TO text",
			"ALTER TABLE %s RENAME COLUMN topic_id TO topic",
			"ALTER TABLE %s DROP COLUMN topic",
			"ALTER TABLE %s DROP CONSTRAINT %s_pkey",
			"ALTER TABLE %s ADD COLUMN topic_id json, ADD COLUMN body point",
			"ALTER TABLE %s DROP COLUMN text, DROP COLUMN x, DROP COLUMN topic_id, DROP COLUMN body",
			"ALTER TABLE %s RENAME TO %s_2; CREATE VIEW %s AS SELECT * FROM %s_2; GRANT ALL ON %s TO app",
		} {
			for _, table := range tables {
				d.admin.exec(strings.ReplaceAll(ddl, "%s", table))
			}
			switch {
			case strings.Contains(ddl, "_pkey"):
				want = 14 // to the watch of chosen columns, an UPDATE of id is none any more
			case strings.Contains(ddl, "ADD COLUMN topic_id"):
				want = 13 // nor to that of access, while it has what it lives on
			case strings.Contains(ddl, "DROP COLUMN topic_id"):
				want = 14
			}
			write(want)
		}
	})
}

func TestHarmless_added_column_is_seen_in_old_rows(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY)")
		d.admin.exec("SELECT rowcast.watch('n')")
		d.app.exec("INSERT INTO n VALUES (1)")
		d.admin.exec("ALTER TABLE n ADD COLUMN x int DEFAULT 5")
		d.app.exec("UPDATE n SET id = 2; UPDATE n SET x = 6")
		d.logged(`I {"id":1}`, `U {"id":2,"x":5} < {"id":1,"x":5}`, `U {"id":2,"x":6} < {"id":2,"x":5}`)
	})
}

// Every word that the triggers use for something of their own, as a column.
func TestHarmless_column_names(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		words := strings.Fields(`id x t n o u l s p j c k e rn oj nj json old new most made ms bell whole plain logged before after watch_id mutation
			all_too o_cut n_cut changed tg_op tg_argv tg_relid new_table rowcast_new rowcast_old xid op flags at data watch value size`)
		odd := []string{`"NEW"`, `"a b"`, `"quo""te"`, `"per%cent"`, `"dol$lar"`, `"br{ace}"`, `"ü"`, `"back\slash"`, `"'"`, `"$1"`, `"%1$s"`}
		columns := `"` + strings.Join(words, `" int, "`) + `" int, ` + strings.Join(odd, " int, ") + " int"
		for _, way := range ways("'n', 'x', topics => '{all}'", "x", "", ", exclude => '{at}'", ", level => 'statement'", ", level => 'statement', exclude => '{at}'", ", max_bytes => 1", ", max_bytes => 1, level => 'statement'") {
			d.admin.exec("DROP TABLE IF EXISTS n; CREATE TABLE n (" + columns + ")")
			watches := d.watchOnly(way)
			d.app.exec("INSERT INTO n (id, x, n) VALUES (1, 2, 3); UPDATE n SET n = 4, x = 5; DELETE FROM n")
			got := d.log()
			if len(got) != 3*watches || !strings.Contains(got[0].Data, `"x":2`) || !strings.Contains(got[watches].Data, `"x":5`) || !strings.Contains(got[2*watches].Data, `"x":5`) {
				t.Errorf("%s: %+v", way, got)
			}
		}
		// A table whose column has the composite type of another of the same words.
		d.admin.exec("DROP TABLE n; CREATE TYPE x AS (x int, n int); CREATE TABLE n (n x, x x, o x, p x)")
		for _, way := range ways("'n', 'x', topics => '{all}'", "x", "", ", level => 'statement'", ", max_bytes => 1", ", max_bytes => 1, level => 'statement'") {
			watches := d.watchOnly(way)
			d.app.exec("INSERT INTO n VALUES ('(1,2)', '(3,4)'); UPDATE n SET x = '(5,6)'; DELETE FROM n")
			if got := d.log(); len(got) != 3*watches {
				t.Errorf("%s: %+v", way, got)
			}
		}
	})
}

func TestHarmless_wide_tables(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		var columns strings.Builder
		for i := range 900 {
			fmt.Fprintf(&columns, ", c%d int", i)
		}
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY" + columns.String() + ")")
		for _, way := range ways("'n'", "c2", "", ", exclude => '{c1}'", ", max_bytes => 1", ", level => 'statement'", ", level => 'statement', exclude => '{c1}'") {
			watches := d.watchOnly(way)
			d.app.exec("INSERT INTO n VALUES (1); UPDATE n SET c2 = 1; DELETE FROM n")
			got := d.log()
			if len(got) != 3*watches {
				t.Fatalf("%s: %d log rows", way, len(got))
			}
			if resync := strings.Contains(way, "level => 'statement', exclude => '{c1}'"); (got[watches].Op == "B") != resync {
				t.Errorf("%s: the update is %s", way, got[watches].Op)
			}
		}
	})
}

func TestHarmless_session_settings(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, at timestamptz, b bytea, body text)")
		d.admin.exec("SELECT rowcast.watch('n', 'body')")
		for _, setting := range []string{
			"standard_conforming_strings = off", "quote_all_identifiers = on", "plpgsql.extra_errors = 'all'", "transform_null_equals = on", "array_nulls = off",
			"bytea_output = escape", "DateStyle = 'SQL, DMY'", "IntervalStyle = sql_standard", "extra_float_digits = -15", "TimeZone = 'Asia/Kathmandu'", "row_security = off",
			"default_transaction_isolation = serializable", "plan_cache_mode = force_custom_plan", "enable_hashjoin = off", "enable_mergejoin = off", "search_path = ''", "lock_timeout = '1ms'",
			"xmlbinary = hex", "rowcast.bulk = 'on'", "rowcast.mutation_id = ''", "client_min_messages = debug5", "check_function_bodies = off",
		} {
			app := d.session(t, "app")
			app.exec("SET " + setting)
			for _, way := range ways("'n', 'body'", "body", "", ", max_bytes => 1", ", exclude => '{b}'", ", level => 'statement', exclude => '{b}'") {
				watches := d.watchOnly(way)
				app.exec("INSERT INTO public.n VALUES (1, '2026-01-01', 'x', 'x'); UPDATE public.n SET body = 'y'; DELETE FROM public.n")
				if n := len(d.log()); n != 3*watches {
					t.Errorf("SET %s, %s: %d log rows", setting, way, n)
				}
			}
		}
	})
}

func TestHarmless_removal_under_a_live_session(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int)")
		d.admin.exec("SELECT rowcast.watch('n'), rowcast.watch_access('n', 'id', '{t}', columns => '{}')")
		d.app.exec("INSERT INTO n VALUES (1)")
		d.admin.exec("DROP SCHEMA rowcast CASCADE")
		d.app.exec("INSERT INTO n VALUES (2); UPDATE n SET id = 3; DELETE FROM n; TRUNCATE n")
		if err := migrations.Up(t.Context(), d.url(), migrations.Options{}); err != nil {
			t.Fatal(err)
		}
		d.doorbell("-now")
		d.admin.exec("SELECT rowcast.watch('n'), rowcast.watch_access('n', 'id', '{t}', columns => '{}')")
		d.app.exec("INSERT INTO n VALUES (4)")
		d.read = 0
		d.logged(`I {"id":4}`, `I {"id":4}`)
	})
}

// A row of the watch table deleted by hand must not stop a writer either.
func TestHarmless_watch_row_gone(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, body text)")
		for _, way := range ways("'n'", "body", "", ", exclude => '{body}'", ", level => 'statement'", ", max_bytes => 1", ", max_bytes => 1, level => 'statement'") {
			d.watchOnly(way)
			d.admin.exec("DELETE FROM rowcast.watch")
			d.app.exec("INSERT INTO n VALUES (1, 'x'); UPDATE n SET id = 2; DELETE FROM n; TRUNCATE n")
			d.admin.exec("DROP TABLE n; CREATE TABLE n (id int PRIMARY KEY, body text)") // with its triggers
		}
	})
}

// One version after the other: each takes some hundred megabytes.
func TestHarmless_huge_rows(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a gigabyte")
	}
	t.Parallel()
	for i, s := range servers {
		t.Run(fmt.Sprintf("postgres_%d", s.cluster.Version()), func(t *testing.T) {
			d := s.database(t, "prepared")
			d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, topic_id text, a text, b text, c text)")
			for _, column := range []string{"topic_id", "a", "b", "c"} {
				d.admin.exec("ALTER TABLE n ALTER COLUMN " + column + " SET STORAGE EXTERNAL")
			}
			level := func(l string) { d.watchOnly("SELECT rowcast.watch('n', 'topic_id', level => '" + l + "')") }
			level("row")
			d.app.exec("INSERT INTO n VALUES (1, '7', repeat('x', 300000000))")
			d.logged(`I1 {"id":1,"topic_id":"7"}`)
			d.app.exec("INSERT INTO n VALUES (2, repeat('7', 200000000))")
			d.logged(`I1 {"id":2,"topic_id":"` + strings.Repeat("7", 1000) + `"}`)
			if i > 0 {
				return
			}
			d.app.exec("DELETE FROM n WHERE id = 2")
			d.logged(`D1 {"id":2,"topic_id":"` + strings.Repeat("7", 1000) + `"}`)
			d.app.exec("UPDATE n SET b = 'row' WHERE id = 1")
			d.logged(`U3 {"id":1,"topic_id":"7"} < {"id":1,"topic_id":"7"} b`)
			// A row that is over 1 GB cannot be made one value any more. It comes to be by UPDATEs.
			d.app.exec("UPDATE n SET b = a || a WHERE id = 1")
			if got := d.log(); len(got) != 1 || got[0].Op != "B" {
				t.Errorf("900 MB at row level: %+v", got)
			}
			d.app.exec("UPDATE n SET c = a WHERE id = 1")
			if got := d.log(); len(got) != 1 || got[0].Op != "B" {
				t.Errorf("1.2 GB at row level: %+v", got)
			}
			d.watchOnly("SELECT rowcast.watch_access('n', 'topic_id', array['{topic_id}'], columns => '{}')")
			d.app.exec("UPDATE n SET topic_id = '8' WHERE id = 1")
			if got := d.log(); len(got) != 1 || got[0].Op != "B" {
				t.Errorf("1.2 GB, watched for access: %+v", got)
			}
			level("statement")
			d.app.exec("UPDATE n SET topic_id = '9' WHERE id = 1; DELETE FROM n WHERE id = 1")
			d.logged(`U3 {"id":1,"topic_id":"9"} < {"id":1,"topic_id":"8"} topic_id`, `D1 {"id":1,"topic_id":"9"}`)
		})
	}
}

// A REPEATABLE READ transaction sees the catalogue as it was when it began, and
// writes the table as it is now.
func TestHarmless_ddl_older_snapshot(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		event := func(options string) string { return "SELECT rowcast.watch('n', 'topic_id'" + options + ")" }
		access := func(options string) string {
			return "SELECT rowcast.watch_access('n', 'a', array['{topic_id}']" + options + ")"
		}
		for _, c := range []struct{ way, ddl, want string }{
			{event(""), "ALTER TABLE n DROP COLUMN b", `I {"id":1,"topic_id":7,"a":"x"}`},
			{event(", exclude => '{a}'"), "ALTER TABLE n DROP COLUMN b", "B"},
			{event(", exclude => '{a}'"), "ALTER TABLE n RENAME COLUMN b TO c", "B"},
			{event(", exclude => '{a}'"), "ALTER TABLE n ADD COLUMN c int", "B"},
			{event(", exclude => '{a}'"), "ALTER TABLE o ADD COLUMN c int", `I {"id":1,"topic_id":7,"b":null}`},
			{event(", max_bytes => 10"), "ALTER TABLE n RENAME COLUMN topic_id TO topic", "B"},
			{event(", max_bytes => 10"), "ALTER TABLE o ADD COLUMN c int", `I1 {"id":1,"topic_id":7}`},
			{event(", level => 'statement'"), "ALTER TABLE n DROP COLUMN b", `I {"id":1,"topic_id":7,"a":"x"}`},
			{event(", level => 'statement', exclude => '{a}'"), "ALTER TABLE n DROP COLUMN b", "B"},
			{event(", level => 'statement', exclude => '{a}'"), "SELECT rowcast.watch('n', 'topic_id', max_bytes => 10)", "B"},
			{event(", level => 'statement', max_bytes => 10"), "ALTER TABLE n DROP COLUMN b", "B"},
			{event(""), "SELECT rowcast.watch('n', 'topic_id', max_bytes => 10)", "B"},
			{event(""), "SELECT rowcast.watch('n', 'topic_id', exclude => '{a}')", "B"},
			{event(""), "DROP TABLE n; CREATE TABLE n (id int PRIMARY KEY, topic_id int, a text); SELECT rowcast.watch('n', 'topic_id', level => 'statement', exclude => '{a}')", "B"},
			{access(""), "ALTER TABLE n DROP COLUMN b", `I {"id":1,"topic_id":7,"a":"x"}`},
			{access(""), "ALTER TABLE n RENAME COLUMN a TO c", `I {"id":1,"topic_id":7,"c":"x","b":null}`},
			{access(", columns => '{}'"), "ALTER TABLE n DROP COLUMN b", `I {"id":1,"topic_id":7,"a":"x"}`},
			{access(", columns => '{}'") + "; UPDATE", "ALTER TABLE n RENAME COLUMN a TO c", "B"},
			{access(", columns => '{}'") + "; UPDATE", "ALTER TABLE n DROP COLUMN b", "B"},
			{access(", columns => '{}'") + "; UPDATE", "ALTER TABLE o ADD COLUMN c int", `U {"id":0,"topic_id":8,"a":"x"} < {"id":0,"topic_id":7,"a":"x"}`},
			{access("") + "; UPDATE", access(", columns => '{}'"), "B"},
		} {
			way, update := strings.CutSuffix(c.way, "; UPDATE")
			write := "INSERT INTO n VALUES (1, 7, 'x')"
			if update {
				write = "UPDATE n SET topic_id = 8"
			}
			d.admin.exec("DROP TABLE IF EXISTS n, o; CREATE TABLE n (id int PRIMARY KEY, topic_id int, a text, b text); CREATE TABLE o (id int); INSERT INTO n VALUES (0, 7, 'x')")
			d.admin.exec(way)
			d.app.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
			d.admin.exec(c.ddl)
			d.app.exec(write + "; COMMIT")
			d.logged(c.want)
			d.app.exec("DELETE FROM n WHERE id = (SELECT min(id) FROM n)")
			if n := len(d.log()); n != 1 {
				t.Errorf("%v: %d log rows of a delete", c, n)
			}
		}
	})
}

// lastval() is of the sequence used last, which is now the log's. It is refused,
// and never a wrong number; currval() and RETURNING are as ever.
func TestHarmless_last_value(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id serial); SELECT rowcast.watch('n'); SELECT rowcast.grant_emit('app')")
		if got := d.app.text("INSERT INTO n DEFAULT VALUES RETURNING id::text"); got != "1" {
			t.Errorf("RETURNING %s", got)
		}
		if got := d.app.text("SELECT currval('n_id_seq')::text"); got != "1" {
			t.Errorf("currval %s", got)
		}
		d.app.fails("SELECT lastval()", "permission denied for sequence log_id_seq")
	})
}
