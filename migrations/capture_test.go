package migrations_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCapture_rows(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE note (id int PRIMARY KEY, topic_id int, body text)")
		d.admin.exec("SELECT rowcast.watch('note', 'topic_id')")

		d.app.exec("INSERT INTO note VALUES (1, 7, 'hi')")
		d.logged(`I {"id":1,"topic_id":7,"body":"hi"}`)
		d.app.exec("UPDATE note SET body = 'ho'")
		d.logged(`U {"id":1,"topic_id":7,"body":"ho"} < {"id":1,"topic_id":7,"body":"hi"}`)
		d.app.exec("UPDATE note SET body = 'ho'")
		d.logged()
		d.app.exec("UPDATE note SET topic_id = 8, id = 2")
		d.logged(`U {"id":2,"topic_id":8,"body":"ho"} < {"id":1,"topic_id":7,"body":"ho"}`)
		d.app.exec("UPDATE note SET topic_id = NULL")
		d.logged(`U {"id":2,"topic_id":null,"body":"ho"} < {"id":2,"topic_id":8,"body":"ho"}`)
		d.app.exec("DELETE FROM note")
		d.logged(`D {"id":2,"topic_id":null,"body":"ho"}`)
		d.app.exec("BEGIN; INSERT INTO note VALUES (3); ROLLBACK")
		d.logged()
		d.app.exec("TRUNCATE note")
		d.logged("T")
	})
}

func TestCapture_every_way_to_write(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		for _, way := range []string{"watch('%s')", "watch('%s', level => 'statement')", "watch_access('%s', 'id', '{t}')"} {
			d.admin.exec("DROP TABLE IF EXISTS child, note")
			d.admin.exec("CREATE TABLE note (id int PRIMARY KEY, n int)")
			d.admin.exec("CREATE TABLE child (id int PRIMARY KEY, note int REFERENCES note ON DELETE CASCADE ON UPDATE CASCADE)")
			d.admin.exec(fmt.Sprintf("SELECT rowcast."+way+", rowcast."+way, "note", "child"))

			if _, err := d.app.PgConn().CopyFrom(t.Context(), strings.NewReader("1\t1\n2\t2\n"), "COPY note FROM STDIN"); err != nil {
				t.Fatal(err)
			}
			d.logged(`I {"id":1,"n":1}`, `I {"id":2,"n":2}`)
			d.app.exec("INSERT INTO note VALUES (2, 3), (3, 3) ON CONFLICT (id) DO UPDATE SET n = excluded.n")
			d.logged(`U {"id":2,"n":3} < {"id":2,"n":2}`, `I {"id":3,"n":3}`)
			d.app.exec("INSERT INTO note VALUES (3, 9) ON CONFLICT DO NOTHING")
			d.logged()
			d.app.exec("WITH gone AS (DELETE FROM note WHERE id = 3 RETURNING *) INSERT INTO note SELECT id + 1, n FROM gone")
			got := d.log()
			slices.SortFunc(got, func(a, b entry) int { return strings.Compare(a.Op, b.Op) }) // the order is the executor's
			if len(got) != 2 || got[0].short() != `D {"id":3,"n":3}` || got[1].short() != `I {"id":4,"n":3}` {
				t.Errorf("a CTE: %v", got)
			}
			d.app.exec("INSERT INTO child VALUES (10, 1), (11, 1)")
			d.logged(`I {"id":10,"note":1}`, `I {"id":11,"note":1}`)
			d.app.exec("UPDATE note SET id = 5 WHERE id = 1")
			d.logged(`U {"id":5,"n":1} < {"id":1,"n":1}`, `U {"id":10,"note":5} < {"id":10,"note":1}`, `U {"id":11,"note":5} < {"id":11,"note":1}`)
			d.app.exec("DELETE FROM note WHERE id = 5")
			d.logged(`D {"id":5,"n":1}`, `D {"id":10,"note":5}`, `D {"id":11,"note":5}`)
			d.app.exec("UPDATE note SET n = 0 WHERE false")
			d.logged()
			d.app.exec("UPDATE note SET n = n + 1")
			d.logged(`U {"id":2,"n":4} < {"id":2,"n":3}`, `U {"id":4,"n":4} < {"id":4,"n":3}`)
			if d.server.cluster.Version() >= 15 {
				d.app.exec(`MERGE INTO note USING (VALUES (2, 7), (9, 9)) s(id, n) ON s.id = note.id
					WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.n)`)
				got := d.log()
				slices.SortFunc(got, func(a, b entry) int { return strings.Compare(a.Op, b.Op) })
				if len(got) != 2 || got[0].short() != `I {"id":9,"n":9}` || got[1].short() != `U {"id":2,"n":7} < {"id":2,"n":4}` {
					t.Errorf("MERGE: %v", got)
				}
			}
			d.app.exec("TRUNCATE note CASCADE")
			d.logged("T", "T")
			d.app.exec("BEGIN; INSERT INTO note VALUES (1); SAVEPOINT a; INSERT INTO note VALUES (2); ROLLBACK TO a; SAVEPOINT b; INSERT INTO note VALUES (3); COMMIT")
			entries := d.log()
			if len(entries) != 2 || entries[0].XID != entries[1].XID {
				t.Errorf("a savepoint has an xid of its own: %+v", entries)
			}
		}
	})
}

