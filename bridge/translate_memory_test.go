package bridge

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rowcast/pglisten"
	"rowcast/rooms"
)

// TestTranslatorRemembersNothing: whatever it has seen before, a translator makes
// of a piece what new ones make of its changes, and keeps none of the piece's memory.
func TestTranslatorRemembersNothing(t *testing.T) {
	t.Parallel()
	w := watchMessages(withOld)
	w.Templates = []string{"topic_{topic_id}", "says_{content}", "messages"}
	rapid.Check(t, func(t *rapid.T) {
		tr := newTranslator(translatorOptions{Epoch: "k3f9"})
		refused := int64(0)
		for range rapid.IntRange(1, 10).Draw(t, "pieces") {
			piece := oneBatch(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pglisten.Change { return drawChange(t, w) }), 1, 4).Draw(t, "piece")...)
			var want []rooms.Item
			for _, c := range piece.Changes {
				fresh := newTranslator(translatorOptions{Epoch: "k3f9"})
				want = append(want, fresh.batch(oneBatch(c)).Items...)
				refused += fresh.counts.badTopics.Load()
			}
			got := tr.batch(piece).Items
			useAgain(piece)
			if !slices.EqualFunc(got, want, sameItem) {
				t.Fatalf("\n got %s\nwant %s", items(got), items(want))
			}
		}
		if n := tr.counts.badTopics.Load(); n != refused {
			t.Errorf("%d names refused, want %d", n, refused)
		}
	})
}

// useAgain does to a piece's memory what the source does when it was taken (see
// pglisten.Sink), and worse.
func useAgain(b pglisten.Batch) {
	for _, c := range b.Changes {
		for _, text := range [][]byte{c.New, c.Old} {
			copy(text, bytes.Repeat([]byte("X"), len(text)))
		}
	}
	clear(b.Changes)
}

func sameItem(a, b rooms.Item) bool { return reflect.DeepEqual(a, b) }

// drawChange draws an insert, an update or a delete of messages.
func drawChange(t *rapid.T, w *pglisten.Watch) pglisten.Change {
	old := ""
	op := rapid.SampledFrom([]pglisten.Op{pglisten.Insert, pglisten.Update, pglisten.Delete}).Draw(t, "op")
	if op == pglisten.Update {
		old = drawMessage(t)
	}
	return changeOf(w, op, drawMessage(t), old)
}

// drawMessage draws a row of few values, among them such as make no topic's name,
// with a column missing at times, and in any spacing.
func drawMessage(t *rapid.T) string {
	var members []string
	for _, column := range [][]string{
		{`"id"`, `981`, `9`, `98`},
		{`"topic_id"`, `7`, `71`, `null`, `"*"`},
		{`"content"`, `"hi"`, `"hi\nyou"`, `1`, `11`, `null`, `""`},
		{`"created_at"`, `"2026-11-23T01:42:55.278+01:00"`, `null`},
	} {
		value := rapid.SampledFrom(append(column[1:], "")).Draw(t, column[0])
		colon := rapid.SampledFrom([]string{":", ":", ": ", " :"}).Draw(t, "colon")
		if value != "" {
			members = append(members, column[0]+colon+value)
		}
	}
	comma := rapid.SampledFrom([]string{",", ",", " ,", ", "}).Draw(t, "comma")
	return "{" + strings.Join(members, comma) + "}"
}

func items(list []rooms.Item) (text string) {
	for _, item := range list {
		text += fmt.Sprintf("%q %s\n", item.Topics, item.Data)
	}
	return text
}

// TestTranslateAllocations: a piece costs the memory of its list of items, and of each
// item's topics.
//
// Not parallel: it counts allocations.
func TestTranslateAllocations(t *testing.T) {
	whole := tenColumns()
	whole.ID, whole.IncludeOld = 2, true
	changes := mixedChanges(512, 64)
	for i := range changes {
		if i%2 == 0 {
			changes[i].Watch = whole
		}
	}
	tr := newTranslator(translatorOptions{Epoch: "k3f9"})
	piece := oneBatch(changes...)
	if n := len(tr.batch(piece).Items); n != len(changes) {
		t.Fatalf("%d items of %d changes", n, len(changes))
	}
	n := testing.AllocsPerRun(20, func() { tr.batch(piece) })
	if want := float64(1 + 2*len(changes)); n != want { // a list and a name; the other template is a name
		t.Errorf("%v allocations, want %v", n, want)
	}
}
