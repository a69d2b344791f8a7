package migrations_test

import (
	"fmt"
	"strings"
	"testing"

	"rowcast/migrations"
)

func TestRevoke(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.app.fails("SELECT rowcast.revoke('olena', 'topic_7')", "permission denied")
		d.admin.exec("SELECT rowcast.grant_revoke('app')")
		for args, want := range map[string]string{
			"'olena', 'topic_7'": "olena topic_7", "'*', 'topic_*'": "everyone topic_*", "'7', '*'": "7 *", "'a, b', 'a*b'": "a, b a*b",
			"repeat('é', 1000), repeat('x', 200)": strings.Repeat("é", 1000) + " " + strings.Repeat("x", 200),
		} {
			d.app.exec("SELECT rowcast.revoke(" + args + ")")
			got := d.log()
			if len(got) != 1 || got[0].short() != "R" || got[0].Watch != 0 || len(got[0].Topics) != 1 {
				t.Fatalf("revoke(%s): %+v", args, got)
			}
			who := "everyone"
			if got[0].Type != nil {
				who = *got[0].Type
			}
			if who+" "+got[0].Topics[0] != want {
				t.Errorf("revoke(%s): %s %s", args, who, got[0].Topics)
			}
		}
		d.app.exec("BEGIN; SELECT rowcast.revoke('olena', 't'); ROLLBACK")
		d.logged()
		for args, want := range map[string]string{
			"NULL, 't'": "subject NULL", "'', 't'": "subject ''", "repeat('x', 1001), 't'": "1 to 1000 characters",
			"'a', NULL": "topic NULL", "'a', ''": "topic ''", "'a', 'a b'": "topic 'a b'", "'a', 'a,b'": "topic", "'a', '$a'": "topic", "'a', repeat('é', 101)": "topic", "'a', E'a\\x07'": "topic",
		} {
			d.app.fails("SELECT rowcast.revoke("+args+")", "rowcast.revoke: ", want)
		}
		d.doorbell("1")
		d.app.exec("SELECT rowcast.revoke('olena', 'topic_7')")
		d.logged()
	})
}

func TestAccess_rows(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE member (topic_id int, who text, role text, seen int, PRIMARY KEY (topic_id, who))")
		said := d.admin.text("SELECT rowcast.watch_access('member', 'who', array['topic_{topic_id}', 'members'])")
		if said != "watching access by public.member: of who to topic_{topic_id}, members" {
			t.Errorf("watch_access said %q", said)
		}
		d.app.exec("INSERT INTO member VALUES (7, 'olena', 'reader', 1)")
		d.logged(`I {"topic_id":7,"who":"olena","role":"reader","seen":1}`)
		d.app.exec("UPDATE member SET seen = 2; UPDATE member SET seen = 2")
		d.logged(`U {"topic_id":7,"who":"olena","role":"reader","seen":2} < {"topic_id":7,"who":"olena","role":"reader","seen":1}`)

		d.admin.exec("SELECT rowcast.watch_access('member', 'who', array['topic_{topic_id}'], columns => '{role}')")
		d.app.exec("UPDATE member SET seen = 3; UPDATE member SET role = 'writer'; UPDATE member SET who = 'maks'")
		d.logged(`U {"topic_id":7,"who":"olena","role":"writer"} < {"topic_id":7,"who":"olena","role":"reader"}`,
			`U {"topic_id":7,"who":"maks","role":"writer"} < {"topic_id":7,"who":"olena","role":"writer"}`)
		d.app.exec("DELETE FROM member; TRUNCATE member")
		d.logged(`D {"topic_id":7,"who":"maks","role":"writer","seen":3}`, "T")
		d.app.exec("INSERT INTO member VALUES (7, 'olena', repeat('x', 50000))")
		d.logged(`I1 {"topic_id":7,"who":"olena"}`)

		d.admin.exec("CREATE TABLE keyless (who text, note text); SELECT rowcast.watch_access('keyless', 'who', '{all}', columns => '{}')")
		d.app.exec("INSERT INTO keyless VALUES ('*', 'x'), (NULL, 'y'); UPDATE keyless SET note = 'z'; DELETE FROM keyless")
		d.logged(`I {"who":"*","note":"x"}`, `I {"who":null,"note":"y"}`, `D {"who":"*","note":"z"}`, `D {"who":null,"note":"z"}`)
	})
}

