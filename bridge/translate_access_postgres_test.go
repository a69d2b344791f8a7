package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/pglisten"
	"rowcast/rooms"
)

// road is a database, and what comes to the rooms of what is written there.
type road struct {
	conn   *pgx.Conn
	source *pglisten.Source
	tr     *translator

	mu    sync.Mutex
	items []rooms.Item // since the last look
}

func (r *road) add(items []rooms.Item) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, item := range items {
		item.Data = bytes.Clone(item.Data) // as the hub does
		r.items = append(r.items, item)
	}
	return nil
}

func (r *road) Reset(_ context.Context, x pglisten.Reset) error {
	return r.add(r.tr.history(x.History))
}

func (r *road) Take(_ context.Context, b pglisten.Batch) error {
	items := r.tr.batch(b).Items
	useAgain(b)
	return r.add(items)
}

func (r *road) Notified(context.Context, pglisten.Notification) error { return nil }
func (r *road) Lost(context.Context, pglisten.Loss) error             { return nil } // comes when it likes

// openRoad makes a table of memberships that is watched for access, and one of
// messages.
func openRoad(t *testing.T) *road {
	t.Helper()
	url := pgtest.Database(t)
	r := &road{conn: pgtest.Connect(t, url)}
	execute(t, r.conn, watched+`
CREATE TABLE users (id text PRIMARY KEY);
CREATE TABLE members (user_id text REFERENCES users ON DELETE CASCADE, topic_id bigint, role text, note text);
SELECT rowcast.watch_access('members', 'user_id', array['topic_{topic_id}'], columns => '{role}')`)
	r.follow(t, pglisten.Options{URL: url})
	return r
}

// follow reads the log until the test ends, and returns what it held.
func (r *road) follow(t *testing.T, o pglisten.Options) []string {
	t.Helper()
	r.tr, _ = logged()
	r.tr.o.TransactionEvents = DefaultTransactionEvents
	r.source = pglisten.New(o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.source.Run(ctx, r) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r.look(t)
}

// look returns what came since the last look, a line each.
func (r *road) look(t *testing.T) (lines []string) {
	t.Helper()
	if err := r.source.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	items := r.items
	r.items = nil
	r.mu.Unlock()
	for _, item := range items {
		what := string(item.Reason)
		switch {
		case item.Access != nil:
			what = tellAccess(t, item)
		case item.Reason == "":
			var e struct{ Type string }
			if err := json.Unmarshal(item.Data, &e); err != nil {
				t.Fatal(err)
			}
			what = e.Type
		}
		lines = append(lines, what+" "+strings.Join(item.Topics, " "))
	}
	return lines
}

// wants runs statements, which are one transaction, and compares what comes.
func (r *road) wants(t *testing.T, sql string, want ...string) {
	t.Helper()
	execute(t, r.conn, sql)
	if got := r.look(t); !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", sql, got, want)
	}
}

