package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

// preparedTransactions is a database of a server that allows them.
func preparedTransactions(t *testing.T) *database {
	c := pgtest.Cluster(t, pgtemp.Options{Fast: true, Settings: map[string]string{"max_prepared_transactions": "5"}})
	admin := pgtest.Connect(t, c.URL("postgres"))
	if _, err := admin.Exec(t.Context(), "CREATE ROLE app LOGIN; CREATE ROLE daemon LOGIN"); err != nil {
		t.Fatal(err)
	}
	s := &server{cluster: c, admin: admin}
	d := s.database(t, "template1")
	if err := migrations.Up(t.Context(), d.url(), migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDoorbell(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int); CREATE TABLE s (id int); CREATE TABLE a (id int)")
		d.admin.exec("SELECT rowcast.watch('n'), rowcast.watch('s', level => 'statement'), rowcast.watch_access('a', 'id', '{t}')")
		listener := d.session(t, "postgres")
		listener.exec("LISTEN rowcast")
		rung := func() bool {
			t.Helper()
			// A notification of our own comes last and ends the wait.
			d.admin.exec("NOTIFY rowcast, 'end'")
			n, err := listener.WaitForNotification(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n.Payload == "end" {
				return false
			}
			if n.Payload != "" {
				t.Errorf("payload %q", n.Payload)
			}
			for n.Payload != "end" {
				if n, err = listener.WaitForNotification(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return true
		}
		for _, step := range []struct {
			bell         string
			rings, reads bool
		}{
			{"now", true, true},
			{"now-60000", true, true},
			{"now+700", false, true},
			{"now+1900", true, true},
			{"-now", false, true},
			{"-now-100000", false, true},
			{"now-7300000", false, false},
			{"-now+7300000", false, false},
			{"1", false, false},
		} {
			for _, sql := range []string{"INSERT INTO n VALUES (1)", "INSERT INTO s VALUES (1)", "TRUNCATE n", "INSERT INTO a VALUES (1)", "SELECT rowcast.emit('a', '{}', '{t}')", "SELECT rowcast.revoke('a', 't')", "SELECT rowcast.bulk('n')"} {
				d.doorbell(step.bell)
				session := d.app
				if strings.HasPrefix(sql, "SELECT") {
					session = d.admin
				}
				session.exec(sql)
				if got := rung(); got != step.rings {
					t.Errorf("doorbell %s, %s: rung %t", step.bell, sql, got)
				}
				if got := len(d.log()); (got == 1) != step.reads {
					t.Errorf("doorbell %s, %s: %d log rows", step.bell, sql, got)
				}
			}
		}
		d.doorbell("now")
		d.app.exec("UPDATE n SET id = 1; UPDATE a SET id = 1; INSERT INTO s SELECT 1 WHERE false")
		if rung() {
			t.Error("rung for nothing")
		}
		d.admin.exec("DROP SEQUENCE rowcast.doorbell; CREATE SEQUENCE rowcast.doorbell MINVALUE -9223372036854775808; ALTER SEQUENCE rowcast.doorbell OWNER TO rowcast_owner")
		d.app.exec("INSERT INTO n VALUES (2)")
		d.logged()
		if state := d.admin.text("SELECT DISTINCT state FROM rowcast.watches"); state != "abandoned: no daemon has come yet" {
			t.Errorf("state %q", state)
		}
	})
}

func TestBulk(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int); CREATE TABLE s (id int); CREATE TABLE o (id int)")
		d.admin.exec("SELECT rowcast.watch('n'), rowcast.watch('s', level => 'statement'), rowcast.watch('o')")
		d.admin.exec("BEGIN; INSERT INTO n VALUES (0); SELECT rowcast.bulk('n'), rowcast.bulk('s'), rowcast.bulk('n'); INSERT INTO n VALUES (1); INSERT INTO s VALUES (1); UPDATE n SET id = 2; INSERT INTO o VALUES (1); COMMIT")
		d.admin.exec("INSERT INTO n VALUES (3); INSERT INTO s VALUES (3)")
		d.logged(`I {"id":0}`, "B", "B", `I {"id":1}`, `I {"id":3}`, `I {"id":3}`)
		d.admin.exec("BEGIN; SAVEPOINT a; SELECT rowcast.bulk('n'); ROLLBACK TO a; INSERT INTO n VALUES (4); COMMIT")
		d.logged(`I {"id":4}`)
		d.admin.fails("SELECT rowcast.bulk('pg_class')", "not watched")
		d.admin.text("SELECT rowcast.rotate(pg_current_snapshot())")
		if left := d.admin.text("SELECT count(*)::text FROM rowcast.silence"); left != "0" {
			t.Errorf("%s silences are left", left)
		}
	})
}

