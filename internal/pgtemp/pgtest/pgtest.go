package pgtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp"
)

const (
	startTimeout = 2 * time.Minute
	closeTimeout = 30 * time.Second
)

// Database returns the URL of a fresh database, a clone of the template. It is
// dropped when the test ends, whoever is still connected.
func Database(t testing.TB) (url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	name, err := shared.clone(ctx)
	if err != nil {
		t.Fatalf("make a test database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := shared.drop(ctx, name); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return shared.url(name)
}

// Connect returns a connection that is closed when the test ends.
func Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = conn.Close(ctx) // the server may be down by now
	})
	return conn
}

// Cluster starts a cluster for one test, which may stop and kill it. Without a
// BinDir it takes the first of Versions.
func Cluster(t testing.TB, o pgtemp.Options) *pgtemp.Cluster {
	t.Helper()
	if o.BinDir == "" {
		o.BinDir = Versions()[0]
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	c, err := pgtemp.Start(ctx, o)
	if err != nil {
		t.Fatalf("start a cluster: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	return c
}

// Versions returns the folders of server binaries to try the SQL on, at least
// one. Where there is none, that one is "", with which Cluster fails.
func Versions() []string {
	if bins := filepath.SplitList(os.Getenv("ROWCAST_TEST_PG")); len(bins) > 0 {
		return bins
	}
	bin, err := pgtemp.Find("")
	if err != nil {
		return []string{""}
	}
	return []string{bin}
}
