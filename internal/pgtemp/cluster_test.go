package pgtemp_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, nil) }

func TestCluster(t *testing.T) {
	t.Parallel()
	for _, bin := range pgtest.Versions() {
		t.Run(filepath.Base(filepath.Dir(bin)), func(t *testing.T) {
			t.Parallel()
			c := pgtest.Cluster(t, pgtemp.Options{BinDir: bin, Fast: true, Settings: map[string]string{
				"application_name":   `it's a \ name`,
				"synchronous_commit": "on",
			}})
			var version int
			var encoding, address, fsync, name string
			err := pgtest.Connect(t, c.URL("postgres")).QueryRow(t.Context(), `
				SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding'),
				       current_setting('listen_addresses'), current_setting('fsync'), current_setting('application_name')`).
				Scan(&version, &encoding, &address, &fsync, &name)
			if err != nil {
				t.Fatal(err)
			}
			if version != c.Version() || encoding != "UTF8" || address != "127.0.0.1" || fsync != "off" || name != `it's a \ name` {
				t.Errorf("got version %d (Version says %d), encoding %s, address %s, fsync %s, name %s",
					version, c.Version(), encoding, address, fsync, name)
			}
			execute(t, c, "CREATE TABLE kept ()")
			if err := c.Kill(); err != nil {
				t.Fatal(err)
			}
			start(t, c)
			execute(t, c, "SELECT FROM kept")
		})
	}
}

func TestCluster_stops_and_starts_again(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, pgtemp.Options{Fast: true, Settings: map[string]string{"synchronous_commit": "on"}})
	url := c.URL("postgres")
	execute(t, c, "CREATE TABLE kept ()")
	for name, mode := range map[string]pgtemp.StopMode{"smart": pgtemp.Smart, "fast": pgtemp.Fast, "immediate": pgtemp.Immediate} {
		if err := c.Stop(t.Context(), mode); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.Stop(t.Context(), mode); err != nil {
			t.Fatalf("%s, once more: %v", name, err)
		}
		start(t, c)
		execute(t, c, "SELECT FROM kept")
	}
	if c.URL("postgres") != url {
		t.Errorf("the URL is now %s, was %s", c.URL("postgres"), url)
	}
	if err := c.Start(t.Context()); err == nil {
		t.Error("a running cluster was started")
	}
}

func TestCluster_smart_stop_waits_for_clients(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	conn := pgtest.Connect(t, c.URL("postgres"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Stop(ctx, pgtemp.Smart); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("with a client connected: %v", err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context(), pgtemp.Smart); err != nil {
		t.Fatal(err)
	}
}

func TestCluster_kill_ends_every_session(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	conn := pgtest.Connect(t, c.URL("postgres"))
	busy := make(chan error)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT pg_sleep(60)")
		busy <- err
	}()
	await(t, c, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-busy; err == nil {
		t.Error("a session survived the kill")
	}
	start(t, c)
}

func TestCluster_close_removes_everything(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	dir := c.Dir()
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder %s: %v", dir, err)
	}
}

func TestCluster_keep_takes_up_an_earlier_one(t *testing.T) {
	t.Parallel()
	o := pgtemp.Options{Dir: filepath.Join(openDir(t), "cluster"), Keep: true, Fast: true}
	c := pgtest.Cluster(t, o)
	execute(t, c, "CREATE TABLE kept ()")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	again := pgtest.Cluster(t, o)
	execute(t, again, "SELECT FROM kept")
}

func TestCluster_second_server_on_its_folder_is_refused(t *testing.T) {
	t.Parallel()
	o := pgtemp.Options{Dir: filepath.Join(openDir(t), "cluster"), Fast: true, BinDir: pgtest.Versions()[0]}
	c := pgtest.Cluster(t, o)
	if _, err := pgtemp.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "postmaster.pid") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir(), "data", "postmaster.pid")); err != nil {
		t.Errorf("the first server's lock file: %v", err)
	}
	execute(t, c, "SELECT")
}

func TestCluster_close_leaves_what_is_not_its_own(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	note := filepath.Join(dir, "note")
	if err := os.WriteFile(note, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := pgtest.Cluster(t, pgtemp.Options{Dir: dir, Fast: true})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left are %v, %v", entries, err)
	}
}

func TestCluster_failed_start_says_why_and_leaves_nothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "cluster")
	_, err := pgtemp.Start(t.Context(), pgtemp.Options{BinDir: pgtest.Versions()[0], Dir: dir, Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
}

func TestCluster_says_which_folder_its_account_cannot_pass(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root runs the server as somebody else")
	}
	closed := filepath.Join(openDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := pgtemp.Start(t.Context(), pgtemp.Options{BinDir: pgtest.Versions()[0], Dir: filepath.Join(closed, "cluster")})
	if err == nil || !strings.Contains(err.Error(), " may not pass "+closed+": ") {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(closed); err != nil || len(entries) != 0 {
		t.Errorf("left are %v, %v", entries, err)
	}
}

func TestCluster_cancelled_start_leaves_nothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openDir(t), "cluster")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pgtemp.Start(ctx, pgtemp.Options{BinDir: pgtest.Versions()[0], Dir: dir})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
}

func TestStandby_follows_and_is_promoted(t *testing.T) {
	t.Parallel()
	primary := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	standby, err := primary.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	})
	execute(t, primary, "CREATE TABLE followed ()")
	await(t, standby, "SELECT pg_is_in_recovery() AND to_regclass('followed') IS NOT NULL")
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, standby, "CREATE TABLE own ()")
}

func start(t *testing.T, c *pgtemp.Cluster) {
	t.Helper()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// execute runs one statement on a connection of its own.
func execute(t *testing.T, c *pgtemp.Cluster, sql string) {
	t.Helper()
	conn := pgtest.Connect(t, c.URL("postgres"))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// await asks until the answer is true.
func await(t *testing.T, c *pgtemp.Cluster, question string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn := pgtest.Connect(t, c.URL("postgres"))
	ask := time.NewTicker(10 * time.Millisecond)
	defer ask.Stop()
	for answer := false; !answer; <-ask.C {
		if err := conn.QueryRow(ctx, question).Scan(&answer); err != nil {
			t.Fatalf("%s: %v", question, err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// openDir is a temporary folder that the server's account may pass, which that
// of t.TempDir may be not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rowcast-pg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
