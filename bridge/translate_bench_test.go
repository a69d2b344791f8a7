package bridge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rowcast/pglisten"
)

// A row of ten columns, before and after an update of one.
const (
	tenBefore = `{"id":981,"topic_id":7,"author_id":20481,"content":"Hello \"world\", this is a message of an ordinary length.",` +
		`"state":"draft","score":12.5,"pinned":false,"meta":{"tags": ["a", "b"], "n": 1},"created_at":"2026-11-23T00:42:55.278123+00:00","edited_at":null}`
	tenAfter = `{"id":981,"topic_id":7,"author_id":20481,"content":"Hello \"world\", this is a message of an ordinary length.",` +
		`"state":"published","score":12.5,"pinned":false,"meta":{"tags": ["a", "b"], "n": 1},"created_at":"2026-11-23T00:42:55.278123+00:00","edited_at":null}`
)

// mostTranslate is what translating and encoding a row of ten columns may take, in ns.
const mostTranslate = 3000

// BenchmarkTranslate translates and encodes changes of a row of ten columns.
func BenchmarkTranslate(b *testing.B) {
	for _, c := range tenChanges() {
		b.Run(opName(c.Op), func(b *testing.B) {
			t := newTranslator(translatorOptions{Epoch: "k3f9"})
			batch := oneBatch(c, c, c, c, c, c, c, c)
			b.ReportAllocs()
			for i := 0; i < b.N; i += len(batch.Changes) {
				if items := t.batch(batch).Items; len(items) != len(batch.Changes) {
					b.Fatal("wrong number of items", len(items))
				}
			}
			b.ReportMetric(mostTranslate, "ns-at-most")
		})
	}
}

// BenchmarkEncode encodes the events of the same changes, read and decided.
func BenchmarkEncode(b *testing.B) {
	for _, c := range tenChanges() {
		b.Run(opName(c.Op), func(b *testing.B) {
			t := newTranslator(translatorOptions{Epoch: "k3f9"})
			items := t.change(nil, &c)
			b.ReportAllocs()
			for b.Loop() {
				items = t.encode(items[:0], &c)
			}
		})
	}
}

// BenchmarkPieces translates pieces of 512 changes of rows of many topics.
func BenchmarkPieces(b *testing.B) {
	t := newTranslator(translatorOptions{Epoch: "k3f9"})
	changes := slices.Collect(slices.Chunk(mixedChanges(100*512, 1000), 512))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		piece := oneBatch(changes[n%len(changes)]...)
		if items := t.batch(piece).Items; len(items) != len(piece.Changes) {
			b.Fatal("wrong number of items", len(items))
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*512), "ns/change")
}

// tenChanges are an insert, an update and a delete of the row of ten columns.
func tenChanges() []pglisten.Change {
	w := tenColumns()
	return []pglisten.Change{
		changeOf(w, pglisten.Insert, tenAfter, ""),
		changeOf(w, pglisten.Update, tenAfter, tenBefore),
		changeOf(w, pglisten.Delete, tenAfter, ""),
	}
}

// mixedChanges are inserts, updates and deletes of as many rows of so many topics.
func mixedChanges(n, topics int) (changes []pglisten.Change) {
	w := tenColumns()
	random := rand.New(rand.NewPCG(1, 2))
	ops := []pglisten.Op{pglisten.Insert, pglisten.Update, pglisten.Delete}
	for i := range n {
		row := strings.NewReplacer("981", strconv.Itoa(900+i), `"topic_id":7`, fmt.Sprintf(`"topic_id":%d`, random.IntN(topics)))
		c := changeOf(w, ops[i%len(ops)], row.Replace(tenAfter), "", nth(int64(i), 734))
		if c.Op == pglisten.Update {
			c.Old = []byte(row.Replace(tenBefore))
		}
		changes = append(changes, c)
	}
	return changes
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
