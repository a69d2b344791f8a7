package pgtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Role makes a role that may log in, and nothing else, and returns its name,
// which is its password, for a server that asks. It is dropped when the test
// ends, with all it was given in this database.
func Role(t testing.TB, database string) (name string) {
	t.Helper()
	name = roleName()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(t.Context()) }() // nothing is lost with it
	t.Cleanup(func() { dropRole(t, database, name) })
	if _, err := conn.Exec(t.Context(), "CREATE ROLE "+name+" LOGIN PASSWORD '"+name+"'"); err != nil {
		t.Fatalf("make the role %s: %v", name, err)
	}
	return name
}

// As is the database's URL for a role that Role or Daemon made.
func As(t testing.TB, database, role string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatalf("parse %q: %v", database, err)
	}
	u.User = url.UserPassword(role, role)
	return u.String()
}

// roleName is a name that no other test binary takes on a server they share.
func roleName() string { return "rowcast_test_" + strings.ToLower(rand.Text()[:8]) }

// dropRole takes the role away, unless it is gone, or a server with it.
func dropRole(t testing.TB, database, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regrole($1) IS NOT NULL", name).Scan(&there); err == nil && !there {
		return
	}
	if _, err := conn.Exec(ctx, "DROP OWNED BY "+name+"; DROP ROLE "+name); err != nil {
		t.Errorf("drop the role %s: %v", name, err)
	}
}
