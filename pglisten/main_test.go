package pglisten

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m, prepare) }

// prepare installs the schema and a watched table.
func prepare(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	if err := migrations.Up(ctx, url, migrations.Options{}); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `
CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic_id bigint, content text);
CREATE TABLE counters (k int PRIMARY KEY, v bigint NOT NULL);
INSERT INTO counters SELECT k, 0 FROM generate_series(1, 40) k;
SELECT rowcast.watch('messages', 'topic_id');
SELECT rowcast.watch('counters')`)
	return err
}
