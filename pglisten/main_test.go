package pglisten

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, prepare) }

// prepare installs the schema and a watched table.
func prepare(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE SCHEMA rowcast; CREATE TABLE rowcast.schema_version (id int)"); err != nil {
		return err
	}
	files, err := filepath.Glob("../migrations/sql/*.sql")
	if err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		up, _, _ := strings.Cut(string(b), "-- +goose Down")
		if _, err = conn.Exec(ctx, up); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, `
CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic_id bigint, content text);
CREATE TABLE counters (k int PRIMARY KEY, v bigint NOT NULL);
INSERT INTO counters SELECT k, 0 FROM generate_series(1, 40) k;
SELECT rowcast.watch('messages', 'topic_id');
SELECT rowcast.watch('counters')`)
	return err
}
