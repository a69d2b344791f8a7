package ws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// FuzzFrame: whatever a client sends is answered with exactly one frame of the
// protocol that carries its ref, or ends the session for too many faults.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		`{"type":"auth","ref":1,"token":"x"}`,
		`{"type":"join","ref":2,"topics":["topic_7","bad topic","$x",""]}`,
		`{"type":"join","ref":"3","topics":["topic_7"],"since":"BHRlc3Rl"}`,
		`{"type":"join","ref":4,"topics":["topic_7"],"lookback_ms":1500}`,
		`{"type":"join","ref":4,"topics":["topic_7"],"lookback_ms":-0.1,"since":null}`,
		`{"type":"leave","ref":5,"topics":["topic_7"]}`,
		`{"type":"ping","ref":6}`,
		`{"type":"ping","ref":{}}`, `{"TYPE":"ping"}`, `[1]`, `null`, `"`, ``, `{"ref":1e400}`,
	} {
		f.Add([]byte(seed))
	}
	hub := rooms.New(rooms.Options{})
	gate, err := auth.New(auth.Options{Limits: auth.Limits{JoinsPerSecond: -1}})
	if err != nil {
		f.Fatal(err)
	}
	handler := New(hub, gate, Options{FramesPerSecond: -1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) || len(data) > gate.Limits().FrameBytes {
			return // ended before a frame is looked at
		}
		sub, err := hub.Subscribe(rooms.SubscriberOptions{Level: rooms.Library})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close(errGone)
		s := newSession(handler, rooms.Library, func() {})
		s.sub = sub
		s.admit(gate.Anonymous(), nil)
		if _, err := next(t, sub); err != nil { // $welcome
			t.Fatal(err)
		}
		for range maxFaults {
			err = s.take(t.Context(), data)
			s.requests.wait()
			if err != nil {
				break
			}
			frames, err := next(t, sub)
			if err != nil {
				t.Fatalf("no answer to %q: %v", data, err)
			}
			checkAnswer(t, data, frames)
		}
		if err == nil {
			return
		}
		if e, ok := errors.AsType[ending](err); !ok || e.code != closeViolation || len(*s.bad.times) != maxFaults {
			t.Fatalf("%v after %d faults", err, len(*s.bad.times))
		}
	})
}

func next(t *testing.T, sub *rooms.Subscriber) ([]rooms.Frame, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return sub.Next(ctx, nil)
}

// checkAnswer checks that one frame answers, with the ref of data if it has a
// good one. A join with a cursor that means nothing gets its $resync as well.
func checkAnswer(t *testing.T, data []byte, frames []rooms.Frame) {
	t.Helper()
	if len(frames) == 2 && frames[1].Kind == rooms.Resync {
		frames = frames[:1]
	}
	if len(frames) != 1 {
		t.Fatalf("%d frames answer %q", len(frames), data)
	}
	var answer, request struct {
		Type    string
		Ref     json.RawMessage
		Payload map[string]any
	}
	if err := json.Unmarshal(frames[0].Data, &answer); err != nil || answer.Payload == nil {
		t.Fatalf("%v in %s", err, frames[0].Data)
	}
	if !strings.HasPrefix(answer.Type, "$") {
		t.Fatalf("%s answers %q", frames[0].Data, data)
	}
	_ = json.Unmarshal(data, &request)
	if answer.Ref != nil && !sameJSON(answer.Ref, request.Ref) {
		t.Fatalf("ref %s answers %q", answer.Ref, data)
	}
}

func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil &&
		unescaped(x.String()) == unescaped(y.String())
}

// unescaped undoes what encoding/json does for HTML.
func unescaped(s string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(s)
}

func TestRequest_lookback(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "1500": 1500 * time.Millisecond, "0.5": 500 * time.Microsecond, "1e308": maxLookback,
	} {
		r, err := parseRequest([]byte(`{"type":"join","topics":["a"],"lookback_ms":` + text + `}`))
		if err != nil || *r.lookback() != want {
			t.Errorf("%s is %v, %v; want %v", text, r.lookback(), err, want)
		}
	}
}
