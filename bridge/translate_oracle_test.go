package bridge

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
	"rowcast/rooms"
)

// sample is a value as row_to_json writes it, and as a client must read it.
type sample struct {
	written string
	wire    any
}

// TestTranslateLikeTheOracle translates random rows of random tables and
// compares with the protocol's rules written down naively, on decoded JSON.
func TestTranslateLikeTheOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := drawOracle(t)
		tr := newTranslator(translatorOptions{Epoch: "k3f9"})
		got := tr.batch(pglisten.Batch{Changes: []pglisten.Change{o.change(t)}, Snapshot: snapshot.New(735)})
		want := o.events()
		if len(got.Items) != len(want) || tr.counts.poison.Load() != 0 {
			t.Fatalf("%d events, want %d", len(got.Items), len(want))
		}
		for i, item := range got.Items {
			compareEvent(t, item, want[i])
		}
	})
}

func compareEvent(t *rapid.T, item rooms.Item, want map[string]any) {
	if bytes.ContainsAny(item.Data, "\r\n") {
		t.Fatalf("more than a line: %q", item.Data)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, item.Data); err != nil || !bytes.Equal(compact.Bytes(), item.Data) {
		t.Fatalf("not compact (%v): %s", err, item.Data)
	}
	got, _ := decode(string(item.Data)).(map[string]any)
	for _, key := range []string{"id", "at", "cursor"} {
		if _, ok := got[key].(string); !ok {
			t.Fatalf("no %s: %s", key, item.Data)
		}
		delete(got, key)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("\n got %v\nwant %v", got, want)
	}
}

// decode reads JSON with its numbers as they are written.
func decode(text string) (v any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

// oracle is a change of a random table's row.
type oracle struct {
	watch    *pglisten.Watch
	op       pglisten.Op
	row, old []sample // by column
}

func drawOracle(t *rapid.T) *oracle {
	o := &oracle{watch: &pglisten.Watch{
		ID: 1, Table: "things", Entity: "thing", Key: []string{"key"}, TopicColumn: "topic",
		Templates:  []string{"topic_{topic}", "things", "{topic}.{key}"},
		IncludeOld: rapid.Bool().Draw(t, "include old"),
		Unchanged:  rapid.Bool().Draw(t, "unchanged"),
	}}
	o.op = rapid.SampledFrom([]pglisten.Op{pglisten.Insert, pglisten.Update, pglisten.Delete}).Draw(t, "op")
	o.column(t, "key", exactType, rapid.Just(sample{"7", "7"}))
	o.column(t, "topic", textType, rapid.SampledFrom([]sample{{"null", nil}, {`"a"`, "a"}, {`"b"`, "b"}}))
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z"\\\n]{1,6}`), 0, 6, rapid.ID).Draw(t, "names")
	for _, name := range names {
		typ, values := drawType(t, 3)
		if name != "key" && name != "topic" {
			o.column(t, name, typ, values)
		}
	}
	return o
}

func (o *oracle) column(t *rapid.T, name string, typ *pglisten.Type, values *rapid.Generator[sample]) {
	o.watch.Columns = append(o.watch.Columns, pglisten.Column{Name: name, Type: typ})
	before := values.Draw(t, name)
	after := before
	if rapid.Bool().Draw(t, "change") {
		after = values.Draw(t, name+" after")
	}
	o.old = append(o.old, before)
	o.row = append(o.row, after)
}

func (o *oracle) change(t *rapid.T) pglisten.Change {
	c := pglisten.Change{ID: 1, XID: 734, Op: o.op, Watch: o.watch, At: at, TxChanges: 1, Resume: snapshot.New(735)}
	c.New = o.write(t, o.row)
	if o.op == pglisten.Update {
		c.Old = o.write(t, o.old)
	}
	return c
}

// write writes a row as JSON, with columns in it that nobody knows.
func (o *oracle) write(t *rapid.T, row []sample) []byte {
	space := rapid.SampledFrom([]string{"", " ", "\n", "\r\n\t"})
	var members []string
	for i, v := range row {
		name, err := json.Marshal(o.watch.Columns[i].Name)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, fmt.Sprintf(`%s%s:%s%s%s`, name, space.Draw(t, "space"), space.Draw(t, "space"), v.written, space.Draw(t, "space")))
		if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
			members = append(members, `"unknown`+fmt.Sprint(i)+`":{"a":[1,"}"]}`)
		}
	}
	return []byte("{" + strings.Join(members, ",") + "}" + space.Draw(t, "space"))
}

