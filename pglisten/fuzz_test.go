package pglisten

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"rowcast/internal/snapshot"
)

// FuzzHead: of a reading's first row all is read or nothing, and what was read
// says again what Postgres said.
func FuzzHead(f *testing.F) {
	f.Add("10:20:10,15", binaryTexts("10:20:10,15", "7:7:"), int64(-5), int64(1), int64(480_000), int64(3), false)
	f.Add("1:1:", binaryTexts(), int64(0), int64(0), int64(0), int64(-1), false)
	f.Add("", []byte{0, 0, 0, 1}, int64(1)<<62, int64(-1), int64(0), int64(8), true)
	f.Add("10:20:10,15", binaryTexts("10:20:9"), int64(1), int64(1), int64(1), int64(1), false)
	types := pgtype.NewMap()
	f.Fuzz(func(t *testing.T, current string, marks []byte, doorbell, clock, keeps, turn int64, null bool) {
		raw := make([][]byte, colTurn+1)
		raw[colSnapshot], raw[colMarks] = []byte(current), marks
		for i, n := range map[int]int64{colDoorbell: doorbell, colClock: clock, colRetention: keeps, colTurn: turn} {
			raw[i] = binary.BigEndian.AppendUint64(nil, uint64(n))
		}
		if null {
			raw[colMarks], raw[colDoorbell] = nil, nil
			doorbell = 0
		}
		h, err := decodeHead(types, raw)
		texts, none := textsOf(types, raw[colMarks])
		want, broken := snapshot.Parse(current)
		for _, text := range texts {
			_, fault := snapshot.Parse(text)
			broken = errors.Join(broken, fault)
		}
		if (err != nil) != (broken != nil || none != nil) {
			t.Fatalf("%v, though its parts say %v and %v", err, broken, none)
		}
		if err != nil {
			if !reflect.ValueOf(h).IsZero() {
				t.Fatalf("%+v with %v", h, err)
			}
			return
		}
		if !h.snapshot.Equal(want) || len(h.marks) != len(texts) || h.doorbell != doorbell || h.clock != clock || h.keeps != keeps || h.turn != turn {
			t.Fatalf("%+v of %q, %q, %d, %d, %d, %d", h, current, texts, doorbell, clock, keeps, turn)
		}
		h.abandoned()
	})
}

