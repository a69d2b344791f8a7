package bridge

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var jsonSamples = []string{
	`{}`, `[]`, `null`, `true`, `false`, `0`, `-0`, `-1.50e+07`, `1E5`, `""`, `"a\u0000\ud83d\ude00\"\\\/\b\f\n\r\t"`,
	` { "a" : [ 1 , { "b" : null } ] , "a" : "twice" } `, "[1,\n2]", `123456789012345678901234567890.000`,
	``, `{`, `}`, `[1,]`, `[,1]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a" true}`, `{"a":}`, `{1:2}`, `01`, `1.`, `.5`, `-`, `1e`, `+1`, `tru`, `nul`, `"`, `"\`,
	`"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", `1 2`, `{} x`, `[[]`, `[}`, `{"a":1 "b":2}`, "\x00", "\ufeff1", `'a'`, `NaN`,
	strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
	strings.Repeat(`{"a":`, 1000),
}

func TestScanner(t *testing.T) {
	t.Parallel()
	for _, text := range jsonSamples {
		checkScanner(t, []byte(text))
	}
}

// FuzzScanner compares the scanner with encoding/json on any bytes.
func FuzzScanner(f *testing.F) {
	for _, text := range jsonSamples {
		f.Add([]byte(text[:min(len(text), 500)]))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkScanner(t, text) })
}

func checkScanner(t *testing.T, text []byte) {
	t.Helper()
	name := text[:min(len(text), 80)]
	valid := json.Valid(text)
	if got := validJSON(text); got != (valid && utf8.Valid(text)) {
		t.Fatalf("validJSON(%q) = %v, encoding/json says %v", name, got, valid)
	}
	checkMembers(t, text, valid)
	if !valid {
		return
	}
	var want bytes.Buffer
	if err := json.Compact(&want, text); err != nil {
		t.Fatal(err)
	}
	if got := appendCompact(nil, text); !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("compact %q: %q, want %q", name, got, want.Bytes())
	}
	var s string
	if json.Unmarshal(text, &s) == nil && utf8.Valid(text) && want.Bytes()[0] == '"' {
		if got := string(appendUnquoted(nil, want.Bytes())); got != s {
			t.Fatalf("unquote %q: %q, want %q", name, got, s)
		}
	}
}

// checkMembers compares the members and elements with those of encoding/json.
func checkMembers(t *testing.T, text []byte, valid bool) {
	t.Helper()
	var object map[string]json.RawMessage
	isObject := valid && json.Unmarshal(text, &object) == nil && object != nil
	members := scanner{text: text}
	last := map[string][]byte{}
	for name, value := range members.members {
		if !json.Valid(name) || !json.Valid(value) {
			t.Fatalf("member %q: %q is no JSON", name, value)
		}
		var key string
		if err := json.Unmarshal(name, &key); err != nil {
			t.Fatal(err)
		}
		last[key] = value
	}
	if members.done() != isObject {
		t.Fatalf("members of %.80q: done is %v", text, members.done())
	}
	if isObject && len(last) != len(object) {
		t.Fatalf("members of %.80q: %d names, want %d", text, len(last), len(object))
	}
	for key, value := range object {
		if isObject && !bytes.Equal(last[key], value) {
			t.Fatalf("member %q is %q, want %q", key, last[key], value)
		}
	}
	var array []json.RawMessage
	isArray := valid && json.Unmarshal(text, &array) == nil && array != nil
	elements := scanner{text: text}
	n := 0
	for value := range elements.elements {
		if isArray && !bytes.Equal(value, array[n]) {
			t.Fatalf("element %d is %q, want %q", n, value, array[n])
		}
		n++
	}
	if elements.done() != isArray || isArray && n != len(array) {
		t.Fatalf("elements of %.80q: %d, done is %v", text, n, elements.done())
	}
}

// TestPlain compares with one byte at a time.
func TestPlain(t *testing.T) {
	t.Parallel()
	letters := []byte("ab \x7f\x80\xa2\xdc\xff!#[]\x1f\x01\x00\"\\")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.SampledFrom(letters), 0, 40).Draw(t, "text")
		want := slices.IndexFunc(text, func(c byte) bool { return c < ' ' || c == '"' || c == '\\' })
		if want < 0 {
			want = len(text)
		}
		if got := plain(text); got != want {
			t.Fatalf("%q: got %d, want %d", text, got, want)
		}
	})
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		quoted := appendString(nil, text)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil || back != text {
			t.Fatalf("%q became %s, which reads %q (%v)", text, quoted, back, err)
		}
		if got := string(appendUnquoted([]byte("x"), quoted)); got != "x"+text {
			t.Fatalf("%s reads %q", quoted, got)
		}
	})
}

// TestAppendString/as_postgres: the form in which row_to_json writes names.
func TestAppendStringAsPostgres(t *testing.T) {
	t.Parallel()
	got := string(appendString(nil, "a\"b\\c/d\b\f\n\r\t\x01\x1f\x7fé\u2028<&>"))
	want := `"a\"b\\c/d\b\f\n\r\t\u0001\u001f` + "\x7fé\u2028" + `<&>"`
	if got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}
