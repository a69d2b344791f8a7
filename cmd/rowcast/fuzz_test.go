package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// FuzzFollower: whatever tail is sent, it shows each event once and on one line,
// goes on from a cursor that it was given after its join only, and asks for nothing
// but its topics.
func FuzzFollower(f *testing.F) {
	const joined = `{"type":"$joined","ref":1,"payload":{"topics":["x"],"cursor":"c1"}}`
	for _, frames := range []string{
		`{"type":"$welcome","payload":{"heartbeat_ms":25000,"cursor":"never"}}` + "\n" + joined + "\n" +
			`{"type":"t","topics":["x"],"payload":{},"id":"e.1","at":"2026-11-23T00:42:55Z","cursor":"c2"}` + "\n" + `{"type":"t","payload":{},"id":"e.1","cursor":"c3"}`,
		`{"type":"t","payload":{},"id":"e.1","cursor":"c2"}` + "\n" + joined,
		joined + "\n" + `{"type":"$left","payload":{"topics":["x"],"code":"revoked"}}`,
		joined + "\n" + `{"type":"$resync","payload":{"topics":["x"],"reason":"bulk"}}` + "\n" + `{"type":"$ping","payload":{"cursor":"c4"}}`,
		`{"type":"$joined","payload":{"denied":{"x":{"code":"unavailable","message":"m"}}}}`, `{"type":"$joined","payload":{"topics":["x"],"denied":{"y":{}}}}`,
		`{"type":"$bye","payload":{"code":1012,"retry_after_ms":9223372036854775807}}`, `{"type":"$error","payload":{"code":"forbidden"}}`, `{"type":"$welcome","payload":null}`,
		`{"type":"$"}`, `null`, `[]`, `{"type":"t\u000a","topics":["\u001b[2J"],"payload":{ "a" :` + "\r" + `1}}`, `{"at":7}`, `{"type":"t","payload":{"content":"` + "\u009b2J\x7f" + `"}}`,
	} {
		f.Add(frames)
	}
	f.Fuzz(func(t *testing.T, frames string) {
		var shown bytes.Buffer
		given := map[string]bool{"": true}
		fl := &follower{topics: []string{"x", "y"}, notice: func(string) {}}
		ids := map[string]bool{}
		fl.show = func(e frame) error {
			before := shown.Len()
			if err := showLine(&shown, e); err != nil {
				t.Fatal(err)
			}
			line := shown.Bytes()[before:]
			if bytes.ContainsFunc(line[:len(line)-1], unicode.IsControl) {
				t.Fatalf("%q shows %q", e.raw, line)
			}
			if e.ID != "" && e.Type[:min(1, len(e.Type))] != "$" && ids[e.ID] {
				t.Fatalf("%q is shown twice", e.ID)
			}
			ids[e.ID] = true
			return nil
		}
		send := func(text []byte) error {
			var join struct{ Topics []string }
			if err := json.Unmarshal(text, &join); err != nil || len(join.Topics) == 0 ||
				slices.ContainsFunc(join.Topics, func(topic string) bool { return topic != "x" && topic != "y" }) {
				t.Fatalf("it asks for %q", text)
			}
			return nil
		}
		for data := range strings.SplitSeq(frames, "\n") {
			var e struct {
				Cursor  string
				Payload json.RawMessage
			}
			if json.Unmarshal([]byte(data), &e) == nil {
				given[e.Cursor] = true
				_ = json.Unmarshal(e.Payload, &e)
				given[e.Cursor] = true
			}
			wasJoined, before := fl.joined, fl.cursor
			err := fl.heed([]byte(data), send)
			if fl.cursor != before && !fl.joined || !given[fl.cursor] {
				t.Fatalf("%q made the cursor %q (joined: %v)", data, fl.cursor, wasJoined)
			}
			if _, final := errors.AsType[finalError](err); final {
				return
			}
		}
	})
}