func TestAccessOfPostgres(t *testing.T) {
	t.Parallel()
	r := openRoad(t)
	execute(t, r.conn, `INSERT INTO users VALUES ('maks'), ('olena'), ('ihor')`)

	r.wants(t, `INSERT INTO members VALUES ('maks', 7, 'reader'), ('olena', 7, 'reader')`, `granted "maks" topic_7`, `granted "olena" topic_7`)
	r.wants(t, `UPDATE members SET topic_id = 8 WHERE user_id = 'maks'`, `revoked "maks" topic_7`, `granted "maks" topic_8`)
	r.wants(t, `UPDATE members SET user_id = 'ihor' WHERE user_id = 'maks'`, `revoked "maks" topic_8`, `granted "ihor" topic_8`)
	r.wants(t, `UPDATE members SET role = 'editor' WHERE user_id = 'ihor'`, `revoked "ihor" topic_8`, `granted "ihor" topic_8`)
	r.wants(t, `UPDATE members SET note = 'x', role = role`)
	r.wants(t, `DELETE FROM members WHERE user_id = 'ihor'`, `revoked "ihor" topic_8`)
	r.wants(t, `DELETE FROM users WHERE id = 'olena'`, `revoked "olena" topic_7`)
	r.wants(t, `BEGIN; INSERT INTO members VALUES ('maks', 7); ROLLBACK`)
	r.wants(t, `TRUNCATE members`, `revoked everyone topic_*`)
	r.wants(t, `SELECT rowcast.revoke('maks', 'topic_7'), rowcast.revoke('maks', '*'), rowcast.revoke('*', 'topic_7'), rowcast.revoke('*', 'topic_*')`,
		`revoked "maks" topic_7`, `revoked "maks" *`, `revoked everyone topic_7`, `revoked everyone topic_*`)

	// Among the events of its transaction, and whatever their order of commit.
	r.wants(t, `INSERT INTO messages (topic_id) VALUES (1);
		INSERT INTO members VALUES ('maks', 7);
		SELECT rowcast.emit('hello', '{}', '{topic_7}');
		DELETE FROM members;
		INSERT INTO messages (topic_id) VALUES (2)`,
		`message_created topic_1 messages`, `granted "maks" topic_7`, `hello topic_7`, `revoked "maks" topic_7`, `message_created topic_2 messages`)

	if _, err := r.conn.CopyFrom(t.Context(), pgx.Identifier{"members"}, []string{"user_id", "topic_id"},
		pgx.CopyFromRows([][]any{{"maks", 7}, {"ihor", 9}})); err != nil {
		t.Fatal(err)
	}
	if got, want := r.look(t), []string{`granted "maks" topic_7`, `granted "ihor" topic_9`}; !slices.Equal(got, want) {
		t.Errorf("COPY: got %q, want %q", got, want)
	}

	// Too large for the trigger: what is needed is there.
	execute(t, r.conn, `SELECT rowcast.watch_access('members', 'user_id', array['topic_{topic_id}'])`)
	r.wants(t, `UPDATE members SET note = repeat('x', 100000) WHERE user_id = 'maks'`, `revoked "maks" topic_7`, `granted "maks" topic_7`)
	r.wants(t, `DELETE FROM members WHERE user_id = 'maks'`, `revoked "maks" topic_7`)

	// What the column is called no longer: nobody knows whose the row was.
	execute(t, r.conn, `ALTER TABLE members RENAME user_id TO member_id`)
	r.wants(t, `DELETE FROM members`, `unknown everyone topic_*`)
}

// Both watches of a table tell of a change; bulk() silences the events only.
func TestAccessBesideEvents(t *testing.T) {
	t.Parallel()
	r := openRoad(t)
	execute(t, r.conn, `INSERT INTO users VALUES ('maks'); SELECT rowcast.watch('members', 'topic_id')`)
	r.wants(t, `INSERT INTO members VALUES ('maks', 7)`, `granted "maks" topic_7`, `member_created topic_7`)
	r.wants(t, `UPDATE members SET note = 'x'`, `member_updated topic_7`)
	r.wants(t, `DELETE FROM members`, `revoked "maks" topic_7`, `member_deleted topic_7`)
	r.wants(t, `TRUNCATE members`, `revoked everyone topic_*`, `truncate topic_*`)
	r.wants(t, `SELECT rowcast.bulk('members'); INSERT INTO members VALUES ('maks', 7); DELETE FROM members`,
		`bulk topic_*`, `granted "maks" topic_7`, `revoked "maks" topic_7`)
	execute(t, r.conn, `ALTER TABLE members RENAME topic_id TO room_id`)
	if got := r.look(t); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	r.wants(t, `INSERT INTO members VALUES ('maks', 7)`, `unknown everyone topic_*`)
}

