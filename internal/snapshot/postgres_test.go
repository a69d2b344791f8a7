package snapshot_test

import (
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/internal/snapshot"
)

// TestVisible_agrees_with_Postgres asks pg_visible_in_snapshot about snapshots
// that never were.
func TestVisible_agrees_with_Postgres(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.Database(t))
	rapid.Check(t, func(r *rapid.T) {
		// From the first xid that a transaction can have.
		s := small().Filter(func(s snapshot.Snapshot) bool { return s.Xmin() >= 3 }).Draw(r, "snapshot")
		for x := uint64(3); x <= universe; x++ {
			compare(t, r, conn, s, x)
		}
	})
}

// TestVisible_agrees_with_Postgres_about_running_transactions takes a snapshot
// while transactions are open, one has committed, and one has rolled back to a
// savepoint.
func TestVisible_agrees_with_Postgres_about_running_transactions(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	reader := pgtest.Connect(t, url)
	var xids []uint64
	for i := range 4 {
		conn := pgtest.Connect(t, url)
		for _, sql := range []string{"BEGIN", "SELECT pg_current_xact_id()", "SAVEPOINT s", "CREATE TEMP TABLE undone ()", "ROLLBACK TO s"} {
			execute(t, conn, sql)
		}
		xids = append(xids, number(t, conn, "SELECT pg_current_xact_id()::text"))
		if i == 1 {
			execute(t, conn, "COMMIT")
		}
	}
	s := current(t, reader)
	for i, xid := range xids {
		if s.Visible(xid) != (i == 1) {
			t.Errorf("%v: xid %d, number %d, is visible: %v", s, xid, i, s.Visible(xid))
		}
	}
	for x := xids[0]; x <= s.Xmax(); x++ {
		compare(t, t, reader, s, x)
	}
}

// TestWithin_orders_what_Postgres_writes: a later snapshot sees all that an
// earlier one saw.
func TestWithin_orders_what_Postgres_writes(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	reader, writer := pgtest.Connect(t, url), pgtest.Connect(t, url)
	first := current(t, reader)
	execute(t, writer, "BEGIN")
	xid := number(t, writer, "SELECT pg_current_xact_id()::text")
	execute(t, writer, "COMMIT")
	second := current(t, reader)
	if !first.Within(second) || second.Within(first) {
		t.Errorf("%v is not before %v", first, second)
	}
	if first.Visible(xid) || !second.Visible(xid) {
		t.Errorf("%d came between %v and %v", xid, first, second)
	}
}

// compare asks Postgres whether s sees x, and whether it reads s as s is.
func compare(t *testing.T, report rapid.TB, conn *pgx.Conn, s snapshot.Snapshot, x uint64) {
	t.Helper()
	var visible bool
	var text string
	err := conn.QueryRow(t.Context(), "SELECT pg_visible_in_snapshot($1::text::xid8, $2::text::pg_snapshot), $2::text::pg_snapshot::text",
		strconv.FormatUint(x, 10), s.String()).Scan(&visible, &text)
	if err != nil {
		report.Fatal(err)
	}
	if visible != s.Visible(x) {
		report.Errorf("%v sees %d: Postgres says %v", s, x, visible)
	}
	if text != s.String() {
		report.Errorf("%v: Postgres reads %s", s, text)
	}
}

func current(t *testing.T, conn *pgx.Conn) snapshot.Snapshot {
	t.Helper()
	var text string
	if err := conn.QueryRow(t.Context(), "SELECT pg_current_snapshot()::text").Scan(&text); err != nil {
		t.Fatal(err)
	}
	s, err := snapshot.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func number(t *testing.T, conn *pgx.Conn, sql string) uint64 {
	t.Helper()
	var text string
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