func TestEmit(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("SELECT rowcast.grant_emit('app')")
		d.app.exec("BEGIN; SELECT set_config('rowcast.mutation_id', 'm', true)")
		id := d.app.text(`SELECT rowcast.emit('thing_done', '{"b": 1, "a": "\u00e9"}', '{topic_7,user-9:x}')::text`)
		d.app.exec("COMMIT")
		got := d.log()
		if len(got) != 1 || fmt.Sprint(got[0].ID) != id || got[0].short() != `E {"a": "é", "b": 1}` || *got[0].Type != "thing_done" || strings.Join(got[0].Topics, " ") != "topic_7 user-9:x" || got[0].Watch != 0 || *got[0].Mutant != "m" {
			t.Errorf("emitted %+v, id %s", got, id)
		}
		for args, want := range map[string]string{
			`'Bad', '{}', '{t}'`: "type 'Bad' must be", `NULL, '{}', '{t}'`: "type NULL", `'1a', '{}', '{t}'`: "type", `'a', '[]', '{t}'`: "JSON object", `'a', NULL, '{t}'`: "JSON object", `'a', '1', '{t}'`: "JSON object",
			`'a', '{}', '{}'`: "no topics", `'a', '{}', NULL`: "no topics", `'a', '{}', '{a b}'`: "topic 'a b'", `'a', '{}', '{"a,b"}'`: "topic", `'a', '{}', '{a*}'`: "topic", `'a', '{}', '{$a}'`: "topic", `'a', '{}', ARRAY['']`: "topic ''",
			`'a', '{}', ARRAY[NULL]`: "topic NULL", `'a', '{}', ARRAY[repeat('é', 101)]`: "topic", `'a', '{}', ARRAY[E'a\x07']`: "topic", `'a', '{}', ARRAY[E'a\u0085']`: "topic",
		} {
			d.app.fails("SELECT rowcast.emit("+args+")", "rowcast.emit: ", want)
		}
		d.app.exec("SELECT rowcast.emit('a', '{}', ARRAY[repeat('é', 100)])")
		d.log()
		d.app.exec("SELECT rowcast.emit('a', jsonb_build_object('topic_id', 7, 'x', repeat('x', 2000000)), '{t}')")
		d.app.exec("SELECT rowcast.emit('a', jsonb_build_object('topic_id', '{}'::jsonb, 'x', repeat('x', 20000000)), '{t}')")
		d.logged(`E1 {"truncated" : true, "topic_id" : "7"}`, `E1 {"truncated" : true}`)
		d.doorbell("1")
		if got := d.app.text("SELECT rowcast.emit('a', '{}', '{t}')::text"); got != "" {
			t.Errorf("abandoned, emit returned %s", got)
		}
	})
}

func TestGrants(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		granted := func(role string) string {
			return d.admin.text(`SELECT coalesce(string_agg(g, ', ' ORDER BY g), '') FROM (
				SELECT lower(privilege_type) || ' ' || c.relname AS g FROM pg_class c, aclexplode(relacl) a WHERE relnamespace = 'rowcast'::regnamespace AND a.grantee = $1::regrole
				UNION ALL SELECT lower(privilege_type) || ' ' || p.proname FROM pg_proc p, aclexplode(proacl) a WHERE pronamespace = 'rowcast'::regnamespace AND a.grantee = $1::regrole
				UNION ALL SELECT lower(privilege_type) || ' ' || n.nspname FROM pg_namespace n, aclexplode(nspacl) a WHERE nspname = 'rowcast' AND a.grantee = $1::regrole) x`, role)
		}
		d.admin.exec("SELECT rowcast.grant_emit('app')")
		if got := granted("app"); got != "execute emit, usage rowcast" {
			t.Errorf("grant_emit: %s", got)
		}
		d.admin.exec("SELECT rowcast.grant_revoke('app')")
		if got := granted("app"); got != "execute emit, execute revoke, usage rowcast" {
			t.Errorf("grant_revoke: %s", got)
		}
		d.admin.exec("SELECT rowcast.grant_daemon('daemon')")
		want := "execute current_identity, execute log_bytes, execute new_epoch, execute retention_ms, execute rotate, execute sing, execute state_of, execute turn, " +
			"select doorbell, select epoch, select log, select log_0, select log_1, select log_2, select log_3, select log_4, select log_5, select log_6, select log_7, select log_id_seq, select mark, select schema_version, select watch, select watches, update doorbell, usage rowcast"
		if got := granted("daemon"); got != want {
			t.Errorf("grant_daemon: %s", got)
		}
		daemon := d.session(t, "daemon")
		// Who moved it back would make ids come twice.
		for _, sql := range []string{"SELECT nextval('rowcast.log_id_seq')", "SELECT setval('rowcast.log_id_seq', 1)", "ALTER SEQUENCE rowcast.log_id_seq RESTART"} {
			daemon.fails(sql, "log_id_seq")
			d.app.fails(sql, "log_id_seq")
		}
	})
}

