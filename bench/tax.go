package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// triggers make the same table with four kinds of trigger. The names of the tables
// say which.
const triggers = `
CREATE TABLE none (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic_id int NOT NULL, author text NOT NULL, content text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE notify   (LIKE none INCLUDING ALL);
CREATE TABLE log_only (LIKE none INCLUDING ALL);
CREATE TABLE rowcast  (LIKE none INCLUDING ALL);

CREATE FUNCTION notify_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('bench_tax', row_to_json(NEW)::text);
  RETURN NULL;
END $$;
CREATE TRIGGER notify AFTER INSERT ON notify FOR EACH ROW EXECUTE FUNCTION notify_row();

CREATE TABLE plain_log (id bigint GENERATED ALWAYS AS IDENTITY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), op "char" NOT NULL, data json);
CREATE INDEX ON plain_log (xid);
CREATE FUNCTION log_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO plain_log (op, data) VALUES ('I', row_to_json(NEW));
  RETURN NULL;
END $$;
CREATE TRIGGER log_only AFTER INSERT ON log_only FOR EACH ROW EXECUTE FUNCTION log_row();

SELECT rowcast.watch('rowcast', 'topic_id');`

const insertScript = `\set topic random(1, 100)
INSERT INTO %s (topic_id, author, content) VALUES (:topic, 'Olena', 'a message of an ordinary length, which is about this long');
`

// tax prints what a write costs.
func (b *bench) tax(ctx context.Context, w io.Writer) error {
	slowFlush := map[string]string{"commit_delay": "1000", "commit_siblings": "0", "max_wal_size": "4GB"}
	return b.on(ctx, w, slowFlush, triggers, b.throughput)
}

// throughput prints that of writers under each trigger as a ratio to the table
// without one.
func (b *bench) throughput(ctx context.Context, w io.Writer, cluster *cluster, conn *pgx.Conn) error {
	if _, err := cluster.listen(ctx, "bench_tax"); err != nil {
		return err
	}

	names := []string{"none", "notify", "log_only", "rowcast"}
	t := table{title: "Write tax: transactions of one INSERT, throughput / without a trigger (1.00 = free)"}
	t.add("writers", "no trigger", "pg_notify(json) trigger", "log without NOTIFY", "rowcast", "rowcast / log without NOTIFY")
	for _, writers := range []int{1, 8, 32} {
		tps := make([][]float64, len(names))
		for range b.o.Rounds {
			for i, name := range names {
				b.progress("tax: %d writers, %s", writers, name)
				v, err := cluster.pgbench(ctx, writers, b.o.Time, fmt.Sprintf(insertScript, name))
				if err != nil {
					return err
				}
				tps[i] = append(tps[i], v)
			}
		}
		base := median(tps[0])
		row := []string{strconv.Itoa(writers), fmt.Sprintf("%.0f/s", base)}
		for i := 1; i < len(names); i++ {
			row = append(row, ratio(median(tps[i]), base))
		}
		t.add(append(row, ratio(median(tps[3]), median(tps[2])))...)
	}
	if err := t.print(w); err != nil {
		return err
	}
	return b.updates(ctx, w, cluster, conn)
}

const updateTables = `
CREATE TABLE narrow (id int PRIMARY KEY, topic_id int NOT NULL, n int NOT NULL, note text NOT NULL);
INSERT INTO narrow SELECT g, g % 100, 0, 'a note' FROM generate_series(1, 1000) g;
CREATE TABLE wide (id int PRIMARY KEY, topic_id int NOT NULL, n int NOT NULL, body text NOT NULL);
INSERT INTO wide SELECT g, g % 100, 0, (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 3200)) FROM generate_series(1, 100) g;
CREATE TABLE backfill (id int PRIMARY KEY, topic_id int NOT NULL, n int NOT NULL, note text NOT NULL);
INSERT INTO backfill SELECT g, g % 100, 0, 'a note' FROM generate_series(1, 200000) g;
CREATE TABLE narrow_watched (LIKE narrow INCLUDING ALL);
CREATE TABLE wide_watched (LIKE wide INCLUDING ALL);
CREATE TABLE wide_listed (LIKE wide INCLUDING ALL);
CREATE TABLE wide_statement (LIKE wide INCLUDING ALL);
CREATE TABLE backfill_watched (LIKE backfill INCLUDING ALL);
INSERT INTO narrow_watched SELECT * FROM narrow;
INSERT INTO wide_watched SELECT * FROM wide;
INSERT INTO wide_listed SELECT * FROM wide;
INSERT INTO wide_statement SELECT * FROM wide;
INSERT INTO backfill_watched SELECT * FROM backfill;
SELECT rowcast.watch('narrow_watched', 'topic_id');
SELECT rowcast.watch('wide_watched', 'topic_id');
SELECT rowcast.watch('wide_listed', 'topic_id', columns => '{id,topic_id,n}');
SELECT rowcast.watch('wide_statement', 'topic_id', columns => '{id,topic_id,n}', level => 'statement');
SELECT rowcast.watch('backfill_watched', 'topic_id');
VACUUM ANALYZE;`

