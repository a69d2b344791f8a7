package pglisten

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
)

// memberships makes a table that is watched for access, and for events as well.
func memberships(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn := pgtest.Connect(t, url)
	execute(t, conn, `
CREATE TABLE members (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text, topic_id int, role text, note text);
SELECT rowcast.watch('members', 'topic_id', exclude => '{role}'), rowcast.watch_access('members', 'user_id', '{"topic_{topic_id}"}', columns => '{role}')`)
	return conn
}

func isAccess(c Change) bool { return c.Op == Revoke || c.Watch != nil && c.Watch.SubjectColumn != "" }

func TestCatalogue_access(t *testing.T) {
	t.Parallel()
	conn := memberships(t, pgtest.Database(t))
	list, err := LoadWatches(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, w := range list {
		if w.Table == "members" {
			var names []string
			for _, c := range w.Columns {
				names = append(names, c.Name)
			}
			got[w.SubjectColumn] = strings.Join(names, " ") + ": " + strings.Join(w.Templates, " ")
		}
	}
	want := map[string]string{"": "id user_id topic_id note: topic_{topic_id}", "user_id": "id user_id topic_id role: topic_{topic_id}"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A table with both kinds of watch has both kinds of change, in the order in
// which they were made. Only those of events count toward their transaction's.
func TestSource_access(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := memberships(t, url)
	_, sink := run(t, Options{URL: url})
	tx := begin(t, conn)
	for _, sql := range []string{
		insertMessage,
		"INSERT INTO members (user_id, topic_id, role) VALUES ('maks', 7, 'reader')",
		"UPDATE members SET role = 'editor'", // nothing that the events' watch captures
		"UPDATE members SET note = 'x'",      // nothing that the access watch does
		"SELECT rowcast.revoke('maks', 'topic_*')",
		"SELECT rowcast.revoke('*', 'messages')",
		"DELETE FROM members",
		"TRUNCATE members",
		insertMessage,
	} {
		execute(t, tx, sql)
	}
	commit(t, tx)
	sink.until(t, "all", func() bool { return len(sink.changes()) == 12 })
	var got []string
	for _, c := range sink.all() {
		table := ""
		if c.Watch != nil {
			table = c.Watch.Table
		}
		if isAccess(c) {
			table += "!"
		}
		got = append(got, string(c.Op)+table)
		if c.Err != nil || c.TxChanges != 6 {
			t.Errorf("%s: %d in its transaction, %v", got[len(got)-1], c.TxChanges, c.Err)
		}
	}
	want := []string{
		"Imessages", "Imembers!", "Imembers", "Umembers!", "Umembers", "R!", "R!", "Dmembers!", "Dmembers", "Tmembers!", "Tmembers", "Imessages",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for i, want := range map[int]string{5: "maks topic_*", 6: " messages"} {
		if c := sink.all()[i]; c.Type+" "+strings.Join(c.Topics, ",") != want || c.Watch != nil {
			t.Errorf("revoke: %+v, want %s", c, want)
		}
	}
}

// An access watch that lost what it lives on, and a table that lost that watch
// alone.
func TestSource_reports_drift_of_access(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := memberships(t, url)
	s, sink := run(t, Options{URL: url})
	c := newChores(s)
	defer c.aside.close(t.Context())
	for i, sql := range []string{
		"ALTER TABLE members RENAME user_id TO member_id",
		"ALTER TABLE members RENAME member_id TO user_id",
		`ALTER TABLE members DISABLE TRIGGER "00_rowcast_access_delete"`,
		`ALTER TABLE members ENABLE TRIGGER "00_rowcast_access_delete"`,
		`DROP TRIGGER "00_rowcast_access_truncate" ON members`,
	} {
		execute(t, conn, sql)
		if err := c.inspect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		sink.until(t, sql, func() bool { return len(sink.losses) >= i+1 })
		if w := sink.losses[i].Watch; w == nil || w.SubjectColumn != "user_id" || len(sink.losses) != i+1 {
			t.Errorf("%s: %d losses, %+v", sql, len(sink.losses), w)
		}
	}
}

// However little of the log fits into the history, all its revocations are in
// it, and nobody resumes there who would miss something.
func TestSource_history_of_revocations(t *testing.T) {
	t.Parallel()
	url, _ := filled(t)
	conn := memberships(t, url)
	open := begin(t, pgtest.Connect(t, url)) // its changes come among later ones
	execute(t, open, "INSERT INTO members (user_id, topic_id) VALUES ('late', 7)")
	for _, sql := range []string{
		"INSERT INTO members (user_id, topic_id) VALUES ('maks', 7), ('olena', 7)",
		"UPDATE members SET topic_id = 8 WHERE user_id = 'maks'",
		"DELETE FROM members WHERE user_id = 'olena'",
		"SELECT rowcast.revoke('maks', 'topic_7')",
		"INSERT INTO messages (topic_id, content) SELECT 7, repeat('x', 1000) FROM generate_series(1, 10)",
	} {
		execute(t, conn, sql)
	}
	execute(t, open, "DELETE FROM members WHERE user_id = 'late'")
	execute(t, open, "TRUNCATE members")
	commit(t, open)
	execute(t, conn, "INSERT INTO messages (topic_id, content) SELECT 7, repeat('x', 1000) FROM generate_series(1, 10)")
	for _, bytes := range []int64{-1, 13_000, 1 << 20} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			_, sink := run(t, Options{URL: url, HistoryBytes: bytes})
			var got []string
			r, last := sink.resets[0], int64(0)
			for _, c := range r.History {
				if isAccess(c) && c.Op != Insert {
					got = append(got, string(c.Op))
				}
				if c.ID <= last || c.Err != nil || isAccess(c) && c.Op != Revoke && c.Watch.Table != "members" {
					t.Errorf("change %d after %d: %+v", c.ID, last, c)
				}
				last = c.ID
			}
			if want := "U D R D T"; strings.Join(got, " ") != want {
				t.Errorf("got %s, want %s", got, want)
			}
			checkHistory(t, url, r, bytes)
		})
	}
}

// There is a bound to it: the newest are loaded.
func TestSource_history_of_too_many_revocations(t *testing.T) {
	t.Parallel()
	url, _ := filled(t)
	conn := pgtest.Connect(t, url)
	execute(t, conn, "INSERT INTO rowcast.log (xid, watch, op, at, type, topics) SELECT pg_current_xact_id(), 0, 'R', now(), n::text, '{topic_7}' FROM generate_series(1, 200000) n")
	execute(t, conn, insertMessage)
	_, sink := run(t, Options{URL: url, HistoryBytes: -1})
	h := sink.resets[0].History
	if want := revocationBytes / rowOverhead; len(h) != want || h[len(h)-1].Type != "200000" || h[0].Type != fmt.Sprint(200_001-want) {
		t.Errorf("%d of %d loaded", len(h), want)
	}
}
