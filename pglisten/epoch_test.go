package pglisten

import (
	"context"
	"errors"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/internal/snapshot"
)

// What a server of one's own can do to a source.
func TestSource_server(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, pgtemp.Options{})
	if err := prepare(t.Context(), c.URL("postgres")); err != nil {
		t.Fatal(err)
	}
	t.Run("restart_keeps_the_epoch", func(t *testing.T) { restart(t, c) })
	t.Run("standby_is_refused", func(t *testing.T) { refuseStandby(t, c) })
	t.Run("crash_begins_an_epoch", func(t *testing.T) { crash(t, c) })
}

func restart(t *testing.T, c *pgtemp.Cluster) {
	t.Helper()
	s, sink := run(t, Options{URL: c.URL("postgres"), Channels: []string{"app"}})
	execute(t, pgtest.Connect(t, c.URL("postgres")), insertMessage)
	if err := c.Stop(t.Context(), pgtemp.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the disconnect", func() bool { return !s.Stats().Connected })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, pgtest.Connect(t, c.URL("postgres")), insertMessage)
	sink.until(t, "both changes", func() bool { return len(sink.changes()) == 2 })
	if len(sink.resets) != 1 {
		t.Errorf("%d resets", len(sink.resets))
	}
	if len(sink.losses) != 1 || sink.losses[0].Channel != "app" {
		t.Errorf("losses: %+v", sink.losses)
	}
	execute(t, pgtest.Connect(t, c.URL("postgres")), "SELECT pg_notify('app', 'payload')")
	sink.until(t, "the notification", func() bool { return len(sink.notices) == 1 })
	if got, want := sink.notices[0], (Notification{"app", "payload"}); got != want {
		t.Errorf("%+v", got)
	}
}

func crash(t *testing.T, c *pgtemp.Cluster) {
	t.Helper()
	s, sink := run(t, Options{URL: c.URL("postgres")})
	first := sink.resets[0]
	conn := pgtest.Connect(t, c.URL("postgres"))
	execute(t, conn, "SET synchronous_commit = on")
	execute(t, conn, "SELECT rowcast.revoke('maks', 'topic_7')")
	sink.until(t, "the revocation", func() bool { return len(sink.changes()) == 1 })
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the disconnect", func() bool { return !s.Stats().Connected })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	sink.until(t, "a second Reset", func() bool { return len(sink.resets) == 2 })
	second := sink.resets[1]
	if first.Restart || !second.Restart || second.Epoch == first.Epoch {
		t.Errorf("first %+v, second %+v", first, second)
	}
	// Of what was before, only what was revoked.
	if h := second.History; len(h) != 1 || h[0].Op != Revoke || h[0].Type != "maks" {
		t.Errorf("history %+v", h)
	}
	execute(t, pgtest.Connect(t, c.URL("postgres")), insertMessage)
	sink.until(t, "a change", func() bool { return len(sink.changes()) == 1 })
}

func refuseStandby(t *testing.T, c *pgtemp.Cluster) {
	t.Helper()
	standby, err := c.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := refused(t, New(Options{URL: standby.URL("postgres")})); !errors.Is(err, ErrStandby) {
		t.Errorf("standby alone: %v", err)
	}
	// Of several hosts the primary is taken.
	u, err := url.Parse(pgtest.Daemon(t, c.URL("postgres")))
	if err != nil {
		t.Fatal(err)
	}
	other, err := url.Parse(standby.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = other.Host + "," + u.Host
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		t.Fatal(err)
	}
	_, sink := run(t, Options{Config: config})
	execute(t, pgtest.Connect(t, c.URL("postgres")), insertMessage)
	sink.until(t, "a change", func() bool { return len(sink.changes()) == 1 })
}

// filled returns a database whose log holds a change, and the epoch it had.
func filled(t *testing.T) (url, epoch string) {
	t.Helper()
	url = pgtest.Database(t)
	s, sink := New(Options{URL: pgtest.Daemon(t, url)}), newRecord()
	stop := start(t, s, sink)
	sink.until(t, "first Reset", func() bool { return len(sink.resets) == 1 })
	conn := pgtest.Connect(t, url)
	execute(t, conn, insertMessage)
	sink.until(t, "a change", func() bool { return len(sink.changes()) == 1 })
	stop()
	hangUp(t.Context(), conn)
	return url, sink.resets[0].Epoch
}

// checkForeign checks that a copied log gives nothing of what it holds, but
// still knows its tables.
func checkForeign(t *testing.T, url, epoch string) {
	t.Helper()
	s, sink := run(t, Options{URL: url})
	if r := sink.resets[0]; r.Epoch == epoch || len(r.History) != 0 {
		t.Errorf("reset %+v, the original's epoch was %s", r, epoch)
	}
	execute(t, pgtest.Connect(t, url), "INSERT INTO messages (topic_id, content) VALUES (7, 'own')")
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := sink.all()
	if len(got) != 1 || !strings.Contains(string(got[0].New), "own") || got[0].Watch.Table != "messages" {
		t.Errorf("changes %+v", got)
	}
}

func TestSource_copied_database(t *testing.T) {
	t.Parallel()
	source, epoch := filled(t)
	target := sibling(t, source, "copied", "TEMPLATE "+databaseOf(t, source))
	checkForeign(t, target, epoch)
}

func TestSource_restored_dump(t *testing.T) {
	t.Parallel()
	source, epoch := filled(t)
	target := sibling(t, source, "restored", "TEMPLATE template0")
	bin, err := pgtemp.Find("")
	if err != nil {
		t.Fatal(err)
	}
	dump := filepath.Join(t.TempDir(), "dump.sql")
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(t.Context(), filepath.Join(bin, "pg_dump"), "--file", dump, source),
		exec.CommandContext(t.Context(), filepath.Join(bin, "psql"), "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", dump, target),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	checkForeign(t, target, epoch)
}

func databaseOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// sibling creates another database on the server of address.
func sibling(t *testing.T, address, suffix, how string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name := databaseOf(t, address) + "_" + suffix
	u.Path = "/postgres"
	admin := pgtest.Connect(t, u.String())
	execute(t, admin, "CREATE DATABASE "+name+" "+how)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patient10s)
		defer cancel()
		if _, err := admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

// Nobody looked for longer than the log is kept: writers stopped logging, and
// one that began then may go on so. Nothing before it ends can be resumed.
func TestSource_abandoned(t *testing.T) {
	t.Parallel()
	address, epoch := filled(t)
	conn, old := pgtest.Connect(t, address), pgtest.Connect(t, address)
	execute(t, conn, "SELECT setval('rowcast.doorbell', last_value - 3 * rowcast.retention_ms()) FROM rowcast.doorbell")
	execute(t, conn, insertMessage)
	if n := ask[int](t, conn, "SELECT count(*) FROM rowcast.log"); n != 1 {
		t.Fatalf("%d log rows: the writer did not find the log abandoned", n)
	}
	tx := begin(t, old)
	execute(t, tx, insertMessage) // not logged

	killed := newRecord()
	stop := start(t, New(Options{URL: pgtest.Daemon(t, address)}), killed) // dies before that transaction ends
	eventually(t, "the new epoch", func() bool { return ask[string](t, conn, "SELECT epoch FROM rowcast.epoch") != epoch })
	stop()
	sink := newRecord()
	start(t, New(Options{URL: pgtest.Daemon(t, address)}), sink)
	if sink.within(300*time.Millisecond, func() bool { return len(sink.resets) > 0 }) {
		t.Error("began while a transaction was open that logs nothing")
	}
	commit(t, tx)
	sink.until(t, "first Reset", func() bool { return len(sink.resets) == 1 })
	if len(killed.resets) != 0 || sink.resets[0].Epoch == epoch {
		t.Errorf("resets %+v, %+v", killed.resets, sink.resets)
	}
}

// A connection that breaks while the new epoch is being made: whoever comes next
// must not take the old one for whole.
func TestSource_abandoned_and_broken(t *testing.T) {
	t.Parallel()
	address, epoch := filled(t)
	conn := pgtest.Connect(t, address)
	execute(t, conn, "SELECT setval('rowcast.doorbell', last_value - 3 * rowcast.retention_ms()) FROM rowcast.doorbell")
	execute(t, conn, insertMessage) // not logged
	execute(t, conn, "SELECT pg_advisory_lock(hashtext('rowcast'), 1)")
	sink := newRecord()
	stop := start(t, New(Options{URL: pgtest.Daemon(t, address)}), sink)
	eventually(t, "the source to wait for the lock", func() bool {
		return ask[bool](t, conn, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))")
	})
	stop()
	execute(t, conn, "SELECT pg_advisory_unlock(hashtext('rowcast'), 1)")
	_, sink = run(t, Options{URL: address})
	if r := sink.resets[0]; r.Epoch == epoch {
		t.Errorf("went on in epoch %s", epoch)
	}
}