// events are the events the change must make, decoded, but for what hangs on
// its place in the log.
func (o *oracle) events() (all []map[string]any) {
	var changed []any
	old := map[string]any{}
	for i, c := range o.watch.Columns {
		if o.op == pglisten.Update && o.row[i].written != o.old[i].written {
			changed = append(changed, c.Name)
			if o.watch.IncludeOld || c.Name == "key" {
				old[c.Name] = o.old[i].wire
			}
		}
	}
	event := func(typ string, topics []any, payload map[string]any) {
		if len(topics) > 0 {
			op := map[pglisten.Op]string{'I': "insert", 'U': "update", 'D': "delete"}[o.op]
			all = append(all, map[string]any{"type": "thing_" + typ, "topics": topics, "op": op, "payload": payload})
		}
	}
	topics := o.topics(o.row)
	payload := map[string]any{"topic_id": o.row[1].wire, "id": "7", "thing": o.object(o.row, nil), "changed": true}
	switch o.op {
	case pglisten.Insert:
		event("created", topics, payload)
	case pglisten.Delete:
		if !o.watch.IncludeOld {
			payload["thing"] = o.object(o.row, []string{"key", "topic"})
		}
		event("deleted", topics, payload)
	case pglisten.Update:
		if changed == nil && !o.watch.Unchanged {
			return nil
		}
		left := slices.DeleteFunc(o.topics(o.old), func(name any) bool { return slices.Contains(topics, name) })
		event("deleted", left, map[string]any{
			"topic_id": o.old[1].wire, "id": "7", "thing": o.object(o.old, []string{"key"}), "changed": true, "moved": true,
		})
		payload["changed"] = changed != nil
		payload["changed_fields"] = append([]any{}, changed...)
		if len(old) > 0 {
			payload["old"] = old
		}
		event("updated", topics, payload)
	}
	return all
}

func (o *oracle) topics(row []sample) []any {
	if row[1].wire == nil {
		return []any{"things"}
	}
	return []any{"topic_" + row[1].wire.(string), "things", row[1].wire.(string) + ".7"}
}

func (o *oracle) object(row []sample, only []string) map[string]any {
	object := map[string]any{}
	for i, c := range o.watch.Columns {
		if only == nil || slices.Contains(only, c.Name) {
			object[c.Name] = row[i].wire
		}
	}
	return object
}

// drawType returns a random type and its values.
func drawType(t *rapid.T, depth int) (*pglisten.Type, *rapid.Generator[sample]) {
	kinds := []pglisten.Kind{
		pglisten.Text, pglisten.Number, pglisten.Exact, pglisten.Bool, pglisten.JSON, pglisten.Timestamp, pglisten.Bytes,
		pglisten.Array, pglisten.Composite,
	}
	if depth == 0 {
		kinds = kinds[:7]
	}
	typ := &pglisten.Type{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	values := map[pglisten.Kind]func(*rapid.T) sample{
		pglisten.Text: drawText, pglisten.Number: drawNumber, pglisten.Exact: drawExact, pglisten.Bool: drawBool,
		pglisten.JSON: drawJSON, pglisten.Timestamp: drawTime, pglisten.Bytes: drawBytes,
	}[typ.Kind]
	switch typ.Kind {
	case pglisten.Array:
		values = drawArray(t, typ, depth)
	case pglisten.Composite:
		values = drawComposite(t, typ, depth)
	}
	return typ, rapid.Custom(func(t *rapid.T) sample {
		if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
			return sample{"null", nil}
		}
		return values(t)
	})
}

