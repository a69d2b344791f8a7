package client

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestParse_reads_the_golden_frames compares it with encoding/json on the
// protocol's own examples.
func TestParse_reads_the_golden_frames(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../*/testdata/frames/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Fatalf("only %d examples", len(files))
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			compare(t, lines.Bytes())
		}
		_ = f.Close()
	}
}

func compare(t *testing.T, line []byte) {
	t.Helper()
	var want struct {
		Type, ID, Cursor, Op string
		Mutation             string `json:"mutation_id"`
		Topics               []string
		Payload              map[string]any
	}
	if err := json.Unmarshal(line, &want); err != nil {
		t.Fatal(err)
	}
	f, err := parse(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	got := f.event(nil)
	row, _ := want.Payload["id"].(string)
	entity := want.Payload
	if want.Op != "emit" {
		name := strings.TrimSuffix(strings.TrimSuffix(want.Type, "_created"), "_updated")
		entity, _ = want.Payload[name].(map[string]any)
	}
	content, _ := entity["content"].(string)
	if f.kind != want.Type || text(f.cursor) != want.Cursor || got.ID != want.ID || !slices.Equal(got.Topics, want.Topics) {
		t.Errorf("%s\nis read as %+v, cursor %s", line, got, f.cursor)
	}
	if key := want.Mutation + "/" + want.Type + "/" + row; got.Key != key || got.Value != content {
		t.Errorf("%s\nhas key %q and value %q, want %q and %q", line, got.Key, got.Value, key, content)
	}
}

func TestParse_takes_no_broken_frame(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{
		"", "{", "[]", "7", `"type"`, `{"type":"a"}`, `{"payload":{}}`, `{"type":"","payload":{}}`, `{"type":7,"payload":{}}`,
		`{"type":"a","payload":[]}`, `{"type":"a","payload":null}`, `{"type":"a","payload":{}} {}`, "{\"type\":\"\xff\",\"payload\":{}}",
	} {
		if f, err := parse([]byte(broken)); err == nil {
			t.Errorf("%s is taken for %+v", broken, f)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(` {"type" : "a\n_created" , "topics":[ "x" , 7,[1,{}] ],"payload":{"id":"\u00e9","n":-1.5e3 ,"a":{"content":"]\"}"}} , "op":true}`))
	f.Add([]byte(`{"type":"message_created","topics":["topic_7"],"payload":{"id":"1","message":{"content":"hi"}},"mutation_id":"m"}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		frame, err := parse(message)
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(message, &want); err != nil {
			t.Fatalf("%s is taken, and is not JSON: %v", message, err)
		}
		if string(frame.payload) != string(want["payload"]) {
			t.Fatalf("payload %s, want %s", frame.payload, want["payload"])
		}
		frame.event(nil)
	})
}

func BenchmarkParse(b *testing.B) {
	message := []byte(`{"type":"message_created","topics":["topic_7","messages"],"payload":{"topic_id":"7","id":"981",` +
		`"message":{"id":"981","topic_id":"7","content":"hi","created_at":"2026-11-23T00:42:55.278Z"},"changed":true},` +
		`"op":"insert","id":"k3f9.20481","at":"2026-11-23T00:42:55.279Z","mutation_id":"c1d8","cursor":"BHRlc3RlBHRlc3Rl"}`)
	known := map[string]string{`"topic_7"`: "topic_7", `"messages"`: "messages"}
	b.ReportAllocs()
	for b.Loop() {
		f, err := parse(message)
		if err != nil {
			b.Fatal(err)
		}
		f.event(known)
	}
}