// Two instances find that nobody reads the log. The second of them comes to it
// when the first has handed out cursors already, which it must be able to answer.
func TestSource_new_epoch_of_two(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	conn, first, second := pgtest.Connect(t, address), pgtest.Connect(t, address), pgtest.Connect(t, address)
	before, err := snapshot.Parse(ask[string](t, conn, "SELECT pg_current_snapshot()::text"))
	if err != nil {
		t.Fatal(err)
	}
	execute(t, conn, "SELECT pg_current_xact_id()")
	waiting := func(n int) func() bool {
		return func() bool {
			return n == ask[int](t, conn, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
		}
	}
	const lock = "SELECT pg_advisory_lock(hashtext('rowcast'), 1)"
	execute(t, first, lock)
	var sinks [2]*record
	sinks[0] = newRecord()
	runInto(t, Options{URL: address}, sinks[0])
	eventually(t, "the first source to wait", waiting(1))
	locked := make(chan error, 1)
	go func() {
		_, err := second.Exec(t.Context(), lock)
		locked <- err
	}()
	eventually(t, "the lock between them to be waited for", waiting(2))
	sinks[1] = newRecord()
	runInto(t, Options{URL: address}, sinks[1])
	eventually(t, "the second source to wait", waiting(3))

	execute(t, first, "SELECT pg_advisory_unlock(hashtext('rowcast'), 1)")
	sinks[0].until(t, "the first Reset", func() bool { return len(sinks[0].resets) == 1 })
	execute(t, conn, insertMessage)
	sinks[0].until(t, "a change", func() bool { return len(sinks[0].changes()) == 1 })
	if err := <-locked; err != nil {
		t.Fatal(err)
	}
	execute(t, second, "SELECT pg_advisory_unlock(hashtext('rowcast'), 1)")
	sinks[1].until(t, "the second Reset", func() bool { return len(sinks[1].resets) == 1 })
	a, b := sinks[0].resets[0], sinks[1].resets[0]
	if b.Epoch != a.Epoch || !b.Floor.Within(a.Snapshot) || len(b.History) != 1 {
		t.Errorf("the first began with %+v, the second with %+v", a, b)
	}
	if a.Floor.Within(before) || b.Floor.Within(before) {
		t.Errorf("a cursor of before the epoch is answered: floors %v and %v", a.Floor, b.Floor)
	}
}

// A doorbell that writers may find too old before it is set again is too old.
func TestSource_abandoned_any_moment(t *testing.T) {
	t.Parallel()
	address, epoch := filled(t)
	execute(t, pgtest.Connect(t, address), "SELECT setval('rowcast.doorbell', (extract(epoch FROM clock_timestamp()) * 1000)::bigint - rowcast.retention_ms() + 30000)")
	_, sink := run(t, Options{URL: address})
	if r := sink.resets[0]; r.Epoch == epoch {
		t.Errorf("went on in epoch %s", epoch)
	}
}

// Another instance found the log abandoned and began anew, unnoticed by this one.
func TestSource_follows_to_another_epoch(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	conn := pgtest.Connect(t, address)
	s, sink := New(Options{URL: pgtest.Daemon(t, address), PollInterval: noBackstop}), newRecord()
	s.tempo.inspect = 50 * time.Millisecond
	start(t, s, sink)
	sink.until(t, "first Reset", func() bool { return len(sink.resets) == 1 })
	epoch := ask[string](t, conn, "SELECT epoch FROM rowcast.new_epoch((SELECT epoch FROM rowcast.epoch))")
	sink.until(t, "a second Reset", func() bool { return len(sink.resets) == 2 })
	if r := sink.resets[1]; r.Epoch != epoch || !r.Restart {
		t.Errorf("%+v", r)
	}
	execute(t, conn, insertMessage)
	sink.until(t, "a change", func() bool { return len(sink.changes()) == 1 })
	if n := s.Stats().Resets; n != 2 {
		t.Errorf("%d resets", n)
	}
}

// Nobody looked, while a source is connected: its process stood still, or the server's
// clock leapt.
func TestSource_abandoned_while_connected(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	conn := pgtest.Connect(t, address)
	s, sink := run(t, Options{URL: address, PollInterval: noBackstop})
	state(t, s, "asleep")
	execute(t, conn, "SELECT setval('rowcast.doorbell', last_value - 3 * rowcast.retention_ms()) FROM rowcast.doorbell")
	tx := begin(t, pgtest.Connect(t, address))
	execute(t, tx, insertMessage) // not logged
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The connection breaks while the new epoch waits for that transaction.
	eventually(t, "the new epoch", func() bool { return ask[string](t, conn, "SELECT epoch FROM rowcast.epoch") != sink.resets[0].Epoch })
	connects := s.Stats().Connects
	execute(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rowcast'")
	eventually(t, "the next connection", func() bool { return s.Stats().Connects > connects })
	commit(t, tx)
	sink.until(t, "a second Reset", func() bool { return len(sink.resets) == 2 })
	if first, second := sink.resets[0], sink.resets[1]; second.Epoch == first.Epoch || !second.Restart {
		t.Errorf("%+v", second)
	}
	execute(t, conn, insertMessage)
	sink.until(t, "a change", func() bool { return len(sink.changes()) == 1 })
}
