package bridge

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
)

// FuzzValue: whatever value Postgres writes and whatever type it has by now, it
// is sent as one JSON value of the form that the protocol has for the type, and
// says the same.
func FuzzValue(f *testing.F) {
	kinds := []*pglisten.Type{
		textType, numType, exactType, boolType, jsonType, timeType, byteType, nil,
		arrayOf(exactType), arrayOf(jsonType), arrayOf(timeType),
		compositeOf(pglisten.Column{Name: "n", Type: exactType}, pglisten.Column{Name: `na"me`, Type: arrayOf(byteType)}),
	}
	for i, value := range []string{
		`"hi \"you\"\n\u0001\ud83d\ude00\ud800"`, `-1.50e+07`, `"NaN"`, `"true"`, "{ \"a\" : [1,\n 2.0 ] }", `"2026-11-23T00:42:55.278+05:45"`,
		`"\\x00ff10"`, `[ 1 ]`, `[[1,null],[-3]]`, `[{"a": 9007199254740993}]`, `["infinity","0044-03-15T12:00:00+00:00 BC"]`, `{"n":1,"na\"me":["a\\000\\377\\\\"],"gone":7}`,
	} {
		f.Add(byte(i), []byte(value))
	}
	f.Fuzz(func(t *testing.T, kind byte, value []byte) {
		value = bytes.TrimSpace(value)
		if !validJSON(value) {
			return // refused before: see columns.read
		}
		typ := kinds[int(kind)%len(kinds)]
		got := appendValue([]byte("before"), value, typ)
		got = got[len("before"):]
		if !validJSON(got) || len(got) > 2*len(value)+2 {
			t.Fatalf("%q became %q", value, got)
		}
		// In topic names, and as an id.
		quoted := appendQuoted(nil, value, typ)
		var id string
		if err := json.Unmarshal(quoted, &id); err != nil {
			t.Fatalf("%q is %q as an id: %v", value, quoted, err)
		}
		if text := appendText(nil, value, typ); string(text) != id {
			t.Fatalf("%q is %q in a name and %q as an id", value, text, id)
		}
		if short := cut(slices.Clone(got), 0); !validJSON(short) || utf8.RuneCount(short) > 6*cutAt+2 {
			t.Fatalf("%q is cut to %q", got, short)
		}
		if typ == nil {
			return
		}
		var said string
		isText := json.Unmarshal(value, &said) == nil && value[0] == '"'
		switch form := got[0]; {
		case string(value) == "null":
			if string(got) != "null" {
				t.Fatalf("NULL became %q", got)
			}
		case typ.Kind == pglisten.Text || typ.Kind == pglisten.Exact:
			if form != '"' || isText && !bytes.Equal(got, value) {
				t.Fatalf("%q became %q", value, got)
			}
		case typ.Kind == pglisten.JSON:
			if !sameValue(got, value) {
				t.Fatalf("%q became %q", value, got)
			}
		case typ.Kind == pglisten.Timestamp && isText:
			checkTimestamp(t, said, got)
		case typ.Kind == pglisten.Bytes && isText:
			checkBytea(t, said, value, got)
		}
	})
}

// checkTimestamp compares with package time where it reads what Postgres printed.
func checkTimestamp(t *testing.T, said string, got []byte) {
	t.Helper()
	want, err := time.Parse(time.RFC3339Nano, said)
	if err != nil || strings.HasSuffix(said, "Z") || strings.ContainsRune(said, ',') || want.UTC().Year() < 1 {
		return
	}
	if _, fraction, _ := strings.Cut(said, "."); strings.IndexFunc(fraction, notDigit) > 6 {
		return // Postgres prints six digits at most
	}
	var text string
	if err := json.Unmarshal(got, &text); err != nil {
		t.Fatal(err)
	}
	if is, err := time.Parse(time.RFC3339Nano, text); want.UTC().Year() < 10_000 && (err != nil || !is.Equal(want) || !strings.HasSuffix(text, "Z")) {
		t.Fatalf("%q became %q", said, text)
	}
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// checkBytea compares with package hex.
func checkBytea(t *testing.T, said string, value, got []byte) {
	t.Helper()
	digits, isHex := strings.CutPrefix(said, `\x`)
	want, err := hex.DecodeString(digits)
	if !isHex || strings.Contains(digits, `\`) || !bytes.HasPrefix(value, []byte(`"\\x`)) {
		return
	}
	var text string
	if wrong := json.Unmarshal(got, &text); wrong != nil {
		t.Fatal(wrong)
	}
	if err == nil && bytes.Equal(value[4:len(value)-1], []byte(digits)) && text != base64.StdEncoding.EncodeToString(want) || err != nil && text != said {
		t.Fatalf("%q became %q", said, text)
	}
}

// sameValue compares two JSON values, numbers by their digits.
func sameValue(a, b []byte) bool {
	var compact bytes.Buffer
	return json.Compact(&compact, b) == nil && bytes.Equal(a, compact.Bytes())
}

// FuzzNotification: what comes on an application's own channel is sent as its
// payload if it is a JSON object, and as its text if not.
func FuzzNotification(f *testing.F) {
	f.Add(`{"user_id": 7, "n": [1, 2]}`, "user_{user_id}")
	f.Add(`{"user_id":"a b"}`, "{user_id}")
	f.Add("hi \xff\n", "all")
	f.Add(`{"a":1}x`, "{a}{")
	f.Add(` {"user_id":null} `, "{user_id}")
	f.Fuzz(func(t *testing.T, payload, template string) {
		tr := newTranslator(translatorOptions{Epoch: "k3f9", Channels: []Channel{{Name: "c", Type: "t", Topics: []string{template, "all"}}}})
		items := tr.notification(pglisten.Notification{Channel: "c", Payload: payload})
		if len(items) != 1 {
			t.Fatalf("%d events of %q", len(items), payload)
		}
		checkFuzzed(t, items[0])
		var e struct {
			Topics  []string
			Payload json.RawMessage
		}
		if err := json.Unmarshal(items[0].Data, &e); err != nil {
			t.Fatal(err)
		}
		clean := strings.ToValidUTF8(payload, "\uFFFD")
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(clean), &object) == nil && object != nil {
			if !sameValue(e.Payload, []byte(clean)) {
				t.Fatalf("%q was sent as %s", payload, e.Payload)
			}
			return
		}
		var text struct{ Text *string }
		if err := json.Unmarshal(e.Payload, &text); err != nil || text.Text == nil || *text.Text != clean {
			t.Fatalf("%q was sent as %s", payload, e.Payload)
		}
	})
}