func TestEpoch(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		epoch := func(stale string) string {
			return d.admin.text("SELECT epoch || CASE WHEN snapshot IS NULL THEN ' without snapshot' ELSE '' END FROM rowcast.new_epoch(" + stale + ")")
		}
		d.admin.exec("SELECT rowcast.emit('a', '{}', '{t}')")
		first := epoch("")
		if epoch("") != first || epoch("'other'") != first {
			t.Error("another epoch for no reason")
		}
		second := epoch("'" + first + "'")
		if second == first || epoch("'"+first+"'") != second {
			t.Error("the stale epoch was not replaced, or twice")
		}
		if n := d.admin.text("SELECT count(*)::text FROM rowcast.log"); n != "1" {
			t.Errorf("%s log rows, want the one", n)
		}

		// Rows of xids that are still to come here.
		d.admin.exec("INSERT INTO rowcast.log (xid, watch, op, at) VALUES ('99999999', 1, 'I', now()); INSERT INTO rowcast.mark VALUES (0, '99:99:', now()); DELETE FROM rowcast.epoch")
		if third := epoch(""); third == second {
			t.Error("the same epoch again")
		}
		if n := d.admin.text("SELECT (SELECT count(*) FROM rowcast.log) || ' ' || (SELECT count(*) FROM rowcast.mark)"); n != "1 0" {
			t.Errorf("log rows and marks: %s", n)
		}
		d.admin.exec("UPDATE rowcast.epoch SET identity = 'elsewhere'")
		epoch("")
		if n := d.admin.text("SELECT count(*)::text FROM rowcast.log"); n != "0" {
			t.Errorf("%s foreign rows are left", n)
		}
		d.admin.fails("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT rowcast.new_epoch()", "READ COMMITTED")
		d.admin.exec("ROLLBACK")

		// Two instances at once make one.
		d.admin.exec("DELETE FROM rowcast.epoch")
		a, b := d.session(t, "postgres"), d.session(t, "postgres")
		a.exec("BEGIN")
		one := a.text("SELECT epoch FROM rowcast.new_epoch()")
		two := make(chan string)
		go func() {
			var e string
			_ = b.QueryRow(t.Context(), "SELECT epoch FROM rowcast.new_epoch()").Scan(&e)
			two <- e
		}()
		d.admin.until("1", "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
		a.exec("COMMIT")
		if got := <-two; got != one {
			t.Errorf("epochs %s and %s", one, got)
		}
	})
}

func TestEpoch_of_a_copied_database(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY); SELECT rowcast.watch('n'); SELECT rowcast.new_epoch()")
		d.app.exec("INSERT INTO n VALUES (1)")
		for _, c := range []session{d.admin, d.app} {
			_ = c.Close(t.Context())
		}
		copied := d.server.database(t, d.name)
		copied.isCopy(t, "a template copy")
	})
}

func TestEpoch_of_a_restored_dump(t *testing.T) {
	t.Parallel()
	s := servers[0]
	psql := filepath.Join(s.cluster.Bin(), "psql")
	d := s.database(t, "prepared")
	d.admin.exec("CREATE TABLE filler (id int); CREATE TABLE n (id int PRIMARY KEY); SELECT rowcast.watch('n'); SELECT rowcast.new_epoch()")
	d.app.exec("INSERT INTO n VALUES (1)")
	text := dump(t, d)
	restored := s.database(t, "template1")
	restored.admin.exec("CREATE TABLE other (id int); DROP TABLE other") // so that oids differ
	c := exec.CommandContext(t.Context(), psql, "-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", restored.url())
	c.Stdin = strings.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	restored.isCopy(t, "a restored dump")
}