func TestCapture_statement_level_is_row_level_in_other_words(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE a (id int PRIMARY KEY, topic_id text, body text, n numeric, x int)")
		d.admin.exec("CREATE TABLE b (LIKE a INCLUDING ALL)")
		for _, options := range []string{
			"", ", exclude => '{n}'", ", columns => '{body}'", ", columns => '{}'", ", max_bytes => 120", ", unchanged => true", ", columns => '{}', unchanged => true",
		} {
			d.admin.exec("TRUNCATE a, b")
			d.admin.exec("SELECT rowcast.watch('a', 'topic_id', entity => 'a', topics => ARRAY['t_{topic_id}', '{x}'], level => 'row'" + options + ")")
			d.admin.exec("SELECT rowcast.watch('b', 'topic_id', entity => 'a', topics => ARRAY['t_{topic_id}', '{x}'], level => 'statement'" + options + ")")
			d.log()
			say := func(table string) string {
				for _, sql := range []string{
					"INSERT INTO %s SELECT i, i, repeat('x', i * 10), i, NULL FROM generate_series(1, 20) i",
					"UPDATE %s SET body = repeat('x', 21 - id) WHERE id > 3",
					"UPDATE %s SET n = n + 1, x = id WHERE id % 2 = 0",
					"UPDATE %s SET n = n WHERE id = 2",
					"UPDATE %s SET topic_id = repeat('y', 2000) WHERE id = 4",
					"UPDATE %s SET n = 5 WHERE id = 4",
					"DELETE FROM %s WHERE id > 2",
				} {
					d.app.exec(strings.ReplaceAll(sql, "%s", table))
				}
				var b strings.Builder
				for _, e := range d.log() {
					b.WriteString(e.short() + "\n")
				}
				return b.String()
			}
			row, statement := say("a"), say("b")
			if row != statement {
				t.Errorf("options %q: at row level\n%s\nat statement level\n%s", options, row, statement)
			}
			if !strings.Contains(row, "U") || !strings.Contains(row, "D") {
				t.Errorf("options %q logged only\n%s", options, row)
			}
		}
	})
}

