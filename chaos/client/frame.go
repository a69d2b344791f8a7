package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"rowcast/chaos/oracle"
)

// frame is a frame as it came. Its fields lie in the message, as JSON, and are
// good until the next one is read; a field that is absent is nil.
type frame struct {
	kind                                           string
	ref, topics, payload, op, id, cursor, mutation []byte
}

// control is what of the payloads of control frames matters here.
type control struct {
	Topics       []string
	Denied       map[string]struct{ Code string }
	Replayed     int
	Recovered    *bool
	Cursor       string
	Reason       string
	Code         any   // of $error a word, of $bye a number
	HeartbeatMS  int64 `json:"heartbeat_ms"`
	RetryAfterMS int64 `json:"retry_after_ms"`
}

// parse reads a frame and holds it against the first of what always holds. One
// that many clients are sent many times over should cost little: it is looked
// through once to see that it is JSON, and then only what is needed is copied.
func parse(message []byte) (f frame, err error) {
	switch {
	case !utf8.Valid(message):
		return f, errors.New("not UTF-8")
	case !json.Valid(message):
		return f, errors.New("not JSON")
	}
	if message = bytes.TrimLeft(message, " \t\r\n"); message[0] != '{' {
		return f, errors.New("not an object")
	}
	for name, value := range members(message) {
		switch string(name) {
		case `"type"`:
			f.kind = text(value)
		case `"ref"`:
			f.ref = value
		case `"topics"`:
			f.topics = value
		case `"payload"`:
			f.payload = value
		case `"op"`:
			f.op = value
		case `"id"`:
			f.id = value
		case `"cursor"`:
			f.cursor = value
		case `"mutation_id"`:
			f.mutation = value
		}
	}
	switch {
	case f.kind == "":
		return f, errors.New("no type")
	case f.payload == nil || f.payload[0] != '{':
		return f, errors.New("no payload")
	}
	return f, nil
}

// control reads the payload of a control frame.
func (f frame) control() (c control, err error) {
	return c, json.Unmarshal(f.payload, &c)
}

// event is what goes into the journal. Names of topics that are known are not
// copied.
func (f frame) event(known map[string]string) oracle.Event {
	e := oracle.Event{ID: text(f.id), Received: time.Now()}
	for topic := range elements(f.topics) {
		name, ok := known[string(topic)]
		if !ok {
			name = text(topic)
		}
		e.Topics = append(e.Topics, name)
	}
	entity, row, content := f.entity(), "", []byte(nil)
	for name, value := range members(f.payload) {
		switch {
		case string(name) == `"id"`:
			row = text(value)
		case string(name) == `"content"` && entity == "": // of an emit
			content = value
		case entity != "" && value[0] == '{' && string(name[1:len(name)-1]) == entity:
			content = member(value, `"content"`)
		}
	}
	e.Value = text(content)
	e.Key = text(f.mutation) + "/" + f.kind + "/" + row
	return e
}

// entity is under what name the payload holds the row; a deleted one has no
// content any more.
func (f frame) entity() string {
	if string(f.op) == `"emit"` {
		return ""
	}
	for _, ending := range []string{"_created", "_updated"} {
		if entity, cut := strings.CutSuffix(f.kind, ending); cut {
			return entity
		}
	}
	return "$none"
}

// members are those of a valid JSON object, as they stand there.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for rest := space(object[1:]); rest[0] != '}'; {
			n := width(rest)
			name := rest[:n]
			rest = space(space(rest[n:])[1:]) // the colon
			n = width(rest)
			if !yield(name, rest[:n]) {
				return
			}
			rest = comma(rest[n:])
		}
	}
}

// elements are those of a valid JSON array, as they stand there; of anything
// else there are none.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if len(array) == 0 || array[0] != '[' {
			return
		}
		for rest := space(array[1:]); rest[0] != ']'; {
			n := width(rest)
			if !yield(rest[:n]) {
				return
			}
			rest = comma(rest[n:])
		}
	}
}

// member is one of them, nil if there is none.
func member(object []byte, want string) []byte {
	for name, value := range members(object) {
		if string(name) == want {
			return value
		}
	}
	return nil
}

// width is how long the value is with which the text begins.
func width(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the end of what a number or a word stands in
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

func space(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// comma skips what stands between two values.
func comma(b []byte) []byte {
	if b = space(b); b[0] == ',' {
		b = space(b[1:])
	}
	return b
}

// text is what a JSON string says; of another value, or none, "".
func text(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1])
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return "" // never: it is valid
	}
	return s
}

// quote is a text as the daemon's JSON has it, mostly.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return "" // never: it is a string
	}
	return string(quoted)
}
