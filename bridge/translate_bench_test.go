package bridge

import (
	"testing"
	"time"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
)

// BenchmarkTranslate translates and encodes the change of a row of ten columns.
func BenchmarkTranslate(b *testing.B) {
	w := tenColumns()
	row := []byte(`{"id":981,"topic_id":7,"author_id":20481,"content":"Hello \"world\", this is a message of an ordinary length.",` +
		`"state":"published","score":12.5,"pinned":false,"meta":{"tags": ["a", "b"], "n": 1},"created_at":"2026-11-23T00:42:55.278123+00:00","edited_at":null}`)
	old := []byte(`{"id":981,"topic_id":7,"author_id":20481,"content":"Hello \"world\", this is a message of an ordinary length.",` +
		`"state":"draft","score":12.5,"pinned":false,"meta":{"tags": ["a", "b"], "n": 1},"created_at":"2026-11-23T00:42:55.278123+00:00","edited_at":null}`)
	for _, bb := range []struct {
		name string
		c    pglisten.Change
	}{
		{"insert", pglisten.Change{Op: pglisten.Insert, New: row}},
		{"update", pglisten.Change{Op: pglisten.Update, New: row, Old: old}},
		{"delete", pglisten.Change{Op: pglisten.Delete, New: row}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			t := newTranslator(translatorOptions{Epoch: "k3f9", EventBytes: 256 << 10, TransactionEvents: 10_000})
			c := bb.c
			c.ID, c.XID, c.Watch, c.At = 20481, 734, w, time.Date(2026, 11, 23, 0, 42, 55, 279e6, time.UTC)
			c.Resume, c.TxChanges = snapshot.New(730), 1
			batch := pglisten.Batch{Changes: []pglisten.Change{c, c, c, c, c, c, c, c}, Snapshot: snapshot.New(735)}
			b.ReportAllocs()
			for i := 0; i < b.N; i += len(batch.Changes) {
				if items := t.batch(batch).Items; len(items) != len(batch.Changes) {
					b.Fatal("wrong number of items", len(items))
				}
			}
		})
	}
}

func tenColumns() *pglisten.Watch {
	typ := func(k pglisten.Kind) *pglisten.Type { return &pglisten.Type{Kind: k} }
	return &pglisten.Watch{
		ID: 1, Schema: "public", Table: "messages", Entity: "message",
		TopicColumn: "topic_id", Templates: []string{"topic_{topic_id}", "messages"}, Key: []string{"id"},
		Columns: []pglisten.Column{
			{Name: "id", Type: typ(pglisten.Exact)},
			{Name: "topic_id", Type: typ(pglisten.Exact)},
			{Name: "author_id", Type: typ(pglisten.Exact)},
			{Name: "content", Type: typ(pglisten.Text)},
			{Name: "state", Type: typ(pglisten.Text)},
			{Name: "score", Type: typ(pglisten.Number)},
			{Name: "pinned", Type: typ(pglisten.Bool)},
			{Name: "meta", Type: typ(pglisten.JSON)},
			{Name: "created_at", Type: typ(pglisten.Timestamp)},
			{Name: "edited_at", Type: typ(pglisten.Timestamp)},
		},
	}
}
