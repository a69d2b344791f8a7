package bridge

import (
	"strings"
	"testing"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
	"rowcast/rooms"
)

// FuzzTranslate: whatever bytes a row holds, and whatever the catalogue believes
// of it, there come valid events of it or resyncs, and no panic.
func FuzzTranslate(f *testing.F) {
	for _, c := range frameCases() {
		f.Add(byte(c.change.Op), c.change.New, c.change.Old, byte(0), "content", "topic_{topic_id}", int64(4096))
	}
	f.Add(byte('I'), []byte(everyTypeRow), []byte(nil), byte(1), "", "{id}{", int64(64))
	f.Add(byte('U'), []byte(`{"id":1}`), []byte(nil), byte(8), "\xb3", "0", int64(0))
	f.Add(byte('U'), []byte(`{"content":{"n":[[{}]]}}`), []byte(`{}`), byte(3), "id", "}{}", int64(300))
	f.Add(byte('I'), []byte(`{"any":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`}`), []byte(nil), byte(0), "", "", int64(0))
	f.Add(byte('R'), []byte(nil), []byte(nil), byte(0), "", "topic_*", int64(4096))
	f.Fuzz(func(t *testing.T, op byte, row, old []byte, flags byte, changed, template string, limit int64) {
		tr := newTranslator(translatorOptions{Epoch: "k3f9", EventBytes: int(limit), Channels: []Channel{
			{Name: "c", Type: "t", Topics: []string{template}},
		}})
		w := fuzzedWatch(template)
		w.IncludeOld, w.Unchanged = flags&1 != 0, flags&2 != 0
		c := changeOf(w, pglisten.Op(op), string(row), "", emitted("typing", template), func(c *pglisten.Change) {
			c.Old, c.NewCut, c.OldCut, c.MutationID = old, flags&4 != 0, flags&8 != 0, changed
			if changed != "" && (c.NewCut || c.OldCut) {
				c.Changed = []string{changed, "id"}
			}
		})
		for _, item := range tr.batch(pglisten.Batch{Changes: []pglisten.Change{c, c}, Snapshot: snapshot.New(735)}).Items {
			checkFuzzed(t, item)
		}
		for _, item := range tr.notification(pglisten.Notification{Channel: "c", Payload: string(row)}) {
			checkFuzzed(t, item)
		}
	})
}

func checkFuzzed(t *testing.T, item rooms.Item) {
	t.Helper()
	if item.Reason != "" {
		return
	}
	if item.Access != nil { // of names and patterns
		for _, name := range item.Topics {
			if !rooms.ValidTopic(strings.ReplaceAll(name, "*", "x")) {
				t.Fatalf("topic %q", name)
			}
		}
		return
	}
	if !validJSON(item.Data) {
		t.Fatalf("no JSON: %q", item.Data)
	}
	checkItem(t, item)
	for _, name := range item.Topics {
		if !rooms.ValidTopic(name) {
			t.Fatalf("topic %q", name)
		}
	}
}

// FuzzTemplate: a template is what its parts are, and every name it makes is a
// topic's and matches its pattern.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"messages", "topic_{topic_id}", "{a}{b}/{a}", "}{}", "{a", "{{a}", "*", "{a}*"} {
		f.Add(text, "7", "x")
	}
	f.Fuzz(func(t *testing.T, text, a, b string) {
		var cs columns
		ts := templates{parseTemplate(text, cs.use)}
		again := ""
		for _, p := range ts[0].parts {
			if p.column < 0 {
				again += p.literal
			} else {
				again += "{" + cs[p.column].name + "}"
			}
		}
		if again != text && len(ts[0].parts) > 0 {
			t.Fatalf("%q became %q", text, again)
		}
		r := make(row, len(cs))
		for i := range r {
			r[i] = appendString(nil, strings.ToValidUTF8([]string{a, b}[i%2], ""))
		}
		refused := 0
		names := ts.names(cs, r, func(*template) { refused++ })
		if len(names)+refused != 1 {
			t.Fatalf("%d names, %d refused", len(names), refused)
		}
		for _, name := range names {
			if !rooms.ValidTopic(name) || !rooms.Covers(ts.patterns(), name) {
				t.Fatalf("%q of %q, in %q", name, text, ts.patterns())
			}
		}
	})
}

// fuzzedWatch is a watch with a column of every kind, and rules.
func fuzzedWatch(template string) *pglisten.Watch {
	w := everyType()
	w.Entity, w.TopicColumn, w.Key = "message", "topic_id", []string{"id", "content"}
	w.Templates = []string{template, "messages"}
	w.Columns = append(w.Columns, watchMessages().Columns[1:]...)
	w.Columns = append(w.Columns, pglisten.Column{Name: "any", Type: &pglisten.Type{Kind: pglisten.Array, Elem: w.Columns[len(w.Columns)-1].Type}})
	w.Derive = []pglisten.Derive{
		{Type: "changed", On: "update", Column: "content", Changes: true, Fields: map[string]string{"json": "json"}},
		{Type: "became", On: "insert", Column: "int8", Becomes: []byte(`7`)},
	}
	return w
}