// A table can have one watch of each kind; they know nothing of each other.
// Of one row, access comes first: who is put out is not told of it.
func TestAccess_beside_events(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE member (id int PRIMARY KEY, who text)")
		d.admin.exec("SELECT rowcast.watch('member', ops => '{insert,delete}'), rowcast.watch_access('member', 'who', array['t_{id}'], columns => '{}')")
		kinds := func() string {
			d.admin.t.Helper()
			var b strings.Builder
			for _, e := range d.log() {
				kind := d.admin.text("SELECT CASE WHEN ended IS NULL THEN '' ELSE 'ended ' END || CASE WHEN subject_column IS NULL THEN 'event' ELSE 'access' END FROM rowcast.watch WHERE id = $1", e.Watch)
				fmt.Fprintf(&b, "%s %s, ", e.Op, kind)
			}
			return strings.TrimSuffix(b.String(), ", ")
		}
		want := func(sql, want string) {
			t.Helper()
			d.admin.exec(sql)
			if got := kinds(); got != want {
				t.Errorf("%s\nlogged %s\nwant   %s", sql, got, want)
			}
		}
		want("INSERT INTO member VALUES (1, 'a'), (2, 'b')", "I access, I event, I access, I event")
		want("UPDATE member SET who = 'c' WHERE id = 1", "U access")
		want("DELETE FROM member WHERE id = 1", "D access, D event")
		want("BEGIN; SELECT rowcast.bulk('member'); DELETE FROM member; COMMIT", "B event, D access")
		want("TRUNCATE member", "T access, T event")
		want("SELECT rowcast.watch('member'); INSERT INTO member VALUES (1, 'a')", "I access, I event")
		want("SELECT rowcast.unwatch('member'); DELETE FROM member", "D access")
		d.admin.fails("SELECT rowcast.bulk('member')", "not watched")
		d.admin.fails("SELECT rowcast.unwatch('member')", "public.member is not watched")
		want("SELECT rowcast.watch('member'), rowcast.unwatch_access('member'); INSERT INTO member VALUES (1, 'a')", "I event")
		d.admin.fails("SELECT rowcast.unwatch_access('member')", "public.member is not watched for access")
		want("SELECT rowcast.unwatch('member'); DELETE FROM member", "")
		if got := d.admin.text("SELECT count(*)::text FROM pg_trigger WHERE tgrelid <> 'rowcast.canary'::regclass"); got != "0" {
			t.Errorf("%s triggers are left", got)
		}
	})
}

func TestAccess_refuses(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec(`CREATE TABLE n (id int PRIMARY KEY, who text); CREATE VIEW v AS SELECT * FROM n;
			CREATE TABLE p (id int, who text) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)`)
		for args, want := range map[string]string{
			"'v', 'who', '{t}'": "it is a view", "'rowcast.log', 'type', '{t}'": "system table", "'n', NULL, '{t}'": "subject_column is NULL", "'n', 'nope', '{t}'": `column "nope" does not exist`,
			"'n', 'who', NULL": "topics is empty", "'n', 'who', '{}'": "topics is empty", "'n', 'who', array['t_{nope}']": `column "nope" does not exist`, "'n', 'who', '{t_*}'": "a topic has", "'n', 'who', '{t}', '{nope}'": `column "nope" does not exist`,
			"'n', 'who', '{t}', always => NULL": "may be NULL",
		} {
			d.admin.fails("SELECT rowcast.watch_access("+args+")", "cannot watch", want)
		}
		if n := d.admin.text("SELECT count(*)::text FROM rowcast.watch WHERE id > 0"); n != "0" {
			t.Errorf("%s watches were made", n)
		}
		d.admin.exec("SELECT rowcast.watch('p'), rowcast.watch_access('p1', 'who', '{t}')")
		d.admin.fails("SELECT rowcast.watch_access('p', 'who', '{t}')", "its partition public.p1 is watched", "rowcast.unwatch_access('public.p1')")
		d.admin.exec("SELECT rowcast.unwatch_access('p1'), rowcast.watch_access('p', 'who', '{t}')")
		d.admin.fails("SELECT rowcast.watch_access('p1', 'who', '{t}')", "captured through its parent public.p", "rowcast.unwatch_access('public.p')")
		d.app.fails("SELECT rowcast.watch_access('n', 'who', '{t}')", "permission denied")
		d.app.fails("SELECT rowcast.unwatch_access('p')", "permission denied")
	})
}

func TestAccess_again(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, who text, role text); SELECT rowcast.watch('n')")
		ids := func() string {
			return d.admin.text("SELECT string_agg(id || CASE WHEN ended IS NULL THEN '' ELSE ' ended' END, ', ' ORDER BY id) FROM rowcast.watch WHERE id > 0")
		}
		for _, step := range []struct{ sql, said, ids string }{
			{"SELECT rowcast.watch_access('n', 'who', array['t_{id}'])", "watching access by public.n: of who to t_{id}", "1, 2"},
			{"SELECT rowcast.watch_access('n', 'who', array['t_{id}'])", "public.n is watched for access already", "1, 2"},
			{"SELECT rowcast.watch('n')", "public.n is watched already", "1, 2"},
			{"SELECT rowcast.watch_access('n', 'who', array['t_{id}'], '{role}')", "watching access by public.n: of who to t_{id}", "1, 2 ended, 3"},
			{"SELECT rowcast.watch_access('n', 'role', array['t_{id}'], '{role}')", "watching access by public.n: of role to t_{id}", "1, 2 ended, 3 ended, 4"},
		} {
			if said := d.admin.text(step.sql); said != step.said || ids() != step.ids {
				t.Errorf("%s: %q, watches %s", step.sql, said, ids())
			}
		}
		d.admin.exec(`DROP TRIGGER "00_rowcast_access_delete" ON n; SELECT rowcast.watch_access('n', 'role', array['t_{id}'], '{role}')`)
		if ids() != "1, 2 ended, 3 ended, 4 ended, 5" {
			t.Errorf("a lost trigger: watches %s", ids())
		}
	})
}