// FuzzRow: a log row comes through as it is, its arrays whole or with an error,
// and keeps nothing of the connection's buffer. What its texts hold breaks nobody
// who looks for columns in it.
func FuzzRow(f *testing.F) {
	f.Add(int64(981), int64(734), int64(1), []byte(`{"id":981,"topic_id":7}`), []byte(`{"id":981}`), "c1d8", binaryTexts("content", `na"me`), binaryTexts("topic_7"), byte(3))
	f.Add(int64(-1), int64(-1), int64(-1), []byte(`{"a`), []byte(`{"a\`), "\x00", []byte{0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255}, []byte(nil), byte(0))
	f.Add(int64(0), int64(0), int64(0), []byte(`[{"":"}"}`), []byte(`"`), "", binaryTexts(""), append(binaryTexts("a"), 0), byte(255))
	types := pgtype.NewMap()
	f.Fuzz(func(t *testing.T, id, xid, watch int64, data, old []byte, mutation string, changed, topics []byte, flags byte) {
		raw := make([][]byte, colTurn+1)
		raw[colID], raw[colXID] = number64(id), number64(xid)
		raw[colWatch] = binary.BigEndian.AppendUint32(nil, uint32(watch))
		raw[colOp], raw[colFlags], raw[colAt] = []byte{'U'}, []byte{0, flags}, number64(id^xid)
		raw[colMutationID], raw[colType] = []byte(mutation), []byte(mutation)
		raw[colData], raw[colOld] = slices.Clone(data), slices.Clone(old)
		raw[colChanged], raw[colTopics] = slices.Clone(changed), slices.Clone(topics)
		raw[colTxChanges] = number64(xid)
		c, number := decodeRow(types, raw)
		new(texts).keep(&c)
		for _, field := range raw {
			for i := range field {
				field[i] = '#' // as the next row does
			}
		}
		if c.ID != id || c.XID != uint64(xid) || number != int32(watch) || c.TxChanges != xid || c.MutationID != mutation || c.Type != mutation ||
			!bytes.Equal(c.New, data) || !bytes.Equal(c.Old, old) || c.NewCut != (flags&1 != 0) || c.OldCut != (flags&2 != 0) {
			t.Fatalf("%+v", c)
		}
		for _, list := range []struct {
			raw  []byte
			read []string
		}{{changed, c.Changed}, {topics, c.Topics}} {
			want, ok := elements(list.raw)
			if ok && !slices.Equal(list.read, want) || !ok && c.Err == nil {
				t.Fatalf("%x reads %q, %v", list.raw, list.read, c.Err)
			}
		}
		w := &Watch{known: map[string]bool{"id": true}}
		for _, row := range [][]byte{c.New, c.Old} {
			if key, found := w.unknownKey(row, func(string) bool { return false }); found && w.known[key] {
				t.Fatalf("%q is known", key)
			}
		}
	})
}

func number64(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// binaryTexts is a text[] as array_send writes it.
func binaryTexts(texts ...string) []byte {
	if len(texts) == 0 {
		return []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, pgtype.TextOID}
	}
	b := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, pgtype.TextOID}
	b = binary.BigEndian.AppendUint32(b, uint32(len(texts)))
	b = binary.BigEndian.AppendUint32(b, 1)
	for _, text := range texts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	return b
}

// elements reads what array_send wrote, of any number of dimensions (array.h);
// false if it is nothing of the kind, or has a NULL, which no name is.
func elements(b []byte) (texts []string, ok bool) {
	if b == nil {
		return nil, true
	}
	word := func() (n int32) {
		if ok = ok && len(b) >= 4; ok {
			n, b = int32(binary.BigEndian.Uint32(b)), b[4:]
		}
		return n
	}
	ok = true
	dimensions, count := word(), int64(1)
	word() // whether there are NULLs
	word() // of which type
	if dimensions < 0 || dimensions > 6 {
		return nil, false
	}
	for range dimensions {
		count *= int64(word())
		word() // where it begins
		if count < 0 || count > 1<<20 {
			return nil, false
		}
	}
	if dimensions == 0 {
		count = 0
	}
	for ; ok && count > 0; count-- {
		if n := word(); ok && n >= 0 && int(n) <= len(b) {
			texts, b = append(texts, string(b[:n])), b[n:]
		} else {
			ok = false
		}
	}
	return texts, ok && len(b) == 0
}

// FuzzWatch: of a row of rowcast.watch comes a watch whose rules say what the
// jsonb said, or an error; and who looks up its columns finds each once.
func FuzzWatch(f *testing.F) {
	f.Add([]byte(`[{"type":"approved","on":"update","column":"status","becomes":"approved","fields":{"x":"id"}}]`), "topic_{id}", "status", "", true)
	f.Add([]byte(`[{"type":"n","on":"insert","equals":null}]`), "{a}{b}", "{", "secret", false)
	f.Add([]byte(`[]`), "all", "status", "id", true)
	f.Add([]byte(`[{"type":7}]`), "", "", "", false)
	f.Add([]byte(`{}`), "", "", "", true)
	f.Fuzz(func(t *testing.T, derive []byte, template, topic, exclude string, only bool) {
		row := watchRow{
			ID: 1, OID: 2, Schema: "public", Table: "t", Entity: "t", TopicColumn: &topic, Topics: []string{template},
			Exclude: []string{exclude}, AsText: []string{topic}, Key: []string{"id"}, Derive: derive,
		}
		if only {
			row.Only = []string{topic, "b"}
		}
		ok := "ok"
		row.State = &ok
		known := &types{
			columns: map[uint32][]attribute{2: {{name: "id", typ: 20}, {name: "status", typ: 25}, {name: "b", typ: 9}, {name: "v", typ: 23, virtual: true}}},
			rows:    map[uint32]typeRow{9: {name: "b[]", elem: 20}}, made: map[uint32]*Type{},
		}
		c := &catalogue{watches: map[int32]*Watch{}, faults: map[int32]string{}}
		err := c.add(row, known)
		var rules []Derive
		if wrong := json.Unmarshal(derive, &rules); (wrong != nil) != (err != nil) {
			t.Fatalf("%v, though %q reads with %v", err, derive, wrong)
		}
		if err != nil {
			if len(c.live) > 0 {
				t.Fatal("a watch that cannot be read is live")
			}
			return
		}
		w := c.watches[1]
		if !reflect.DeepEqual(w.Derive, rules) || len(c.live) != 1 || len(c.faults) != 0 {
			t.Fatalf("%+v of %q", w.Derive, derive)
		}
		for i, column := range w.Columns {
			if !w.known[column.Name] || column.Name == "v" || column.Type == nil ||
				slices.ContainsFunc(w.Columns[:i], func(c Column) bool { return c.Name == column.Name }) {
				t.Fatalf("column %+v", column)
			}
		}
		if len(w.Columns) == 0 || w.Columns[0].Name != "id" {
			t.Fatalf("the key is not captured: %+v", w.Columns)
		}
	})
}

// FuzzIdentifiers: a function's name in the settings means to Postgres, to which
// it goes quoted, what it would mean there as it was written.
func FuzzIdentifiers(f *testing.F) {
	for _, text := range []string{`app.can_join`, `"App"."can ""join"`, `APP.Überall`, `app.`, `.x`, `"".x`, `a"b".c`, "a.b;--", "a .b", `"a.b"`, "\x00.a", "a.\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fn, err := newFunction("auth.authorize", text, "topic text", "boolean")
		parts := identifiers(text)
		if err == nil && text != "" && !slices.Equal(parts, []string{fn.schema, fn.name}) {
			t.Fatalf("%q is called as %q.%q", text, fn.schema, fn.name)
		}
		if parts == nil || !plainText(text) {
			return
		}
		for _, part := range parts {
			if part == "" || strings.ContainsRune(part, 0) {
				t.Fatalf("%q has the part %q", text, part)
			}
		}
		if again := identifiers(pgx.Identifier(parts).Sanitize()); !slices.Equal(again, parts) {
			t.Fatalf("%q is %q, and quoted %q", text, parts, again)
		}
		folded := regexp.MustCompile(`[A-Z]`).ReplaceAllStringFunc(text, strings.ToLower)
		if !strings.Contains(text, `"`) && strings.Join(parts, ".") != folded {
			t.Fatalf("%q is %q", text, parts)
		}
	})
}
