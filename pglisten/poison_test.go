package pglisten

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"rowcast/internal/pgtemp/pgtest"
)

// Rows that no statement can return are handed on with their error, in their
// place, and the log goes on behind them.
func TestSource_poison(t *testing.T) {
	t.Parallel()
	url := sibling(t, pgtest.Database(t), "ascii", "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
	if err := prepare(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, url)
	s, sink := run(t, Options{URL: url})

	execute(t, conn, "SET client_encoding = 'SQL_ASCII'")
	execute(t, conn, `INSERT INTO messages (topic_id, content)
		SELECT n, CASE WHEN n % 400 = 7 THEN convert_from('\xff', 'SQL_ASCII') ELSE 'fine' END FROM generate_series(1, 1500) n`)
	sink.until(t, "all rows", func() bool { return len(sink.changes()) == 1500 })
	poisoned := 0
	for i, c := range sink.all() {
		if i > 0 && c.ID <= sink.all()[i-1].ID {
			t.Fatalf("change %d after %d", c.ID, sink.all()[i-1].ID)
		}
		if bad := c.ID%400 == 7; bad != (c.Err != nil) || c.Watch == nil || c.TxChanges != 1500 {
			t.Errorf("change %d: watch %v, err %v, %d in its transaction", c.ID, c.Watch, c.Err, c.TxChanges)
		}
		if c.Err != nil {
			poisoned++
		} else if want := fmt.Sprintf(`"topic_id":%d,`, c.ID); !bytes.Contains(c.New, []byte(want)) {
			t.Errorf("change %d: %s", c.ID, c.New)
		}
	}
	if got := s.Stats().Poison; got != 4 || poisoned != 4 {
		t.Errorf("%d poisoned, %d counted", poisoned, got)
	}
	execute(t, conn, insertMessage)
	sink.until(t, "the next", func() bool { return len(sink.changes()) == 1501 })
	if n := s.Stats().Connects; n != 1 {
		t.Errorf("%d connections", n)
	}
	checkResume(t, "reader", sink.all()[1400:])

	early := begin(t, pgtest.Connect(t, url))
	execute(t, early, insertMessage)
	execute(t, conn, insertMessage)
	execute(t, early, insertMessage) // its ids cross the other's
	commit(t, early)
	_, sink = run(t, Options{URL: url})
	for i, c := range sink.resets[0].History {
		if bad := c.ID < 1500 && c.ID%400 == 7; c.ID != int64(i+1) || bad != (c.Err != nil) {
			t.Errorf("change %d in place %d of the history: %v", c.ID, i, c.Err)
		}
	}
	if n := len(sink.resets[0].History); n != 1504 {
		t.Errorf("a history of %d", n)
	}

	execute(t, conn, `SELECT rowcast.revoke(convert_from('\xff', 'SQL_ASCII'), 'topic_7'), rowcast.revoke('maks', 'topic_7')`)
	execute(t, conn, insertMessage)
	_, sink = run(t, Options{URL: url, HistoryBytes: -1})
	if h := sink.resets[0].History; len(h) != 2 || h[0].Op != Revoke || h[0].Err == nil || h[1].Err != nil || h[1].Type != "maks" {
		t.Errorf("history %+v", h)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"22021": true, "XX001": true, "57P01": false, "42P01": false, "57014": false, "40001": false} {
		if got := unreadable(&pgconn.PgError{Severity: "ERROR", Code: code}); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
	if unreadable(errors.New("reset")) || unreadable(nil) {
		t.Error("no server's error is no row's fault")
	}
}

// A watch nobody knows.
func TestSource_unknown_watch(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	_, sink := run(t, Options{URL: url})
	conn := pgtest.Connect(t, url)
	execute(t, conn, `INSERT INTO rowcast.log (xid, watch, op, at, data) VALUES (pg_current_xact_id(), 99, 'I', now(), '{}')`)
	execute(t, conn, insertMessage)
	sink.until(t, "both", func() bool { return len(sink.changes()) == 2 })
	if got := sink.all(); !errors.Is(got[0].Err, errUnknownWatch) || got[1].Err != nil {
		t.Errorf("%v, %v", got[0].Err, got[1].Err)
	}
}