// FuzzDerive: whatever rules a watch has, a change makes its own event and, with
// the fields asked for, those of the rules that hold.
func FuzzDerive(f *testing.F) {
	f.Add([]byte(`[{"type":"approved","on":"update","column":"content","becomes":"b","fields":{"x":"id","payload":"content"}}]`), `{"id":1,"content":"b"}`, `{"id":1,"content":"a"}`, "message")
	f.Add([]byte(`[{"type":"n","on":"update","column":"id","equals":1},{"type":"n","on":"update"},{"type":"Bad","on":"update"}]`), `{"id":1}`, `{}`, "m")
	f.Add([]byte(`[{"type":"c","on":"update","column":"gone","changes":true,"fields":{"":"gone","\"":"id","changed":"id"}}]`), `{"gone":null}`, `{"gone":[1]}`, "payload")
	f.Add([]byte(`[{"type":"n","on":"update","column":"id","equals":1}]`), `{"id":2}`, `{}`, "m")
	f.Fuzz(func(t *testing.T, derive []byte, row, old, entity string) {
		var rules []pglisten.Derive
		if json.Unmarshal(derive, &rules) != nil || len(rules) > 100 {
			return // refused before: see FuzzWatch of pglisten
		}
		w := watchMessages(func(w *pglisten.Watch) {
			w.Derive, w.Entity, w.Templates, w.TopicColumn, w.Unchanged = rules, entity, []string{"all"}, "", true
		})
		tr := newTranslator(translatorOptions{Epoch: "k3f9"})
		items := tr.batch(pglisten.Batch{Changes: []pglisten.Change{changeOf(w, pglisten.Update, row, old)}, Snapshot: snapshot.New(735)}).Items
		var types []string
		for _, item := range items {
			checkFuzzed(t, item)
			if item.Reason != "" {
				if len(items) > 1 {
					t.Fatalf("%d items, a resync among them", len(items))
				}
				return
			}
			var e struct {
				Type    string
				Payload map[string]json.RawMessage
			}
			if err := json.Unmarshal(item.Data, &e); err != nil {
				t.Fatal(err)
			}
			types = append(types, e.Type)
			if len(types) > 1 {
				checkDerived(t, w, e.Type, row, e.Payload)
			}
		}
		if types[0] != entity+"_updated" || len(types) > 1+len(rules) {
			t.Fatalf("%q of %d rules", types, len(rules))
		}
	})
}

// checkDerived: a rule of this type, for updates, has made this payload.
func checkDerived(t *testing.T, w *pglisten.Watch, typ, row string, payload map[string]json.RawMessage) {
	t.Helper()
	var columns map[string]json.RawMessage
	if err := json.Unmarshal([]byte(row), &columns); err != nil {
		t.Fatal(err)
	}
	for _, rule := range w.Derive {
		if rule.Type != typ || rule.On != "update" {
			continue
		}
		fits := true
		for field, column := range rule.Fields {
			own := field == w.Entity || slices.Contains(payloadFields, field)
			_, shown := payload[strings.ToValidUTF8(field, "\uFFFD")]
			_, there := columns[column]
			fits = fits && (own || shown == there)
		}
		if rule.Equals != nil && validJSON(rule.Equals) && columns[rule.Column] != nil {
			fits = fits && reflect.DeepEqual(loose(rule.Equals), loose(columns[rule.Column]))
		}
		if fits {
			return
		}
	}
	t.Fatalf("no rule made %s of %q: %v", typ, row, payload)
}

// loose is a value by its text: 7 and "7" are the same to a rule.
func loose(value []byte) any {
	var text string
	if json.Unmarshal(value, &text) == nil && value[0] == '"' {
		return text
	}
	if string(value) == "null" {
		return nil
	}
	return string(appendCompact(nil, value))
}