func TestCapture_partitions(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		for _, c := range []struct{ watch, undo string }{
			{"watch('p', 'topic_id')", "unwatch('p')"},
			{"watch_access('p', 'topic_id', '{t}')", "unwatch_access('p')"},
		} {
			d.admin.exec(`DROP TABLE IF EXISTS p; CREATE TABLE p (id int, topic_id int, body text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
				CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
				CREATE TABLE p2 (body text, gone int, topic_id int, id int NOT NULL); ALTER TABLE p2 DROP COLUMN gone;
				ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20)`)
			d.admin.exec("SELECT rowcast." + c.watch)
			watch := d.admin.text("SELECT max(id)::text FROM rowcast.watch WHERE id > 0")
			d.app.exec("INSERT INTO p VALUES (1, 7, 'a'), (11, 7, 'b')")
			d.app.exec("INSERT INTO p1 VALUES (2, 7, 'c')")
			d.app.exec("UPDATE p SET body = 'd' WHERE id = 11")
			d.app.exec("UPDATE p SET id = 12 WHERE id = 1")
			d.admin.exec("CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30)")
			d.app.exec("INSERT INTO p VALUES (20, 8, NULL)")
			before := d.read
			for _, e := range d.log() {
				if fmt.Sprint(e.Watch) != watch {
					t.Errorf("watch %d, want %s: %s", e.Watch, watch, e.short())
				}
			}
			d.read = before
			d.logged(`I {"id":1,"topic_id":7,"body":"a"}`, `I {"body":"b","topic_id":7,"id":11}`, `I {"id":2,"topic_id":7,"body":"c"}`,
				`U {"body":"d","topic_id":7,"id":11} < {"body":"b","topic_id":7,"id":11}`,
				`D {"id":1,"topic_id":7,"body":"a"}`, `I {"body":"a","topic_id":7,"id":12}`, `I {"id":20,"topic_id":8,"body":null}`)
			d.app.exec("INSERT INTO p VALUES (13, 7, repeat('x', 50000))")
			d.logged(`I1 {"topic_id":7,"id":13}`)
			d.app.exec("TRUNCATE p")
			d.logged("T")
			d.admin.exec("SELECT rowcast." + c.undo)
			if left := d.admin.text("SELECT count(*)::text FROM pg_trigger WHERE tgname LIKE '00_rowcast%' AND tgrelid <> 'rowcast.canary'::regclass"); left != "0" {
				t.Errorf("%s triggers are left", left)
			}
		}
	})
}

func TestCapture_inheritance(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE kid (extra int) INHERITS (parent)")
		said := d.admin.text("SELECT rowcast.watch('parent')")
		if !strings.Contains(said, "watch them too: public.kid") {
			t.Errorf("watch said %q", said)
		}
		d.admin.exec("SELECT rowcast.watch('kid')")
		d.app.exec("INSERT INTO parent VALUES (1); INSERT INTO kid VALUES (2, 3); UPDATE parent SET id = id + 10; DELETE FROM parent")
		d.logged(`I {"id":1}`, `I {"id":2,"extra":3}`, `U {"id":11} < {"id":1}`, `U {"id":12,"extra":3} < {"id":2,"extra":3}`, `D {"id":11}`, `D {"id":12,"extra":3}`)
	})
}

func TestCapture_replica_role(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
		d.admin.exec("SELECT rowcast.watch('a'), rowcast.watch('b', always => true), rowcast.watch('p', always => true)")
		d.admin.exec("SET session_replication_role = replica; INSERT INTO a VALUES (1); INSERT INTO b VALUES (2); INSERT INTO p VALUES (3); RESET session_replication_role")
		d.logged(`I {"id":2}`, `I {"id":3}`)
		if state := d.admin.text("SELECT string_agg(state, ',') FROM rowcast.watches"); state != "ok,ok,ok" {
			t.Errorf("states %s", state)
		}
	})
}

func TestCapture_columns(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, topic_id int, a text, b text)")
		d.app.exec("INSERT INTO n VALUES (1, 7, 'a', 'b')")

		d.admin.exec("SELECT rowcast.watch('n', 'topic_id', exclude => '{b}')")
		d.app.exec("UPDATE n SET b = 'secret'; UPDATE n SET a = 'A'; INSERT INTO n VALUES (2, 7, 'a', repeat('secret', 50000)); DELETE FROM n WHERE id = 2")
		d.logged(`U {"id":1,"topic_id":7,"a":"A"} < {"id":1,"topic_id":7,"a":"a"}`, `I {"id":2,"topic_id":7,"a":"a"}`, `D {"id":2,"topic_id":7,"a":"a"}`)
		d.admin.exec("ALTER TABLE n ADD COLUMN c int")
		d.app.exec("UPDATE n SET c = 1")
		d.logged(`U {"id":1,"topic_id":7,"a":"A","c":1} < {"id":1,"topic_id":7,"a":"A","c":null}`)

		d.admin.exec("SELECT rowcast.watch('n', 'topic_id', columns => '{a}')")
		d.app.exec("UPDATE n SET c = 2; UPDATE n SET a = 'B'")
		d.logged(`U {"id":1,"topic_id":7,"a":"B"} < {"id":1,"topic_id":7,"a":"A"}`)

		d.admin.exec("SELECT rowcast.watch('n', 'topic_id', columns => '{}')")
		d.app.exec("UPDATE n SET a = 'C'; UPDATE n SET topic_id = 8; DELETE FROM n")
		d.logged(`U {"id":1,"topic_id":8} < {"id":1,"topic_id":7}`, `D {"id":1,"topic_id":8}`)
	})
}

