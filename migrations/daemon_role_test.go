package migrations_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rowcast/migrations"
)

// daemonRole runs deploy/daemon-role.sql as a DBA would, after edit has gone
// over it. Only the first server is sure to have psql, which works with all.
func (d *database) daemonRole(t *testing.T, role string, edit func(string) string) (said string, err error) {
	t.Helper()
	script, err := os.ReadFile("../deploy/daemon-role.sql")
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(d.url())
	if err != nil {
		t.Fatal(err)
	}
	target.User = url.User(d.dba())
	psql := exec.CommandContext(t.Context(), filepath.Join(servers[0].cluster.Bin(), "psql"),
		"-X", "-q", "-At", "-d", target.String(), "-v", "role="+role, "-v", `password=it's "secret"`)
	psql.Stdin = strings.NewReader(edit(string(script)))
	out, err := psql.CombinedOutput()
	return string(out), err
}

// dba is who owns the database and may make roles, and is no superuser.
func (d *database) dba() (role string) {
	d.admin.t.Helper()
	role = "dba_" + d.name
	if d.admin.text("SELECT to_regrole($1)::text", role) == "" {
		d.admin.exec("CREATE ROLE " + role + " LOGIN CREATEROLE IN ROLE rowcast_owner; ALTER DATABASE " + d.name + " OWNER TO " + role)
	}
	return role
}

func asItStands(script string) string { return script }

// withFunctions takes the lines about the application's functions into use.
func withFunctions(script string) string {
	return regexp.MustCompile(`(?m)^-- GRANT`).ReplaceAllString(script, "GRANT")
}

// What a daemon says to its database.
var daemonSays = []string{
	"LISTEN rowcast", "SELECT data FROM rowcast.log WHERE xid >= '3'::xid8", "SELECT data FROM rowcast.log_7", "SELECT * FROM rowcast.watches", "SELECT * FROM rowcast.watch", "SELECT * FROM rowcast.mark", "SELECT * FROM rowcast.epoch",
	"SELECT rowcast.retention_ms(), rowcast.log_bytes(), rowcast.current_identity(), rowcast.turn()", "SELECT pg_current_xact_id(), pg_notification_queue_usage()",
	"SELECT setval('rowcast.doorbell', (extract(epoch FROM clock_timestamp()) * 1000)::bigint), pg_notify('rowcast', 'relay')", "SELECT pg_sequence_last_value('rowcast.doorbell')", "SELECT last_value FROM rowcast.doorbell",
	"SELECT * FROM rowcast.new_epoch()", "SELECT rowcast.rotate(pg_current_snapshot())", "SELECT rowcast.sing('me', 1)",
}

// What it must not be able to.
var daemonMustNot = []string{
	"SELECT * FROM message", "INSERT INTO message VALUES (1)", "CREATE TRIGGER t AFTER INSERT ON message EXECUTE FUNCTION rowcast.capture_row()",
	"INSERT INTO rowcast.log (xid, watch, op, at) VALUES ('3', 0, 'E', now())", "DELETE FROM rowcast.log", "DELETE FROM rowcast.log_0", "TRUNCATE rowcast.log_0", "UPDATE rowcast.epoch SET epoch = 'aaaa'", "DELETE FROM rowcast.mark", "DELETE FROM rowcast.watch", "DELETE FROM rowcast.canary",
	"SELECT rowcast.emit('a', '{}', '{t}')", "SELECT rowcast.revoke('olena', '*')", "SELECT rowcast.bulk('message')", "SELECT rowcast.configure('1 day')", "SELECT rowcast.grant_emit('app')",
	"SELECT rowcast.watch('message')", "SELECT rowcast.unwatch('message')", "SELECT rowcast.watch_access('message', 'id', '{t}')", "SELECT rowcast.unwatch_access('message')",
	"SELECT nextval('rowcast.log_id_seq')", "SELECT setval('rowcast.log_id_seq', 1)", "CREATE TABLE rowcast.mine (id int)", "CREATE SCHEMA mine", "CREATE ROLE mine", "COPY (SELECT 1) TO PROGRAM 'true'",
}