// isCopy checks that a copy of a watched database knows that it is one.
func (d *database) isCopy(t *testing.T, what string) {
	t.Helper()
	if same := d.admin.text("SELECT (identity = rowcast.current_identity())::text FROM rowcast.epoch"); same != "false" {
		t.Errorf("%s believes to be the original", what)
	}
	if state := d.admin.text("SELECT source || ' ' || state FROM rowcast.watches"); state != "n ok" {
		t.Errorf("%s: watches: %s", what, state)
	}
	d.admin.exec("SELECT rowcast.new_epoch()")
	if n := d.admin.text("SELECT count(*)::text FROM rowcast.log"); n != "0" {
		t.Errorf("%s: %s rows of the original are left", what, n)
	}
	d.doorbell("-now")
	d.app.exec("INSERT INTO n VALUES (2)")
	d.read = 0
	d.logged(`I {"id":2}`)
}

// put logs n rows into the slot whose turn it is k turns from now.
func (s session) put(k, n int) {
	s.t.Helper()
	s.exec("INSERT INTO rowcast.log (id, xid, watch, op, at, data) OVERRIDING SYSTEM VALUE"+
		" SELECT (greatest(rowcast.turn(), 0) + $1) * 10000000000 + g, pg_current_xact_id(), 9, 'I', now(), '{}' FROM generate_series(1, $2::int) g", k, n)
}

// rotate rotates as if the last time was long ago.
func (d *database) rotate(seen string) string {
	d.admin.t.Helper()
	d.admin.exec("UPDATE rowcast.mark SET at = at - interval '31 days'")
	return d.admin.text("SELECT rowcast.rotate('" + seen + "')")
}

func (d *database) snapshot() string {
	d.admin.t.Helper()
	return d.admin.text("SELECT pg_current_snapshot()::text")
}

// Each turn is written into a slot of its own, and stays for six more.
func TestRotate_turns(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int); SELECT rowcast.watch('n')")
		state := func() string {
			return d.admin.text(`SELECT rowcast.turn() || ':' || coalesce(string_agg(format(' %s in %s', data->>'id', tableoid::regclass), '' ORDER BY id), '') FROM rowcast.log`)
		}
		if got := state(); got != "-1:" {
			t.Errorf("at the beginning: %s", got)
		}
		for turn := range 20 {
			d.app.exec("INSERT INTO n VALUES ($1)", turn)
			want := fmt.Sprintf("%d:", turn)
			for i := max(0, turn-6); i <= turn; i++ {
				want += fmt.Sprintf(" %d in rowcast.log_%d", i, i%8)
			}
			if got := state(); got != want {
				t.Errorf("before rotation:\n%s, want\n%s", got, want)
			}
			if got := d.rotate(d.snapshot()); got != "rotated" {
				t.Errorf("turn %d: %s", turn, got)
			}
			if got := d.admin.text("SELECT rowcast.rotate(pg_current_snapshot())"); got != "empty" {
				t.Errorf("once more in turn %d: %s", turn+1, got)
			}
		}
		d.admin.exec("UPDATE rowcast.mark SET at = now() + interval '1 day'") // or: the clock was set back
		for range 2 {
			if got := d.admin.text("SELECT rowcast.rotate(pg_current_snapshot())"); got != "empty" {
				t.Errorf("a clock set back: %s", got)
			}
		}
		// Six turns are two hours.
		for minutes, want := range map[int]string{19: "empty", 20: "rotated"} {
			d.admin.exec("UPDATE rowcast.mark SET at = now() - $1 * interval '1 minute'", minutes)
			if got := d.admin.text("SELECT rowcast.rotate(pg_current_snapshot())"); got != want {
				t.Errorf("%d minutes later: %s", minutes, got)
			}
		}
	})
}

// The turn is outside of the transaction that moves it: if that fails, the slot
// after the next is not empty, and is emptied before anybody comes to it.
func TestRotate_interrupted(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.rotate(d.snapshot())
		for _, k := range []int{0, 2, 3} { // in turn 1
			d.admin.put(k, 1)
		}
		d.admin.exec("UPDATE rowcast.mark SET at = at - interval '31 days'")
		d.admin.exec("BEGIN; SELECT rowcast.rotate(pg_current_snapshot()); ROLLBACK")
		for _, want := range []string{"2: 1 3 4", "2: 1 4", "3: 1", "4: 1"} {
			if got := d.admin.text("SELECT rowcast.turn() || ': ' || string_agg((id / 10000000000)::text, ' ' ORDER BY id) FROM rowcast.log"); got != want {
				t.Errorf("turn and log: %s, want %s", got, want)
			}
			d.rotate(d.snapshot())
		}
	})
}