func TestAccess_state(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, who text, topic_id int); SELECT rowcast.watch('n', 'topic_id'), rowcast.watch_access('n', 'who', array['t_{topic_id}'])")
		for _, step := range []struct{ sql, event, access string }{
			{"SELECT 1", "ok", "ok"},
			{"ALTER TABLE n RENAME who TO whose", "ok", "subject column missing: who"},
			{"ALTER TABLE n RENAME whose TO who; ALTER TABLE n RENAME topic_id TO topic", "topic column missing: topic_id", "topic column missing: topic_id"},
			{`ALTER TABLE n RENAME topic TO topic_id; ALTER TABLE n DISABLE TRIGGER "00_rowcast_access_delete"`, "ok", "trigger disabled: delete on public.n"},
			{`DROP TRIGGER "00_rowcast_access_delete" ON n`, "ok", "trigger missing: delete"},
			{`DROP TRIGGER "00_rowcast_access_truncate" ON n; SELECT rowcast.watch_access('n', 'who', array['t_{topic_id}']); DROP TRIGGER "00_rowcast_insert" ON n`, "trigger missing: insert", "ok"},
			{"DROP TABLE n", "table gone", "table gone"},
		} {
			d.admin.exec(step.sql)
			state := func(kind string) string { return d.admin.text("SELECT state FROM rowcast.watches WHERE " + kind) }
			if event, access := state("subject_column IS NULL"), state("subject_column IS NOT NULL"); event != step.event || access != step.access {
				t.Errorf("after %s: %q and %q, want %q and %q", step.sql, event, access, step.event, step.access)
			}
		}
		list, err := migrations.Watches(t.Context(), d.admin)
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		if list[0].SubjectColumn != nil || list[1].SubjectColumn == nil || *list[1].SubjectColumn != "who" {
			t.Errorf("watches %+v", list)
		}
	})
}

// What is equal need not be spelt alike; a revocation compares spellings.
func TestAccess_warns_of_what_varies(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TYPE kind AS ENUM ('a')")
		for typ, varies := range map[string]bool{
			"text": false, "varchar(20)": false, "int": false, "bigint": false, "uuid": false, "kind": false, `text COLLATE "C"`: false,
			"char(20)": true, "numeric": true, "float8": true, "json": true, "timestamptz": true, "text COLLATE alike": true, "text[]": true,
		} {
			d.admin.exec("DROP DOMAIN IF EXISTS dom CASCADE; CREATE DOMAIN dom AS " + typ)
			for _, columns := range []string{"who " + typ + ", topic_id int", "who dom, topic_id int", "who text, topic_id " + typ, "who text, topic_id dom"} {
				d.admin.exec("DROP TABLE IF EXISTS n; CREATE TABLE n (" + columns + ", other numeric)")
				said := d.admin.text("SELECT rowcast.watch_access('n', 'who', array['t_{topic_id}'])")
				if strings.Contains(said, "may not be spelt alike: ") != varies || strings.Contains(said, "other") {
					t.Errorf("%s: said %q", columns, said)
				}
			}
		}
	})
}

// Whatever removes a watched column, its rows are told without it, and the
// daemon knows from their missing key that it does not know whom they concern.
func TestAccess_without_its_subject(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		for _, columns := range []string{"", ", columns => '{}'"} {
			d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, who text, topic_id int); SELECT rowcast.watch_access('n', 'who', array['t_{topic_id}']" + columns + ")")
			d.app.exec("INSERT INTO n VALUES (1, 'olena', 7)")
			d.admin.exec("ALTER TABLE n RENAME who TO whose")
			d.app.exec("UPDATE n SET whose = 'maks'; DELETE FROM n")
			d.admin.exec("DROP TABLE n")
			got := d.log()
			if len(got) != 3 || !strings.Contains(got[0].Data, `"who":"olena"`) {
				t.Fatalf("options %q: %+v", columns, got)
			}
			for _, e := range got[1:] {
				if strings.Contains(e.Data, `"who"`) || !strings.Contains(e.Data, `"topic_id":7`) {
					t.Errorf("options %q: %+v", columns, e)
				}
			}
		}
	})
}

func TestAccess_always(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE a (id int); CREATE TABLE b (id int)")
		d.admin.exec("SELECT rowcast.watch_access('a', 'id', '{t}'), rowcast.watch_access('b', 'id', '{t}', always => true)")
		d.admin.exec("SET session_replication_role = replica; INSERT INTO a VALUES (1); INSERT INTO b VALUES (2); RESET session_replication_role")
		d.logged(`I {"id":2}`)
		if state := d.admin.text("SELECT string_agg(state, ',') FROM rowcast.watches"); state != "ok,ok" {
			t.Errorf("states %s", state)
		}
	})
}