func TestDaemonRole(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		role := `the "daemon" of ` + d.name
		d.admin.exec("CREATE TABLE message (id int PRIMARY KEY); SELECT rowcast.watch('message')")
		for range 2 {
			said, err := d.daemonRole(t, role, asItStands)
			if err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			// Until 14 everybody may create in public.
			if open := d.server.cluster.Version() < 15; strings.Contains(said, "create in schema public") != open || strings.Contains(said, "message") {
				t.Errorf("the script says that the role can\n%s", said)
			}
		}
		if got := d.admin.text("SELECT format('%s %s %s', rolcanlogin, rolinherit, (SELECT left(rolpassword, 13) FROM pg_authid a WHERE a.oid = r.oid)) FROM pg_roles r WHERE rolname = $1", role); got != "t f SCRAM-SHA-256" {
			t.Errorf("login, inherit and password: %s", got)
		}

		daemon := d.session(t, role)
		if err := migrations.Check(t.Context(), daemon); err != nil {
			t.Error(err)
		}
		for _, sql := range daemonSays {
			daemon.exec(sql)
		}
		for _, sql := range daemonMustNot {
			daemon.refused(sql)
		}
		if d.server.cluster.Version() >= 15 {
			daemon.refused("CREATE TABLE public.mine (id int)")
		}
		d.app.exec("INSERT INTO message VALUES (1)")
		if got := daemon.text("SELECT data::text FROM rowcast.log ORDER BY id DESC LIMIT 1"); got != `{"id":1}` {
			t.Errorf("the daemon reads %s", got)
		}
	})
}

// The lines that are comments, with names as they stand there.
func TestDaemonRole_asks_the_application_s_functions(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		role, web := "asks_"+d.name, "web_"+d.name // roles are the cluster's
		dba := d.session(t, d.dba())
		dba.exec(`CREATE SCHEMA app; CREATE TABLE app.member (who text, topic text); INSERT INTO app.member VALUES ('olena', 'topic_7');
			CREATE FUNCTION app.session(token text) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT jsonb_build_object('sub', token) $$;
			CREATE FUNCTION app.may_join(topic text, claims jsonb) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT EXISTS (SELECT FROM app.member m WHERE m.who = claims->>'sub' AND m.topic = may_join.topic) $$;
			REVOKE ALL ON ALL FUNCTIONS IN SCHEMA app FROM PUBLIC;
			CREATE ROLE ` + web + `; GRANT USAGE ON SCHEMA app TO ` + web + `; GRANT SELECT ON app.member TO ` + web + `; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA app TO ` + web)
		said, err := d.daemonRole(t, role, asItStands)
		if err != nil || strings.Contains(said, "app.") {
			t.Fatalf("%v\n%s", err, said)
		}
		const authorize = "SELECT app.may_join('topic_7', '{\"sub\": \"olena\"}')::text"
		daemon := d.session(t, role)
		daemon.refused("SELECT app.session('olena')")
		daemon.refused(authorize)

		said, err = d.daemonRole(t, role, func(script string) string {
			return strings.Replace(withFunctions(script), "GRANT web TO", "GRANT "+web+" TO", 1)
		})
		if err != nil || !strings.Contains(said, "call app.session(text), which runs as "+d.dba()) || !strings.Contains(said, "become "+web) {
			t.Errorf("%v\n%s", err, said)
		}
		if got := daemon.text("SELECT app.session('olena')->>'sub'"); got != "olena" {
			t.Errorf("session: %s", got)
		}
		daemon.refused(authorize)
		daemon.refused("SELECT * FROM app.member")
		daemon.exec("BEGIN READ ONLY; SET LOCAL ROLE " + web)
		if got := daemon.text(authorize); got != "true" {
			t.Errorf("may_join: %s", got)
		}
		daemon.exec("COMMIT")
	})
}

// A role that was there before may have been granted what no daemon needs.
func TestDaemonRole_says_what_else_it_can(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		role := "other_" + d.name
		d.session(t, d.dba()).exec("CREATE ROLE " + role)
		d.admin.exec("CREATE TABLE part (a int, b int); CREATE TABLE gone (a int); SELECT rowcast.grant_emit('" + role + "'), rowcast.grant_revoke('" + role + "')")
		d.admin.exec("GRANT SELECT (b) ON part TO " + role + "; GRANT TRUNCATE ON gone TO " + role + "; GRANT pg_monitor TO " + role)
		said, err := d.daemonRole(t, role, asItStands)
		if err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		for _, want := range []string{"read or write part", "read or write gone", "call rowcast.emit(text,jsonb,text[])", "call rowcast.revoke(text,text)", "become pg_monitor"} {
			if !strings.Contains(said, want) {
				t.Errorf("%q is not in\n%s", want, said)
			}
		}
	})
}

func TestDaemonRole_refuses_who_can_do_more(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		refuses := func(role string) {
			t.Helper()
			if said, err := d.daemonRole(t, role, asItStands); err == nil || !strings.Contains(said, "must not have") {
				t.Errorf("%s: %v\n%s", role, err, said)
			}
			if got := d.admin.text("SELECT rolcanlogin::text FROM pg_roles WHERE rolname = $1", role); got != "false" {
				t.Errorf("%s: it may log in now", role)
			}
		}
		refuses("rowcast_owner")
		for _, right := range []string{"SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"} {
			role := strings.ToLower(right) + "_" + d.name
			d.admin.exec("CREATE ROLE " + role + " " + right)
			refuses(role)
		}
	})
}