// More rows than a turn has ids for begin the next turn by themselves.
func TestLog_of_a_full_turn(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int); SELECT rowcast.watch('n')")
		d.admin.exec("SELECT setval('rowcast.log_id_seq', 39999999998)")
		d.app.exec("INSERT INTO n SELECT generate_series(1, 3)")
		if got := d.admin.text("SELECT string_agg(id || ' ' || tableoid::regclass, ', ' ORDER BY id) FROM rowcast.log"); got != "39999999999 rowcast.log_3, 40000000000 rowcast.log_4, 40000000001 rowcast.log_4" {
			t.Error(got)
		}
		if got := d.rotate(d.snapshot()) + d.admin.text("SELECT rowcast.turn()::text"); got != "rotated5" {
			t.Error(got)
		}
	})
}

func TestRotate(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		rows := func() string { return d.admin.text("SELECT count(*)::text FROM rowcast.log") }
		want := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		turn := func(want string) {
			t.Helper()
			if got := d.admin.text("SELECT rowcast.turn()::text"); got != want {
				t.Errorf("turn %s, want %s", got, want)
			}
		}
		// Of the slot emptied last.
		mark := func(of string) string {
			t.Helper()
			return d.admin.text("SELECT (" + of + ")::text FROM rowcast.mark ORDER BY at DESC LIMIT 1")
		}

		want("nothing there", d.rotate(d.snapshot()), "rotated")
		turn("1")
		before := d.snapshot()
		d.admin.put(2, 1)
		want("a row that was not seen", d.rotate(before), "late")
		want("rows", rows(), "1")

		// A transaction that outlives its turn: its lock says busy, then, once it has committed, late.
		old := d.session(t, "postgres")
		old.exec("BEGIN")
		old.put(2, 1)
		d.admin.put(2, 1)
		during := d.snapshot()
		want("a writer in the slot", d.rotate(during), "busy")
		old.exec("COMMIT")
		want("it came after it was seen", d.rotate(during), "late")
		want("rows", rows(), "3")
		after := d.snapshot()
		mx := d.admin.text("SELECT xid::text FROM rowcast.log ORDER BY xid DESC LIMIT 1")
		turn("1")
		want("all was seen", d.rotate(after), "rotated")
		turn("2")
		want("rows", rows(), "0")
		want("the mark sees the last row", mark("pg_visible_in_snapshot('"+mx+"', snapshot)"), "true")
		want("the mark is just above it", mark("pg_snapshot_xmax(snapshot)::text::bigint - "+mx), "1")

		// The current slot is not touched, and the next one first emptied.
		d.admin.put(0, 1)
		d.admin.put(1, 1)
		want("the next is not empty", d.rotate(d.snapshot()), "rotated")
		turn("2")
		want("rows", rows(), "1")
		want("now it is", d.rotate(d.snapshot()), "rotated")
		turn("3")

		// A reader locks the slot: busy, and nobody queues.
		old.exec("BEGIN; SELECT count(*) FROM rowcast.log")
		want("a reader in the slot", d.rotate(d.snapshot()), "busy")
		old.exec("COMMIT")
		// Two instances.
		old.exec("BEGIN; SELECT pg_advisory_xact_lock(hashtext('rowcast'), 1)")
		want("another instance", d.rotate(d.snapshot()), "busy")
		old.exec("COMMIT")
		turn("3")

		// The last row of a slot is of a transaction older than those before it.
		old.exec("BEGIN")
		oldXID := old.text("SELECT pg_current_xact_id()::text")
		for range 3 {
			d.admin.put(2, 1)
		}
		want("with an old one open", d.rotate(d.snapshot()), "rotated")
		first := mark("snapshot")
		want("the open one is not in the mark", mark("pg_visible_in_snapshot('"+oldXID+"', snapshot)"), "false")
		old.put(1, 1) // the same slot, the turn having moved
		old.exec("COMMIT")
		want("the old one alone", d.rotate(d.snapshot()), "rotated")
		want("the mark did not step back", mark("pg_snapshot_xmax(snapshot) = pg_snapshot_xmax('"+first+"')"), "true")
		want("and has it now", mark("pg_visible_in_snapshot('"+oldXID+"', snapshot)"), "true")

		// Rolled back rows leave pages, but no mark.
		marks := mark("snapshot")
		d.admin.exec("BEGIN")
		d.admin.put(1, 1)
		d.admin.exec("ROLLBACK")
		want("rolled back rows", d.rotate(d.snapshot()), "rotated")
		want("their mark", mark("snapshot"), marks)

		d.admin.fails("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT rowcast.rotate(pg_current_snapshot())", "READ COMMITTED")
		d.admin.exec("ROLLBACK")
		d.admin.fails("SELECT rowcast.rotate(NULL)", "needs the snapshot")
	})
}

