package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Daemon is the URL of a database with the schema rowcast, for the role that a
// daemon logs in as: made by deploy/daemon-role.sql, as it stands. Whatever runs
// with it runs with no more than that. For a Database the role is there already.
func Daemon(t testing.TB, database string) string {
	t.Helper()
	if role, clone := shared.daemonOf(database); clone {
		if role == "" {
			t.Fatal("the template has no schema rowcast, so there is no role for a daemon")
		}
		return As(t, database, role)
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatalf("parse %q: %v", database, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	role := "daemon_of" + strings.ReplaceAll(u.Path, "/", "_")
	t.Cleanup(func() { dropRole(t, database, role) })
	if err := makeDaemon(ctx, database, role); err != nil {
		t.Fatal(err)
	}
	return As(t, database, role)
}

// makeDaemon runs the script.
func makeDaemon(ctx context.Context, database, role string) error {
	script, err := daemonScript()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, psql(), "-X", "-q", "-d", database, "-v", "role="+role, "-v", "password="+role, "-f", script)
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("run %s: %w\n%s", script, err, &said)
	}
	return nil
}

// daemonScript finds the script from wherever in the module the tests run.
func daemonScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "deploy", "daemon-role.sql"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find deploy/daemon-role.sql: not in the module")
		}
		dir = filepath.Dir(dir)
	}
}

// psql is the one beside the server's binaries, which not all distributions put
// there, else that of PATH.
func psql() string {
	if beside := filepath.Join(Versions()[0], "psql"); strings.ContainsRune(beside, filepath.Separator) {
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return "psql"
}
