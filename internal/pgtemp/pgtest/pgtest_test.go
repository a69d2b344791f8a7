package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, prepare) }

func prepare(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "CREATE TABLE note (text text)"); err != nil {
		return err
	}
	return conn.Close(ctx)
}

func TestDatabase_is_an_own_clone_of_the_template(t *testing.T) {
	t.Parallel()
	for range 3 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			conn := pgtest.Connect(t, pgtest.Database(t))
			var notes int
			err := conn.QueryRow(t.Context(), "WITH new AS (INSERT INTO note VALUES ('mine') RETURNING 1) SELECT count(*) FROM note").Scan(&notes)
			if err != nil {
				t.Fatal(err)
			}
			if notes != 0 {
				t.Errorf("%d notes of someone else", notes)
			}
		})
	}
}

func TestDatabase_is_dropped_after_the_test(t *testing.T) {
	t.Parallel()
	here := pgtest.Connect(t, pgtest.Database(t))
	var gone string
	t.Run("", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), pgtest.Database(t)) // left open: the drop must not mind
		if err != nil {
			t.Fatal(err)
		}
		gone = conn.Config().Database
	})
	var exists bool
	if err := here.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", gone).Scan(&exists); err != nil {
		t.Fatal(err)
	}
	if exists {
		t.Errorf("%s still exists", gone)
	}
}