func TestCapture_unchanged(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, body text)")
		d.admin.exec("SELECT rowcast.watch('n', unchanged => true)")
		d.app.exec("INSERT INTO n VALUES (1, 'x'); UPDATE n SET body = 'x'")
		d.logged(`I {"id":1,"body":"x"}`, `U {"id":1,"body":"x"} < {"id":1,"body":"x"}`)
		d.app.exec("UPDATE n SET body = repeat('x', 50000); UPDATE n SET body = body")
		d.logged(`U1 {"id":1} < {"id":1,"body":"x"} body`, `U3 {"id":1} < {"id":1} `)
	})
}

func TestCapture_generated_columns(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)")
		d.admin.exec("SELECT rowcast.watch('n')")
		d.app.exec("INSERT INTO n VALUES (1); UPDATE n SET id = 2")
		d.logged(`I {"id":1,"twice":2}`, `U {"id":2,"twice":4} < {"id":1,"twice":2}`)
		if d.server.cluster.Version() < 18 {
			return
		}
		d.admin.exec("CREATE TABLE v (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL)")
		if said := d.admin.text("SELECT rowcast.watch('v')"); !strings.Contains(said, "virtual generated columns are null inside triggers: twice") {
			t.Errorf("watch said %q", said)
		}
		d.app.exec("INSERT INTO v VALUES (1)")
		d.logged(`I {"id":1,"twice":null}`) // the daemon leaves it out
		d.admin.fails("SELECT rowcast.watch('v', 'twice')", "virtual generated column")
		d.admin.exec("SELECT rowcast.watch('v', max_bytes => 1, topics => '{v}')")
		d.app.exec("INSERT INTO v VALUES (2)")
		d.logged(`I1 {"id":2}`)
	})
}

func TestCapture_cut_rows(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec(`CREATE DOMAIN number AS int; CREATE DOMAIN more AS number; CREATE TYPE mood AS ENUM ('good'); CREATE TYPE pair AS (a int, b text);
			CREATE TABLE n (id more PRIMARY KEY, topic_id text, at timestamptz, f float8, num numeric, m mood, p pair, ar int[], j json, b bytea, c char(3), body text)`)
		d.admin.exec(`SELECT rowcast.watch('n', 'topic_id', topics => '{"{topic_id}-{at}-{f}-{num}-{m}-{p}-{ar}-{j}-{b}-{c}"}')`)
		const values = `1, 'é' || repeat('t', 3000), '2026-01-01', 'NaN', 1.50, 'good', '(1,x)', '{1,2}', '{"a": "\u0000"}', '\x00ff', 'c'`
		const cut = `{"id":1,"topic_id":"é%s","at":"2026-01-01T00:00:00+00:00","f":"NaN","num":1.50,"m":"good","p":"(1,x)","ar":"{1,2}","j":"{\"a\": \"\\u0000\"}","b":"\\x00ff","c":"c  "}`
		d.app.exec("INSERT INTO n VALUES (" + values + ", repeat('x', 40000))")
		want := fmt.Sprintf(cut, strings.Repeat("t", 999))
		d.logged("I1 " + want)
		d.app.exec("UPDATE n SET body = 'small', ar = NULL")
		got := d.log()
		if len(got) != 1 || got[0].Flags != 2 || got[0].Old != want || strings.Join(got[0].Changed, " ") != "ar body" {
			t.Errorf("cut to small: %+v", got)
		}
		d.app.exec("UPDATE n SET body = repeat('y', 40000)")
		if got := d.log(); len(got) != 1 || got[0].Flags != 1 || strings.Join(got[0].Changed, " ") != "body" {
			t.Errorf("small to cut: %+v", got)
		}
		d.app.exec("UPDATE n SET body = repeat('y', 40000), p = '(1,x)'")
		d.logged()
		// Compressed it is small, as JSON it is not.
		d.app.exec("UPDATE n SET body = repeat('y', 400000)")
		if got := d.log(); len(got) != 1 || got[0].Flags != 3 {
			t.Errorf("compressed: %+v", got)
		}
		d.app.exec("UPDATE n SET body = repeat('z', 400000)")
		if got := d.log(); len(got) != 1 || got[0].Flags != 3 || strings.Join(got[0].Changed, " ") != "body" {
			t.Errorf("compressed to compressed: %+v", got)
		}
		d.app.exec("DELETE FROM n")
		if got := d.log(); len(got) != 1 || got[0].Flags != 1 || got[0].Old != "" {
			t.Errorf("delete: %+v", got)
		}
	})
}

