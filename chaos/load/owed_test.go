package load

import (
	"fmt"
	"slices"
	"testing"

	"rowcast/chaos/oracle"
	"rowcast/internal/pgtemp/pgtest"
)

// What a transaction owes, by what it did. Statements are called 1, 2, …
func TestTruth_by_statement(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do    []string
		large int
		want  []string
	}{
		"insert": {
			do: []string{"INSERT INTO messages (id, topic_id, content) VALUES (50, 2, 'a'), (51, NULL, 'b')", "INSERT INTO items (id, topic_id, content) VALUES (50, NULL, 'c'), (51, 3, 'd')"},
			want: []string{
				`1/message_created/50 [topic_2 messages] "a"`, `1/message_created/51 [messages] "b"`,
				`2/item_created/51 [items_3 topic_3] "d"`,
			},
		},
		"update": {
			do:   []string{"UPDATE messages SET content = 'x' WHERE id = 1", "UPDATE messages SET version = 1, content = content WHERE id = 2", "UPDATE notes SET version = 9 WHERE id = 1"},
			want: []string{`1/message_updated/1 [topic_2 messages] "x"`, `3/note_updated/1,2 [topic_2] ""`},
		},
		"move": {
			do: []string{"UPDATE messages SET topic_id = 7 WHERE id = 1", "UPDATE items SET topic_id = 7, content = 'x' WHERE id = 1"},
			want: []string{
				`1/message_deleted/1 [topic_2] ""`, `1/message_updated/1 [topic_7 messages] ""`,
				`2/item_deleted/1 [items_2 topic_2] ""`, `2/item_updated/1 [items_7 topic_7] "x"`,
			},
		},
		"move nowhere and back": {
			do: []string{"UPDATE messages SET topic_id = NULL WHERE id = 1", "UPDATE items SET topic_id = NULL WHERE id = 1", "UPDATE items SET content = 'unheard' WHERE id = 1", "UPDATE items SET topic_id = 7 WHERE id = 1"},
			want: []string{
				`1/message_deleted/1 [topic_2] ""`, `1/message_updated/1 [messages] ""`,
				`2/item_deleted/1 [items_2 topic_2] ""`,
				`4/item_updated/1 [items_7 topic_7] "unheard"`,
			},
		},
		// Topic 2 has its partition in common with topic 4, and not with topic 3.
		"move of a key": {
			do:   []string{"UPDATE notes SET topic_id = 4 WHERE id = 1"},
			want: []string{`1/note_deleted/1,2 [topic_2] ""`, `1/note_updated/1,4 [topic_4] ""`},
		},
		"move to another partition": {
			do:   []string{"UPDATE notes SET topic_id = 3 WHERE id = 1"},
			want: []string{`1/note_deleted/1,2 [topic_2] ""`, `1/note_created/1,3 [topic_3] ""`},
		},
		"delete": {
			do:   []string{"DELETE FROM items WHERE id IN (1, 2)"},
			want: []string{`1/item_deleted/1 [items_2 topic_2] ""`, `1/item_deleted/2 [items_3 topic_3] ""`},
		},
		"upsert": {
			do:   []string{"INSERT INTO items AS i (id, topic_id, content) VALUES (60, 1, 'a'), (1, 1, 'b') ON CONFLICT (id) DO UPDATE SET content = excluded.content, topic_id = excluded.topic_id"},
			want: []string{`1/item_created/60 [items_1 topic_1] "a"`, `1/item_deleted/1 [items_2 topic_2] ""`, `1/item_updated/1 [items_1 topic_1] "b"`},
		},
		"savepoint": {
			do:   []string{"INSERT INTO messages (id, topic_id, content) VALUES (50, 2, 'a')", "SAVEPOINT s", "DELETE FROM messages", "ROLLBACK TO s", "DELETE FROM messages WHERE id = 50"},
			want: []string{`1/message_created/50 [topic_2 messages] "a"`, `5/message_deleted/50 [topic_2 messages] ""`},
		},
		"emit": {
			do:   []string{"SELECT oracle.emit('said', 'x', '{a,b}')"},
			want: []string{`1/said/ [a b] "x"`},
		},
		"truncate": {
			do:   []string{"TRUNCATE messages", "TRUNCATE notes"},
			want: []string{`$resync 1/truncate/ [topic_* messages]`, `$resync 2/truncate/ [topic_*]`},
		},
		"bulk": {
			do: []string{"DELETE FROM items WHERE id = 1", "SELECT oracle.bulk('items')", "DELETE FROM items WHERE id = 2", "DELETE FROM messages WHERE id = 1", "SELECT oracle.bulk('items')", "TRUNCATE items"},
			want: []string{
				`1/item_deleted/1 [items_2 topic_2] ""`, `$resync 2/bulk/ [items_* topic_*]`,
				`4/message_deleted/1 [topic_2 messages] ""`, `$resync 6/truncate/ [items_* topic_*]`,
			},
		},
		"bulk taken back": {
			do:   []string{"SAVEPOINT s", "SELECT oracle.bulk('items')", "ROLLBACK TO s", "DELETE FROM items WHERE id = 2"},
			want: []string{`4/item_deleted/2 [items_3 topic_3] ""`},
		},
		"large": {
			large: 3,
			do:    []string{"UPDATE items SET topic_id = 1 WHERE id = 1", "DELETE FROM messages WHERE id IN (1, 2)", "SELECT oracle.emit('said', 'x', '{a,b}')"},
			want:  []string{`$resync 3/large/ [a b items_1 items_2 messages topic_1 topic_2 topic_3]`},
		},
		"large enough": {
			large: 3,
			do:    []string{"SELECT oracle.bulk('items')", "DELETE FROM items", "DELETE FROM messages WHERE id IN (1, 2)"},
			want:  []string{`$resync 1/bulk/ [items_* topic_*]`, `3/message_deleted/1 [topic_2 messages] ""`, `3/message_deleted/2 [topic_3 messages] ""`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := pgtest.Connect(t, pgtest.Database(t))
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			execute := func(sql string, args ...any) {
				t.Helper()
				if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			execute("INSERT INTO oracle.tx (began) VALUES (pg_current_snapshot())")
			for i, sql := range test.do {
				execute(setMutation, fmt.Sprint(i+1))
				execute(sql)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if test.large == 0 {
				test.large = 1000
			}
			var got []string
			last := oracle.Owed{Key: " "}
			for _, o := range truth(t, conn, test.large).Owed {
				got = append(got, line(o))
				if same := o.Key[0] == last.Key[0]; same && o.Order != last.Order || !same && o.Order <= last.Order {
					t.Errorf("%s is at %d, after %s at %d", o.Key, o.Order, last.Key, last.Order)
				}
				last = o
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func line(o oracle.Owed) string {
	if o.Notice {
		return fmt.Sprint("$resync ", o.Key, " ", o.Topics)
	}
	return fmt.Sprintf("%s %s %q", o.Key, o.Topics, o.Value)
}

// rowcast's triggers fire before the oracle's, and none is missing.
func TestInstall_triggers(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.Database(t))
	var ok int
	err := conn.QueryRow(t.Context(), "SELECT count(*) FROM rowcast.watches WHERE state = 'ok'").Scan(&ok)
	if err != nil || ok != len(tables) {
		t.Errorf("%d watches are whole, %v", ok, err)
	}
	var before, all int
	err = conn.QueryRow(t.Context(), `
		SELECT count(*) FILTER (WHERE r.tgname < o.tgname), count(*)
		  FROM pg_trigger r JOIN pg_trigger o USING (tgrelid)
		 WHERE r.tgname LIKE '00\_rowcast\_%' AND o.tgname LIKE 'zz\_oracle%'`).Scan(&before, &all)
	if err != nil || all == 0 || before != all {
		t.Errorf("of %d pairs of triggers, in %d rowcast's comes first, %v", all, before, err)
	}
}
