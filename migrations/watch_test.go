package migrations_test

import (
	"strings"
	"testing"
	"time"

	"rowcast/migrations"
)

func TestWatch_refuses(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec(`CREATE TABLE n (id int PRIMARY KEY, topic_id int, body text); CREATE VIEW v AS SELECT * FROM n; CREATE MATERIALIZED VIEW m AS SELECT * FROM n;
			CREATE TEMP TABLE tmp (id int); CREATE SEQUENCE s; CREATE FOREIGN DATA WRAPPER w; CREATE SERVER w FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE f (id int) SERVER w;
			CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE news (id int); CREATE TABLE "Odd Name" (id int)`)
		for sql, want := range map[string]string{
			"'v'": "it is a view\n\nWatch the tables", "'m'": "materialized view", "'tmp'": "temporary table", "'f'": "foreign table\n\nWatch it in the database", "'s'": "no table",
			"'pg_class'": "system table", "'rowcast.log'": "system table", "'missing'": "does not exist", "'9999999'": "no such table",
			"'n', 'nope'": `column "nope" does not exist`, "'n', topics => '{\"a {b}\"}'": `column "b" does not exist`, "'n', topics => '{a b}'": "a topic has 1 to 200 bytes",
			"'n', topics => '{\"a*\"}'": "a topic has", "'n', topics => '{$a}'": "a topic has", "'n', topics => '{}'": "topics is empty", "'n', topics => array['a{']": "names columns as {column}", "'n', topics => array[repeat('x', 201)]": "a topic has", "'n', topics => array[null]": "a topic has",
			"'n', entity => 'Note'": "entity \"Note\"", "'n', entity => 'old'": "every payload has", "'news'": "Give entity =>", "'\"Odd Name\"'": "Give topics =>",
			"'n', ops => '{insert,upsert}'": "ops {insert,upsert}", "'n', ops => '{}'": "ops {}", "'n', level => 'table'": "level must be", "'p', level => 'statement'": "Use level => 'row'",
			"'n', exclude => '{nope}'": `column "nope" does not exist`, "'n', exclude => '{id}'": "key or topic column", "'n', 'topic_id', exclude => '{topic_id}'": "key or topic column",
			"'n', columns => '{body}', exclude => '{topic_id}'": "cannot both be given", "'n', columns => '{nope}'": "does not exist", "'n', max_bytes => 0": "max_bytes", "'n', max_bytes => 600000": "max_bytes",
			`'n', derive => '{}'`: "JSON array", `'n', derive => '[1]'`: "no object", `'n', derive => '[{"type":"X","on":"insert"}]'`: "type must be", `'n', derive => '[{"type":"x","on":"upsert"}]'`: `"on" must be`,
			`'n', derive => '[{"type":"x","on":"insert","wen":1}]'`: `unknown key "wen"`, `'n', derive => '[{"type":"x","on":"update","column":"nope","changes":true}]'`: `column "nope" is not captured`,
			`'n', exclude => '{body}', derive => '[{"type":"x","on":"update","column":"body","changes":true}]'`: `column "body" is not captured`, `'n', derive => '[{"type":"x","on":"insert","column":"id","becomes":1}]'`: `need "on":"update"`,
			`'n', derive => '[{"type":"x","on":"insert","fields":{"a":"nope"}}]'`: `column "nope" is not captured`, `'n', ops => '{insert}', derive => '[{"type":"x","on":"update","column":"id","changes":true}]'`: "does not capture update",
			`'n', derive => '[{"type":"x","on":"update","becomes":1}]'`: "column is missing", `'n', derive => '[{"type":"x","on":"update","column":"id","becomes":1,"changes":true}]'`: "only one of", "'n', include_old => null": "may be NULL",
		} {
			d.admin.fails("SELECT rowcast.watch("+sql+")", want)
		}
		if n := d.admin.text("SELECT count(*)::text FROM rowcast.watch WHERE id > 0"); n != "0" {
			t.Errorf("%s watches were made", n)
		}
		d.admin.exec("SELECT rowcast.watch('p')")
		d.admin.fails("SELECT rowcast.watch('p1')", "captured through its parent public.p", "rowcast.unwatch('public.p')")
		d.admin.exec("SELECT rowcast.unwatch('p'); SELECT rowcast.watch('p1')")
		d.admin.fails("SELECT rowcast.watch('p')", "its partition public.p1 is watched")
		d.admin.fails("SELECT rowcast.unwatch('n')", "not watched")
		d.app.fails("SELECT rowcast.watch('n')", "permission denied")
	})
}

