package pgtemp_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
)

func TestCluster_frozen_answers_nothing(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	conn := pgtest.Connect(t, c.URL("postgres"))
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT")
		answer <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := pgconn.Connect(ctx, c.URL("postgres")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a new connection: %v", err)
	}
	select {
	case err := <-answer:
		t.Fatalf("an answer: %v", err)
	default:
	}
	if err := c.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}

func TestCluster_frozen_is_killed_and_closed(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	freeze := func() {
		t.Helper()
		if err := c.Freeze(); err != nil {
			t.Fatal(err)
		}
	}
	freeze()
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	freeze()
	began := time.Now()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestCluster_limited_files_are_a_full_disk(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux limits another process")
	}
	for _, bin := range pgtest.Versions() {
		c := pgtest.Cluster(t, pgtemp.Options{BinDir: bin, Fast: true, WALSegment: 1})
		old := pgtest.Connect(t, c.URL("postgres")) // its process is older than the limit
		execute(t, c, "CREATE TABLE filled (content text)")
		if err := c.LimitFiles(t.Context(), 1<<20); err != nil {
			t.Fatal(err)
		}
		const fill = "INSERT INTO filled SELECT repeat('x', 1000) FROM generate_series(1, 2000)"
		for range 2 {
			var refusal *pgconn.PgError
			if _, err := old.Exec(t.Context(), fill); !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Message, "could not extend file") {
				t.Fatalf("a write of 2 MB: %v", err)
			}
			old = pgtest.Connect(t, c.URL("postgres"))
		}
		if err := c.LimitFiles(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := old.Exec(t.Context(), fill); err != nil {
			t.Errorf("without the limit: %v", err)
		}
	}
}