// A subject is the text that a topic template makes of the same value, and a
// token's sub is compared with.
func TestSubjectsOfPostgres(t *testing.T) {
	t.Parallel()
	r := openRoad(t)
	execute(t, r.conn, `CREATE TYPE mood AS ENUM ('so la la'); CREATE DOMAIN tenant AS uuid; CREATE TABLE texts (s text);
		SELECT rowcast.watch_access('texts', 's', '{all}')`)
	for i, tt := range []struct{ sql, literal, want string }{
		{"int", "7", "7"},
		{"bigint", "-9223372036854775808", "-9223372036854775808"},
		{"numeric", "1.50", "1.50"},
		{"uuid", "'0B6B2E9E-6F0A-4D7E-9F57-0A4B7CF7A5F1'", "0b6b2e9e-6f0a-4d7e-9f57-0a4b7cf7a5f1"},
		{"tenant", "'0B6B2E9E-6F0A-4D7E-9F57-0A4B7CF7A5F1'", "0b6b2e9e-6f0a-4d7e-9f57-0a4b7cf7a5f1"},
		{"varchar(9)", "'Maks'", "Maks"},
		{"timestamptz", "'2026-11-23 00:42:55+01'", "2026-11-22T23:42:55Z"},
		{"boolean", "true", "true"},
	} {
		table := fmt.Sprint("subjects_", i)
		execute(t, r.conn, fmt.Sprintf(`CREATE TABLE %[1]s (s %[2]s); SELECT rowcast.watch_access('%[1]s', 's', array['t_{s}'])`, table, tt.sql))
		r.wants(t, fmt.Sprintf(`INSERT INTO %s VALUES (%s), (NULL)`, table, tt.literal), fmt.Sprintf(`granted %q t_%s`, tt.want, tt.want))
	}
	// A user may be called whatever there is: it is one user.
	for _, name := range []string{"*", "$x", "a,b", "", " ", "topic_*", "null", "line\nbreak", `"`, "é", strings.Repeat("x", 300), strings.Repeat("é", 20_000)} {
		execute(t, r.conn, `TRUNCATE texts`)
		r.look(t)
		if _, err := r.conn.Exec(t.Context(), `INSERT INTO texts VALUES ($1)`, name); err != nil {
			t.Fatal(err)
		}
		if len(name) > 32768 {
			name = strings.Repeat("é", cutAt) // longer is nobody's name
		}
		want := []string{fmt.Sprintf("granted %q all", name)}
		if got := r.look(t); !slices.Equal(got, want) {
			t.Errorf("%.20q: got %.60q", name, got)
		}
	}
}

// A large transaction's events are announced, its changes of access are told one
// by one.
func TestManyAccessChangesOfPostgres(t *testing.T) {
	t.Parallel()
	const rows = 20_000
	r := openRoad(t)
	execute(t, r.conn, `SELECT rowcast.watch_access('members', 'user_id', array['topic_{topic_id}'])`)
	deletion := func(events ...string) {
		t.Helper()
		execute(t, r.conn, fmt.Sprintf(`SET session_replication_role = replica;
			INSERT INTO members SELECT 'maks', n FROM generate_series(1, %d) n;
			RESET session_replication_role`, rows))
		execute(t, r.conn, `INSERT INTO messages (topic_id) VALUES (1); DELETE FROM members; INSERT INTO messages (topic_id) VALUES (2)`)
		gone := map[string]bool{}
		others := slices.DeleteFunc(r.look(t), func(line string) bool {
			if !strings.HasPrefix(line, `revoked "maks" topic_`) {
				return false
			}
			gone[line] = true
			return true
		})
		if len(gone) != rows || !slices.Equal(others, events) {
			t.Errorf("%d of %d, and %q", len(gone), rows, others)
		}
	}
	deletion(`message_created topic_1 messages`, `message_created topic_2 messages`)
	execute(t, r.conn, `SELECT rowcast.watch('members', 'topic_id')`)
	deletion(`bulk messages topic_*`)
}

// A daemon that starts knows what was revoked before, whatever else was written
// since.
func TestRevocationsOfTheLog(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	r := &road{conn: pgtest.Connect(t, url)}
	execute(t, r.conn, watched+`CREATE TABLE members (user_id text, topic_id bigint);
		SELECT setval('rowcast.doorbell', (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
		SELECT rowcast.new_epoch();
		SELECT rowcast.watch_access('members', 'user_id', array['topic_{topic_id}'])`)
	execute(t, r.conn, `INSERT INTO members VALUES ('maks', 7); DELETE FROM members; SELECT rowcast.revoke('olena', 'topic_*')`)
	execute(t, r.conn, `INSERT INTO messages (topic_id, content) SELECT 7, repeat('x', 1000) FROM generate_series(1, 100)`)
	got := r.follow(t, pglisten.Options{URL: url, HistoryBytes: 10_000})
	if want := []string{`revoked "maks" topic_7`, `revoked "olena" topic_*`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