func TestWatch_defaults(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		for table, entity := range map[string]string{
			"messages": "message", "categories": "category", "boxes": "box", "analysis": "analysis", "status": "status", "knowledge": "knowledge", "analysis_runs": "analysis_run",
			"knowledge_atoms": "knowledge_atom", "classes": "class", "batches": "batch", "topic": "topic", "menus": "menus", `"Proposals"`: "proposal", `"user-events"`: "user_event", "process": "process",
		} {
			d.admin.exec("CREATE TABLE " + table + " (id int PRIMARY KEY, topic_id int)")
			d.admin.exec("SELECT rowcast.watch('" + table + "')")
			name := strings.ToLower(strings.Trim(table, `"`))
			if got := d.admin.text("SELECT format('%s %s', entity, topics) FROM rowcast.watches ORDER BY id DESC LIMIT 1"); got != entity+" {"+name+"}" {
				t.Errorf("%s: %s, want entity %s", table, got, entity)
			}
		}
		d.admin.exec("SELECT rowcast.watch('messages', 'topic_id')")
		if got := d.admin.text("SELECT topics::text FROM rowcast.watches WHERE source = 'messages'::regclass"); got != `{topic_{topic_id}}` && got != `{"topic_{topic_id}"}` {
			t.Errorf("topics %s", got)
		}
	})
}

func TestWatch_again(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, topic_id int)")
		ids := func() string {
			return d.admin.text("SELECT string_agg(id || CASE WHEN ended IS NULL THEN '' ELSE ' ended' END, ', ' ORDER BY id) FROM rowcast.watch WHERE id > 0")
		}
		said := d.admin.text("SELECT rowcast.watch('n', 'topic_id')")
		if said != "watching public.n: n_created, n_updated, n_deleted, to topic_{topic_id}" {
			t.Errorf("watch said %q", said)
		}
		if said := d.admin.text("SELECT rowcast.watch('n', 'topic_id')"); said != "public.n is watched already" || ids() != "1" {
			t.Errorf("the same again: %q, watches %s", said, ids())
		}
		d.admin.exec("SELECT rowcast.watch('n', 'topic_id', ops => '{insert}')")
		if ids() != "1 ended, 2" {
			t.Errorf("another: watches %s", ids())
		}
		if got := d.admin.text("SELECT string_agg(tgname, ', ') FROM pg_trigger WHERE tgrelid <> 'rowcast.canary'::regclass"); got != "00_rowcast_insert" {
			t.Errorf("triggers %s", got)
		}
		d.admin.exec("DROP TRIGGER \"00_rowcast_insert\" ON n; SELECT rowcast.watch('n', 'topic_id', ops => '{insert}')")
		if ids() != "1 ended, 2 ended, 3" {
			t.Errorf("a lost trigger: watches %s", ids())
		}
		d.admin.exec("SELECT rowcast.unwatch('n')")
		if got := d.admin.text("SELECT count(*)::text FROM pg_trigger WHERE tgrelid <> 'rowcast.canary'::regclass"); got != "0" || ids() != "1 ended, 2 ended, 3 ended" {
			t.Errorf("unwatch: %s triggers, watches %s", got, ids())
		}
		d.admin.exec("CREATE TABLE o (id int); SELECT rowcast.watch('o'); DROP TABLE o; CREATE TABLE o (id int); SELECT rowcast.watch('o')")
		if got := d.admin.text("SELECT string_agg(state, ',') FROM rowcast.watches"); got != "ok" {
			t.Errorf("a table made anew: states %s", got)
		}
	})
}

func TestWatches_state(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, topic_id int); SELECT rowcast.watch('n', 'topic_id')")
		for _, step := range []struct{ sql, state string }{
			{"SELECT 1", "ok"},
			{"ALTER TABLE n RENAME topic_id TO topic", "topic column missing: topic_id"},
			{"ALTER TABLE n RENAME topic TO topic_id; ALTER TABLE n DISABLE TRIGGER \"00_rowcast_update\"", "trigger disabled: update on public.n"},
			{"ALTER TABLE n ENABLE REPLICA TRIGGER \"00_rowcast_update\"", "trigger disabled: update on public.n"},
			{"ALTER TABLE n ENABLE TRIGGER \"00_rowcast_update\"; DROP TRIGGER \"00_rowcast_delete\" ON n", "trigger missing: delete"},
			{"SELECT rowcast.watch('n', 'topic_id'); SELECT setval('rowcast.doorbell', 1700000000000)", "abandoned since 2023-11-14 22:13:20+00"},
			{"DROP TABLE n", "table gone"},
		} {
			d.admin.exec(step.sql)
			if state := d.admin.text("SELECT state FROM rowcast.watches"); state != step.state {
				t.Errorf("after %s: %q, want %q", step.sql, state, step.state)
			}
		}
	})
}