// updates prints what single statements take with and without a watch.
func (b *bench) updates(ctx context.Context, w io.Writer, c *cluster, conn *pgx.Conn) error {
	for stmt := range strings.SplitSeq(updateTables, ";\n") {
		if _, err := conn.Exec(ctx, stmt); err != nil {
			return fmt.Errorf("create tables for updates: %w", err)
		}
	}
	t := table{title: "Updates: time of the statement, in one transaction / of the same on an unwatched table"}
	t.add("statement", "unwatched", "watched", "ratio")
	compare := func(name, plain string, watched ...string) error {
		times := make([][]time.Duration, 2)
		for range b.o.Rounds {
			for i, stmts := range [][]string{{plain}, watched} {
				b.progress("updates: %s", name)
				d, err := transaction(ctx, conn, stmts...)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				times[i] = append(times[i], d)
			}
		}
		base, got := median(times[0]), median(times[1])
		t.add(name, micros(base), micros(got), fmt.Sprintf("%.1f", float64(got)/float64(base)))
		return nil
	}
	cases := []struct {
		name, plain string
		watched     []string
	}{
		{"one column, 1,000 narrow rows", "UPDATE narrow SET n = n + 1", []string{"UPDATE narrow_watched SET n = n + 1"}},
		{"one column, 100 rows beside 100 kB of text", "UPDATE wide SET n = n + 1", []string{"UPDATE wide_watched SET n = n + 1"}},
		{"the same, watched with columns => '{id,topic_id,n}'", "UPDATE wide SET n = n + 1", []string{"UPDATE wide_listed SET n = n + 1"}},
		{"the same, and with level => 'statement'", "UPDATE wide SET n = n + 1", []string{"UPDATE wide_statement SET n = n + 1"}},
		{"200,000 rows", "UPDATE backfill SET n = n + 1", []string{"UPDATE backfill_watched SET n = n + 1"}},
		{"200,000 rows after SELECT rowcast.bulk('…')", "UPDATE backfill SET n = n + 1", []string{"SELECT rowcast.bulk('backfill_watched')", "UPDATE backfill_watched SET n = n + 1"}},
	}
	for _, c := range cases {
		if err := compare(c.name, c.plain, c.watched...); err != nil {
			return err
		}
	}
	return t.print(w)
}

func transaction(ctx context.Context, conn *pgx.Conn, stmts ...string) (time.Duration, error) {
	begin := time.Now()
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, s := range stmts {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(begin), err
}

func ratio(v, base float64) string { return fmt.Sprintf("%.2f", v/base) }

// pgbench runs script from so many connections and returns transactions a second.
func (c *cluster) pgbench(ctx context.Context, writers int, d time.Duration, script string) (float64, error) {
	file := filepath.Join(c.scratch, "script.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "pgbench"), "--no-vacuum", "--protocol=prepared",
		"--client="+strconv.Itoa(writers), "--jobs="+strconv.Itoa(min(writers, 2)),
		"--time="+strconv.Itoa(max(1, int(d.Seconds()))), "--file="+file, c.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, lastLine(out))
	}
	for line := range strings.Lines(string(out)) {
		rest, ok := strings.CutPrefix(line, "tps = ")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(rest, " ")
		return strconv.ParseFloat(strings.TrimSpace(number), 64)
	}
	return 0, fmt.Errorf("pgbench: no tps in its output: %s", lastLine(out))
}

func lastLine(out []byte) string {
	s := strings.TrimSpace(string(out))
	return s[strings.LastIndexByte(s, '\n')+1:]
}