func drawArray(t *rapid.T, typ *pglisten.Type, depth int) func(*rapid.T) sample {
	elem, elems := drawType(t, depth-1)
	typ.Elem = elem
	return func(t *rapid.T) sample {
		list := rapid.SliceOfN(elems, 0, 3).Draw(t, "elements")
		written, wire := []string{}, []any{}
		for _, e := range list {
			written = append(written, e.written)
			wire = append(wire, e.wire)
		}
		return sample{"[" + strings.Join(written, ",\n") + "]", wire}
	}
}

func drawComposite(t *rapid.T, typ *pglisten.Type, depth int) func(*rapid.T) sample {
	var values []*rapid.Generator[sample]
	for _, name := range []string{"a", `b"`, "c d"} {
		field, generator := drawType(t, depth-1)
		typ.Fields = append(typ.Fields, pglisten.Column{Name: name, Type: field})
		values = append(values, generator)
	}
	return func(t *rapid.T) sample {
		var written []string
		wire := map[string]any{}
		for i, f := range typ.Fields {
			v := values[i].Draw(t, "field")
			wire[f.Name] = v.wire
			written = append(written, fmt.Sprintf("%s:%s", appendString(nil, f.Name), v.written))
		}
		return sample{"{" + strings.Join(written, ",") + "}", wire}
	}
}

func drawText(t *rapid.T) sample {
	s := rapid.String().Draw(t, "text")
	written, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return sample{string(written), s}
}

func drawNumber(t *rapid.T) sample {
	if rapid.Bool().Draw(t, "special") {
		s := rapid.SampledFrom([]string{"NaN", "Infinity", "-Infinity"}).Draw(t, "number")
		return sample{`"` + s + `"`, s}
	}
	s := fmt.Sprint(rapid.Float64().Draw(t, "number"))
	return sample{s, json.Number(s)}
}

func drawExact(t *rapid.T) sample {
	n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 30).Draw(t, "digits"))
	s := n.String() + rapid.SampledFrom([]string{"", ".0", ".10"}).Draw(t, "fraction")
	return sample{s, s}
}

func drawBool(t *rapid.T) sample {
	b := rapid.Bool().Draw(t, "bool")
	return sample{fmt.Sprint(b), b}
}

func drawJSON(t *rapid.T) sample {
	s := rapid.SampledFrom([]string{
		`{ "a" : [ 1.0 , null ] , "b" : "x  y" }`, `[]`, `12345678901234567890.0`, `"\u0000\ud83d\ude00"`, "[1,\n{}]", `false`,
	}).Draw(t, "json")
	return sample{s, decode(s)}
}

func drawTime(t *rapid.T) sample {
	offset := rapid.IntRange(-15*3600, 15*3600).Draw(t, "offset")
	micros := rapid.Int64Range(time.Date(3, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(9998, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()).Draw(t, "time")
	at := time.UnixMicro(micros).UTC()
	local := at.Add(time.Duration(offset) * time.Second)
	zone := fmt.Sprintf("%+03d:%02d:%02d", offset/3600, abs(offset)/60%60, abs(offset)%60)
	if offset < 0 && offset > -3600 {
		zone = "-" + zone[1:]
	}
	zone = strings.TrimSuffix(zone, ":00")
	return sample{`"` + local.Format("2006-01-02T15:04:05.999999") + zone + `"`, at.Format("2006-01-02T15:04:05.999999Z")}
}

func abs(n int) int { return max(n, -n) }

func drawBytes(t *rapid.T) sample {
	b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
	text := `\x` + hex.EncodeToString(b)
	if rapid.Bool().Draw(t, "escape") {
		text = ""
		for _, c := range b {
			switch {
			case c == '\\':
				text += `\\`
			case c < ' ' || c >= 0x7f:
				text += fmt.Sprintf(`\%03o`, c)
			default:
				text += string(rune(c))
			}
		}
	}
	return sample{string(appendString(nil, text)), base64.StdEncoding.EncodeToString(b)}
}