func TestWatch_names_who_holds_the_lock(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int); CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
		d.app.exec("SET application_name = 'the long one'; BEGIN; INSERT INTO n VALUES (1)")
		d.admin.fails("SELECT rowcast.watch('n')", "table public.n is locked by pid", "the long one", "idle in transaction")
		if n := d.admin.text("SELECT count(*)::text FROM rowcast.watch WHERE id > 0"); n != "0" {
			t.Error("a watch was made")
		}
		d.app.exec("COMMIT; BEGIN; INSERT INTO p1 VALUES (1)")
		done := make(chan error)
		other := d.session(t, "postgres")
		go func() {
			_, err := other.Exec(t.Context(), "SELECT rowcast.watch('p')")
			done <- err
		}()
		d.admin.until("1", "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation IN ('p'::regclass, 'p1'::regclass)")
		d.app.exec("COMMIT")
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// While watch waits for its lock, writers wait no longer than its timeout.
func TestWatch_does_not_block_writers_for_long(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int)")
		d.app.exec("BEGIN; INSERT INTO n VALUES (1)")
		other, done := d.session(t, "postgres"), make(chan error)
		go func() {
			_, err := other.Exec(t.Context(), "SELECT rowcast.watch('n')")
			done <- err
		}()
		d.admin.until("1", "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation = 'n'::regclass")
		writer, start := d.session(t, "app"), time.Now()
		writer.exec("INSERT INTO n VALUES (2)")
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("a writer waited %s", took)
		}
		d.app.exec("COMMIT")
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWatch_go(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec(`CREATE TABLE "It's" (id int PRIMARY KEY, topic_id int, a text, b text)`)
		o := migrations.WatchOptions{
			Table: `public."It's"`, TopicColumn: "topic_id", Topics: []string{"topic_{topic_id}", `back\slash`}, Entity: "it", Ops: []string{"insert", "update"}, Exclude: []string{"b"},
			Level: "statement", IncludeOld: true, MaxBytes: 1000, Derive: `[{"type":"x","on":"update","column":"a","becomes":"it's"}]`, Unchanged: true, Always: true,
		}
		plan := migrations.WatchSQL(o)
		if !strings.Contains(plan.Statement, `rowcast.watch('public."It''s"', topic_column => 'topic_id'`) || plan.Locks == "" || !strings.Contains(plan.Undo, "unwatch") {
			t.Errorf("plan %+v", plan)
		}
		if _, err := migrations.Watch(t.Context(), d.admin, o); err != nil {
			t.Fatal(err)
		}
		list, err := migrations.Watches(t.Context(), d.admin)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		w := list[0]
		if w.Source != `"It's"` || *w.TopicColumn != "topic_id" || w.Topics[1] != `back\slash` || w.Level != "statement" || !w.IncludeOld || w.MaxBytes != 1000 || !w.Unchanged || !w.Always || w.State != "ok" || w.Columns != nil || w.Exclude[0] != "b" || len(w.Ops) != 2 {
			t.Errorf("watch %+v", w)
		}
		if err := migrations.Unwatch(t.Context(), d.admin, o.Table); err != nil {
			t.Error(err)
		}
		if err := migrations.Unwatch(t.Context(), d.admin, o.Table); err == nil {
			t.Error("unwatched twice")
		}
		if _, err := migrations.Watch(t.Context(), d.admin, migrations.WatchOptions{Table: `"It's"`, Columns: []string{}, Entity: "it", Topics: []string{"its"}}); err != nil {
			t.Error(err)
		}
		if got := d.admin.text("SELECT columns::text FROM rowcast.watches"); got != "{}" {
			t.Errorf("columns %s", got)
		}
	})
}

func TestWatch_warns_of_prepared_transactions(t *testing.T) {
	t.Parallel()
	// Another server, since the setting needs a restart.
	d := preparedTransactions(t)
	d.admin.exec("CREATE TABLE n (id int PRIMARY KEY)")
	if said := d.admin.text("SELECT rowcast.watch('n')"); !strings.Contains(said, "PREPARE TRANSACTION fails") {
		t.Errorf("watch said %q", said)
	}
	d.doorbell("-now")
	d.app.exec("BEGIN; INSERT INTO n VALUES (1); PREPARE TRANSACTION 'polled'")
	d.admin.fails("SELECT rowcast.watch('n', ops => '{insert}')", "is locked by a prepared transaction")
	d.app.exec("COMMIT PREPARED 'polled'")
	d.logged(`I {"id":1}`)
	d.doorbell("now")
	d.app.exec("BEGIN; INSERT INTO n VALUES (2)")
	d.app.fails("PREPARE TRANSACTION 'rung'", "NOTIFY")
}