func TestCapture_mutation_id(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int)")
		d.admin.exec("SELECT rowcast.watch('n')")
		d.app.exec("BEGIN; SELECT set_config('rowcast.mutation_id', 'abc', true); INSERT INTO n VALUES (1); COMMIT")
		d.app.exec("INSERT INTO n VALUES (2)")
		d.app.exec("BEGIN; SELECT set_config('rowcast.mutation_id', repeat('é', 100000), true); INSERT INTO n VALUES (1); COMMIT")
		got := d.log()
		if *got[0].Mutant != "abc" || got[1].Mutant != nil && *got[1].Mutant != "" || *got[2].Mutant != strings.Repeat("é", 200) {
			t.Errorf("mutation ids: %+v", got)
		}
	})
}

func TestCapture_fires_before_the_application_s_own_triggers(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec(`CREATE TABLE n (id int PRIMARY KEY, version int DEFAULT 1);
			CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE n SET version = version + 1 WHERE id = new.id; RETURN NULL; END';
			CREATE TRIGGER "0_first" AFTER INSERT ON n FOR EACH ROW EXECUTE FUNCTION again()`)
		d.admin.exec("SELECT rowcast.watch('n')")
		d.app.exec("INSERT INTO n VALUES (1)")
		d.logged(`I {"id":1,"version":1}`, `U {"id":1,"version":2} < {"id":1,"version":1}`)
	})
}

func TestCapture_ops(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int)")
		d.admin.exec("SELECT rowcast.watch('n', ops => '{update,insert}')")
		d.app.exec("INSERT INTO n VALUES (1); UPDATE n SET id = 2; DELETE FROM n; TRUNCATE n")
		d.logged(`I {"id":1}`, `U {"id":2} < {"id":1}`)
		d.admin.exec("SELECT rowcast.watch('n', ops => '{truncate}')")
		d.app.exec("INSERT INTO n VALUES (1); UPDATE n SET id = 2; DELETE FROM n; TRUNCATE n")
		d.logged("T")
	})
}

// What a derived type asks for is there in a cut row, too.
func TestCapture_cut_rows_keep_what_derived_types_need(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, topic_id int, status text, run json, body text, other text)")
		for _, level := range []string{"row", "statement"} {
			d.admin.exec(`SELECT rowcast.watch('n', 'topic_id', level => '` + level + `', derive => '[{"type":"done","on":"update","column":"status","becomes":"ok","fields":{"run_id":"run"}}]')`)
			d.app.exec(`INSERT INTO n VALUES (1, 7, 'new', '{"a": "\u0000"}', repeat('x', 50000), 'o'); UPDATE n SET status = 'ok'; DELETE FROM n`)
			const before, after = `{"id":1,"topic_id":7,"status":"new","run":"{\"a\": \"\\u0000\"}"}`, `{"id":1,"topic_id":7,"status":"ok","run":"{\"a\": \"\\u0000\"}"}`
			d.logged("I1 "+before, "U3 "+after+" < "+before+" status", "D1 "+after)
		}
	})
}
