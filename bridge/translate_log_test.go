package bridge

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/pglisten"
)

// TestCutRowsOfTheLog: a row that is too large for the trigger goes to the same
// topics, under the same ids, as a small one.
func TestCutRowsOfTheLog(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.Database(t))
	execute(t, conn, `
		CREATE TABLE docs (name text, at timestamptz, bin bytea, n numeric, yes boolean, body text, PRIMARY KEY (name, n));
		SELECT setval('rowcast.doorbell', (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
		SELECT rowcast.watch('docs', 'bin', topics => array['at_{at}', 'bin_{bin}', 'n_{n}', 'yes_{yes}', 'docs'], include_old => true);
		SET TimeZone = 'Asia/Kathmandu'; SET bytea_output = escape; SET DateStyle = 'SQL, DMY'`)
	w := &pglisten.Watch{
		ID: 1, Schema: "public", Table: "docs", Entity: "doc", TopicColumn: "bin", IncludeOld: true, Key: []string{"name", "n"},
		Templates: []string{"at_{at}", "bin_{bin}", "n_{n}", "yes_{yes}", "docs"},
		Columns: []pglisten.Column{
			{Name: "name", Type: textType},
			{Name: "at", Type: timeType},
			{Name: "bin", Type: byteType},
			{Name: "n", Type: exactType},
			{Name: "yes", Type: boolType},
			{Name: "body", Type: textType},
		},
	}
	write := func(body string) (events []string, cut int) {
		execute(t, conn, `TRUNCATE rowcast.log;
			INSERT INTO docs VALUES ('a"b', '2026-11-23 00:42:55.278Z', '\x00ff', 1.50, true, `+body+`);
			UPDATE docs SET bin = '\x01', at = 'infinity', body = body || 'x';
			DELETE FROM docs`)
		return logEvents(t, conn, w)
	}
	small, none := write(`'small'`)
	large, three := write(`repeat('large', 100000)`)
	if none != 0 || three != 3 {
		t.Fatalf("%d and %d rows were cut", none, three)
	}
	if len(small) != 4 || !slices.Equal(small, large) {
		t.Errorf("small:\n%s\nlarge:\n%s", strings.Join(small, "\n"), strings.Join(large, "\n"))
	}

	// Keys and topics that are large themselves.
	execute(t, conn, `TRUNCATE rowcast.log; INSERT INTO docs (name, bin, n) SELECT repeat('é', 100000), decode(repeat('00', 100000), 'hex'), 1`)
	got, _ := logEvents(t, conn, w)
	want := `doc_created ["n_1","docs"] "` + strings.Repeat("A", 1000)
	if len(got) != 1 || !strings.HasPrefix(got[0], want[:40]) || len(got[0]) > 8000 {
		t.Errorf("got %.200q", got)
	}
}

// logEvents translates the log and returns of each event what does not hang on
// the size of the row, and how many rows were cut.
func logEvents(t *testing.T, conn *pgx.Conn, w *pglisten.Watch) (all []string, cut int) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT l.op::text, l.flags, l.data::text, l.old::text, l.changed FROM rowcast.log l ORDER BY l.id`)
	if err != nil {
		t.Fatal(err)
	}
	var op string
	var flags int16
	var data string
	var old *string
	var changed []string
	_, err = pgx.ForEachRow(rows, []any{&op, &flags, &data, &old, &changed}, func() error {
		c := changeOf(w, pglisten.Op(op[0]), data, "", func(c *pglisten.Change) {
			c.NewCut, c.OldCut, c.Changed = flags&1 != 0, flags&2 != 0, changed
		})
		if c.NewCut {
			cut++
		}
		if old != nil {
			c.Old = []byte(*old)
		}
		for _, item := range translated(t, c, 0) {
			checkItem(t, item)
			var e struct {
				Type    string
				Topics  json.RawMessage
				Payload struct {
					TopicID       json.RawMessage `json:"topic_id"`
					ID            json.RawMessage
					ChangedFields json.RawMessage `json:"changed_fields"`
				}
			}
			if err := json.Unmarshal(item.Data, &e); err != nil {
				return err
			}
			all = append(all, strings.Join([]string{e.Type, string(e.Topics), string(e.Payload.TopicID), string(e.Payload.ID), string(e.Payload.ChangedFields)}, " "))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, cut
}

// A cut row holds the columns that derived types ask about, beside key and
// topic columns: the events show only these.
func TestTranslator_cut_row_with_derive_columns(t *testing.T) {
	t.Parallel()
	w := &pglisten.Watch{
		ID: 1, Table: "docs", Entity: "doc", TopicColumn: "topic_id", Templates: []string{"topic_{topic_id}"},
		Key: []string{"id"}, IncludeOld: true,
		Columns: []pglisten.Column{
			{Name: "id", Type: exactType},
			{Name: "topic_id", Type: exactType},
			{Name: "status", Type: textType},
			{Name: "body", Type: textType},
		},
		Derive: []pglisten.Derive{{Type: "doc_done", On: "update", Column: "status", Becomes: json.RawMessage(`"done"`)}},
	}
	cut := `{"id":1,"topic_id":7,"status":"done"}`
	was := `{"id":1,"topic_id":7,"status":"open"}`
	tests := map[string]pglisten.Change{
		"update": changeOf(w, pglisten.Update, cut, was, func(c *pglisten.Change) {
			c.NewCut, c.OldCut, c.Changed = true, true, []string{"status"}
		}),
		"insert": changeOf(w, pglisten.Insert, cut, "", func(c *pglisten.Change) { c.NewCut = true }),
		"delete": changeOf(w, pglisten.Delete, cut, "", func(c *pglisten.Change) { c.NewCut = true }),
		"update from a cut row": changeOf(w, pglisten.Update, `{"id":1,"topic_id":7,"status":"x","body":"short"}`, was, func(c *pglisten.Change) {
			c.OldCut, c.Changed = true, []string{"body", "status"}
		}),
	}
	for name, c := range tests {
		var types []string
		for _, item := range translated(t, c, 0) {
			var e struct {
				Type    string
				Payload struct {
					Doc, Old  map[string]any
					Truncated bool
				}
			}
			if err := json.Unmarshal(item.Data, &e); err != nil {
				t.Fatal(err)
			}
			types = append(types, e.Type)
			if e.Payload.Truncated != c.NewCut || c.NewCut && len(e.Payload.Doc) != 2 || len(e.Payload.Old) != 0 {
				t.Errorf("%s: %s", name, item.Data)
			}
		}
		if want := name == "update"; slices.Contains(types, "doc_done") != want {
			t.Errorf("%s made %q", name, types)
		}
	}
}