func TestRotate_by_size(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		rotate := func() string {
			return d.admin.text("SELECT rowcast.rotate(pg_current_snapshot())") + d.admin.text("SELECT coalesce(string_agg(DISTINCT ' ' || tableoid::regclass, ''), '') FROM rowcast.log")
		}
		d.rotate(d.snapshot())
		for _, k := range []int{0, 7, 5} { // in turn 1: slots 1, 0 and 6
			d.admin.put(k, 1000)
		}
		if got := rotate(); got != "empty rowcast.log_0 rowcast.log_1 rowcast.log_6" {
			t.Errorf("without a bound: %s", got)
		}
		d.admin.exec("SELECT rowcast.configure('30 days', 200000)")
		for _, want := range []string{"rotated rowcast.log_0 rowcast.log_1", "rotated rowcast.log_1", "rotated", "empty"} {
			if got := rotate(); got != want {
				t.Errorf("over the bound: %s, want %s", got, want)
			}
		}
	})
}

func TestRotate_forgets_ended_watches(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int); SELECT rowcast.watch('n')")
		d.app.exec("INSERT INTO n VALUES (1)")
		d.admin.exec("SELECT rowcast.unwatch('n')")
		count := func() string {
			d.admin.text("SELECT rowcast.rotate(pg_current_snapshot())")
			return d.admin.text("SELECT count(*)::text FROM rowcast.watch WHERE id > 0")
		}
		if count() != "1" {
			t.Error("forgotten at once")
		}
		d.admin.exec("UPDATE rowcast.watch SET ended = now() - interval '5 hours'")
		if count() != "1" {
			t.Error("forgotten while the log names it")
		}
		d.admin.exec("DELETE FROM rowcast.log")
		if count() != "0" {
			t.Error("not forgotten")
		}
	})
}

func TestConfigure(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int); SELECT rowcast.watch('n')")
		d.app.exec("INSERT INTO n VALUES (1)") // a session with its plans made
		d.doorbell("-now+3600000")             // an hour ago
		d.app.exec("INSERT INTO n VALUES (2)")
		d.admin.exec("SELECT rowcast.configure('8 minutes', 1000000)")
		d.app.exec("INSERT INTO n VALUES (3)")
		d.admin.exec("SELECT rowcast.configure('3 hours', NULL)")
		d.app.exec("INSERT INTO n VALUES (4)")
		d.logged(`I {"id":1}`, `I {"id":2}`, `I {"id":4}`)
		if got := d.admin.text("SELECT rowcast.retention_ms() || ' ' || coalesce(rowcast.log_bytes()::text, 'none')"); got != "10800000 none" {
			t.Errorf("configured: %s", got)
		}
		for _, args := range []string{"'1 minute'", "'60 days'", "NULL", "'2 hours', 0", "'2 hours', -1"} {
			d.admin.fails("SELECT rowcast.configure("+args+")", "rowcast.configure: ")
		}
	})
}

// The reader sees a TRUNCATE and its mark in one statement, or neither.
func TestRotate_is_seen_with_its_mark(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		put := func() {
			d.admin.exec("BEGIN; DELETE FROM rowcast.mark")
			d.admin.put(2, 1)
			d.admin.exec("COMMIT")
		}
		put()
		failed := make(chan error, 1)
		reader := d.session(t, "postgres")
		go func() {
			for ctx.Err() == nil {
				var log, marks int
				err := reader.QueryRow(ctx, "SELECT (SELECT count(*) FROM rowcast.log WHERE watch = 9), (SELECT count(*) FROM rowcast.mark)").Scan(&log, &marks)
				if err == nil && log == 0 && marks == 0 {
					err = errors.New("a truncated log without its mark")
				}
				if err != nil && ctx.Err() == nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
		for range 100 {
			d.admin.until("rotated", "SELECT rowcast.rotate(pg_current_snapshot())")
			put()
		}
		cancel()
		if err := <-failed; err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Error(err)
		}
	})
}
