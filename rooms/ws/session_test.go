package ws

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

func TestLibrary(t *testing.T) {
	t.Parallel()
	t.Run("join, event, leave", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		c := w.library(t)
		if got := c.conn.Subprotocol(); got != "rowcast.v1" {
			t.Fatalf("subprotocol %q", got)
		}
		c.send(`{"type":"join","ref":2,"topics":["topic_7","messages"]}`)
		if f := c.expect("$joined"); string(f.Ref) != "2" || !reflect.DeepEqual(f.Payload.Topics, []string{"topic_7", "messages"}) || f.Payload.Recovered != nil {
			t.Fatal(f.raw)
		}
		c.expectEvent(w.publish("topic_7", "messages"))
		w.publish("elsewhere")
		c.send(`{"type":"leave","ref":"x","topics":["topic_7","never_joined"]}`)
		if f := c.expect("$left"); string(f.Ref) != `"x"` || !reflect.DeepEqual(f.Payload.Topics, []string{"topic_7"}) {
			t.Fatal(f.raw)
		}
		w.publish("topic_7")
		c.expectEvent(w.publish("messages"))
	})
	t.Run("refs come back as sent", func(t *testing.T) {
		t.Parallel()
		c := setup(t).library(t)
		for _, ref := range []string{`1`, `-2.5e3`, `"a b"`, `"\u00e9é\ud800"`, `""`, `123456789012345678901234567890`} {
			c.send(`{"type":"ping","ref":%s}`, ref)
			if f := c.expect("$pong"); string(f.Ref) != ref {
				t.Errorf("ref %s came back as %s", ref, f.Ref)
			}
		}
		c.send(`{"type":"ping"}`)
		if f := c.expect("$pong"); f.Ref != nil {
			t.Errorf("ref %s out of nothing", f.Ref)
		}
	})
	t.Run("auth is answered and ignored", func(t *testing.T) {
		t.Parallel()
		c := setup(t).library(t)
		c.send(`{"type":"auth","ref":1,"token":"whatever"}`)
		if f := c.expect("$authed"); string(f.Ref) != "1" {
			t.Fatal(f.raw)
		}
	})
	t.Run("topics are refused one by one", func(t *testing.T) {
		t.Parallel()
		w := setup(t, func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Limits.Topics = 2 })
		c := w.library(t)
		c.send(`{"type":"join","ref":1,"topics":["a","b c","$x","b","c","a"]}`)
		f := c.expect("$joined")
		codes := map[string]rooms.Code{}
		for topic, d := range f.Payload.Denied {
			codes[topic] = d.Code
		}
		if !reflect.DeepEqual(f.Payload.Topics, []string{"a", "b"}) || !reflect.DeepEqual(codes, map[string]rooms.Code{
			"b c": rooms.BadTopic, "$x": rooms.BadTopic, "c": rooms.TooManyTopics,
		}) {
			t.Fatal(f.raw)
		}
		c.send(`{"type":"leave","topics":["a"]}`)
		c.expect("$left")
		c.send(`{"type":"join","topics":["c"]}`)
		if f := c.expect("$joined"); f.Payload.Denied != nil {
			t.Fatalf("a place became free, but %s", f.raw)
		}
	})
	t.Run("since", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		since := w.hub.Cursor()
		first, second := w.publish("a"), w.publish("a")
		c := w.library(t)
		c.send(`{"type":"join","ref":1,"topics":["a"],"since":%q}`, since)
		c.expectEvent(first)
		c.expectEvent(second)
		f := c.expect("$joined")
		if f.Payload.Replayed != 2 || f.Payload.Recovered == nil || !*f.Payload.Recovered {
			t.Fatal(f.raw)
		}
		for _, foreign := range []string{"", "%%%", "AAAA", strings.Repeat("x", 5000)} {
			c.send(`{"type":"join","ref":2,"topics":["a"],"since":%q}`, foreign)
			if f := c.expect("$joined"); f.Payload.Recovered == nil || *f.Payload.Recovered {
				t.Fatal(f.raw)
			}
			if f := c.expect("$resync"); f.Payload.Reason != "cursor_foreign" || !reflect.DeepEqual(f.Payload.Topics, []string{"a"}) {
				t.Fatal(f.raw)
			}
		}
	})
	t.Run("lookback", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, func(r *rooms.Options, _ *auth.Options, _ *Options) { r.Lookback = time.Minute })
			<-time.After(time.Hour)
			w.publish("a")
			<-time.After(90 * time.Second)
			last := w.publish("a")
			<-time.After(time.Second)
			c := w.library(t)
			for _, ms := range []string{"2000", "2e3", "1500.5"} {
				c.send(`{"type":"join","topics":["a"],"lookback_ms":%s}`, ms)
				c.expectEvent(last)
				if f := c.expect("$joined"); f.Payload.Replayed != 1 || !*f.Payload.Recovered {
					t.Fatal(f.raw)
				}
			}
			c.send(`{"type":"join","topics":["a"],"lookback_ms":1e300}`)
			if f := c.expect("$joined"); f.Payload.Replayed != 0 || *f.Payload.Recovered {
				t.Fatal(f.raw)
			}
			c.expect("$resync")
			c.send(`{"type":"join","topics":["a"],"lookback_ms":0}`)
			if f := c.expect("$joined"); f.Payload.Replayed != 0 {
				t.Fatal(f.raw)
			}
		})
	})
}

// TestLibrary_badFrames: each is answered, and none disturbs what follows.
func TestLibrary_badFrames(t *testing.T) {
	t.Parallel()
	w := setup(t)
	long := strings.Repeat("9", maxRef+1)
	many := strings.Repeat(`"a",`, maxNames) + `"a"`
	for _, tt := range []struct{ name, frame, ref string }{
		{"empty", ``, ""},
		{"blank", ` `, ""},
		{"no JSON", `hello`, ""},
		{"half an object", `{"type":"ping","ref":1`, ""},
		{"two objects", `{"type":"ping","ref":1}{"type":"ping","ref":2}`, ""},
		{"array", `[{"type":"ping"}]`, ""},
		{"null", `null`, ""},
		{"number", `7`, ""},
		{"no type", `{"ref":1}`, "1"},
		{"type of another type", `{"type":7,"ref":1}`, "1"},
		{"unknown type", `{"type":"publish","ref":"r"}`, `"r"`},
		{"a server's type", `{"type":"$ping","ref":1}`, "1"},
		{"ref object", `{"type":"ping","ref":{"a":1}}`, ""},
		{"ref array", `{"type":"ping","ref":[1]}`, ""},
		{"ref null", `{"type":"ping","ref":null}`, ""},
		{"ref boolean", `{"type":"ping","ref":true}`, ""},
		{"ref too long", `{"type":"ping","ref":` + long + `}`, ""},
		{"ref string too long", `{"type":"ping","ref":"` + long + `"}`, ""},
		{"join without topics", `{"type":"join","ref":1}`, "1"},
		{"join of nothing", `{"type":"join","ref":1,"topics":[]}`, "1"},
		{"join of null", `{"type":"join","ref":1,"topics":null}`, "1"},
		{"topics string", `{"type":"join","ref":1,"topics":"a"}`, "1"},
		{"topics of numbers", `{"type":"join","ref":1,"topics":[7]}`, "1"},
		{"topics object", `{"type":"join","ref":1,"topics":{"a":1}}`, "1"},
		{"too many names", `{"type":"join","ref":1,"topics":[` + many + `]}`, "1"},
		{"leave without topics", `{"type":"leave","ref":1}`, "1"},
		{"since number", `{"type":"join","ref":1,"topics":["a"],"since":7}`, "1"},
		{"since and lookback", `{"type":"join","ref":1,"topics":["a"],"since":"x","lookback_ms":5}`, "1"},
		{"lookback below 0", `{"type":"join","ref":1,"topics":["a"],"lookback_ms":-1}`, "1"},
		{"lookback string", `{"type":"join","ref":1,"topics":["a"],"lookback_ms":"5"}`, "1"},
		{"lookback beyond numbers", `{"type":"join","ref":1,"topics":["a"],"lookback_ms":1e999}`, "1"},
		{"deep nesting", strings.Repeat(`[`, 20_000), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := w.library(t)
			c.send("%s", tt.frame)
			if f := c.expect("$error"); f.Payload.Code != "bad_frame" || string(f.Ref) != tt.ref || f.Payload.Message == "" {
				t.Fatal(f.raw)
			}
			c.send(`{"type":"ping","ref":5,"new":"field"}`)
			c.expect("$pong")
		})
	}
}

func TestLibrary_tenBadFrames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t)
		c := w.library(t)
		bad := func(n int) {
			for range n {
				c.send(`nonsense`)
				c.expect("$error")
			}
		}
		bad(9)
		<-time.After(faultWindow)
		bad(9)
		<-time.After(faultWindow - 2*time.Second) // between two looks of the keeper: a pipe holds no pong for a server that reads no more
		bad(1)
		c.expectClose(closeViolation)
	})
}

func TestLibrary_tooManyJoins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Limits.JoinsPerSecond = 3 })
		c := w.library(t)
		c.join("a")
		c.join("b")
		c.join("c")
		hurry := func() {
			c.send(`{"type":"join","ref":4,"topics":["d"]}`)
			if f := c.expect("$error"); f.Payload.Code != "rate_limited" || string(f.Ref) != "4" {
				t.Fatal(f.raw)
			}
		}
		hurry()
		<-time.After(time.Second)
		c.join("d")
		c.join("e")
		c.join("f")
		for range maxFaults - 1 {
			hurry()
		}
		c.expectClose(closeRateLimited)
	})
}

func TestLibrary_messages(t *testing.T) {
	t.Parallel()
	w := setup(t, func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Limits.FrameBytes = 1000 })
	padded := func(size int) []byte {
		b := []byte(`{"type":"ping","ref":1,"x":""}`)
		return fmt.Appendf(nil, `{"type":"ping","ref":1,"x":"%s"}`, strings.Repeat("x", size-len(b)))
	}
	t.Run("as long as may be", func(t *testing.T) {
		t.Parallel()
		c := w.library(t)
		c.send("%s", padded(1000))
		c.expect("$pong")
		c = setup(t).library(t)
		c.send("%s", padded(auth.DefaultFrameBytes))
		c.expect("$pong")
	})
	t.Run("too long", func(t *testing.T) {
		t.Parallel()
		c := w.library(t)
		c.send("%s", padded(1001))
		if f := c.expect("$error"); f.Payload.Code != "too_large" {
			t.Fatal(f.raw)
		}
		c.expectClose(websocket.StatusMessageTooBig)
	})
	t.Run("far too long", func(t *testing.T) {
		t.Parallel()
		c := w.library(t)
		_ = c.write(websocket.MessageText, padded(1<<20)) // may fail half way
		c.expect("$error")
		c.expectClose(websocket.StatusMessageTooBig)
	})
	t.Run("binary", func(t *testing.T) {
		t.Parallel()
		c := w.library(t)
		_ = c.write(websocket.MessageBinary, []byte(`{"type":"ping"}`))
		c.expectClose(websocket.StatusUnsupportedData)
	})
	t.Run("not UTF-8", func(t *testing.T) {
		t.Parallel()
		c := w.library(t)
		_ = c.write(websocket.MessageText, []byte("{\"type\":\"ping\",\"ref\":\"\xff\"}"))
		c.expectClose(websocket.StatusInvalidFramePayloadData)
	})
}

func TestPlain(t *testing.T) {
	t.Parallel()
	t.Run("events and nothing else", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		for _, protocols := range [][]string{nil, {"rowcast.plain"}, {"unknown", "rowcast.plain"}} {
			c := w.connect(t, "/ws?topics=topic_7,messages", protocols...)
			c.expectEvent(w.publish("topic_7"))
			c.expectEvent(w.publish("messages", "topic_7"))
		}
	})
	t.Run("live when it is open", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		for range 20 {
			c := w.connect(t, "/ws?topics=a")
			c.expectEvent(w.publish("a"))
		}
	})
	t.Run("what it sends is ignored", func(t *testing.T) {
		t.Parallel()
		w := setup(t, func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Limits.FrameBytes = 100 })
		c := w.connect(t, "/ws?topics=a")
		for range 20 {
			c.send(`nonsense`)
			c.send(`{"type":"join","topics":["b"]}`)
		}
		_ = c.write(websocket.MessageBinary, []byte{0xff})
		w.publish("b")
		c.expectEvent(w.publish("a"))
		_ = c.write(websocket.MessageText, make([]byte, 101))
		if f := c.expect("$error"); f.Payload.Code != "too_large" {
			t.Fatal(f.raw)
		}
		c.expectClose(websocket.StatusMessageTooBig)
	})
	t.Run("since", func(t *testing.T) {
		t.Parallel()
		w := setup(t)
		since := w.hub.Cursor()
		missed := w.publish("a")
		c := w.connect(t, "/ws?topics=a&since="+since)
		c.expectEvent(missed)
		c.expectEvent(w.publish("a"))

		c = w.connect(t, "/ws?topics=a&since=garbage")
		if f := c.expect("$resync"); f.Payload.Reason != "cursor_foreign" {
			t.Fatal(f.raw)
		}
		c.expectEvent(w.publish("a"))
	})
	for query, code := range map[string]string{
		"":                          "bad_topic",
		"?topics=":                  "bad_topic",
		"?topic=a":                  "bad_topic",
		"?topics=a,,b":              "bad_topic",
		"?topics=*":                 "bad_topic",
		"?topics=a%20b":             "bad_topic",
		"?topics=%zz":               "bad_topic",
		"?topics=$x":                "bad_topic",
		"?topics=%ff":               "bad_topic",
		"?topics=a,b,c":             "too_many_topics",
		"?topics=" + long('a', 201): "bad_topic",
	} {
		t.Run("refused: "+code+" "+query[:min(len(query), 20)], func(t *testing.T) {
			t.Parallel()
			w := setup(t, func(_ *rooms.Options, a *auth.Options, _ *Options) { a.Limits.Topics = 2 })
			c := w.connect(t, "/ws"+query)
			if f := c.expect("$error"); f.Payload.Code != code {
				t.Fatal(f.raw)
			}
			c.expectClose(closeViolation)
		})
	}
}

func long(c rune, n int) string { return strings.Repeat(string(c), n) }

// TestJoin_order: requests are answered in their order, also those behind a
// join that waits for the database; what need not wait does not.
func TestJoin_order(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{})
		w := inMemory(t, func(r *rooms.Options, _ *auth.Options, _ *Options) {
			r.Refresh = refreshAfter(asked)
		})
		c := w.library(t)
		ahead, _ := json.Marshal(cursor(w.xid + 5))
		c.send(`{"type":"join","ref":1,"topics":["a"],"since":%s}`, ahead)
		c.send(`{"type":"join","ref":2,"topics":["b"]}`)
		c.send(`{"type":"leave","ref":3,"topics":["a","b"]}`)
		c.send(`{"type":"ping","ref":4}`)
		if f := c.expect("$pong"); string(f.Ref) != "4" {
			t.Fatal(f.raw)
		}
		close(asked)
		for _, want := range []struct{ kind, ref string }{{"$joined", "1"}, {"$resync", ""}, {"$joined", "2"}, {"$left", "3"}} {
			if f := c.expect(want.kind); string(f.Ref) != want.ref {
				t.Fatal(f.raw)
			}
		}
	})
}

// TestJoin_away: joins behind one that waits for the database do not each wait
// anew.
func TestJoin_away(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, func(r *rooms.Options, _ *auth.Options, _ *Options) { r.Refresh = refreshAfter(nil) })
		c := w.library(t)
		begin := time.Now()
		for _, topic := range []string{"a", "b", "c"} {
			c.send(`{"type":"join","topics":[%q],"since":%q}`, topic, cursor(w.xid+5))
		}
		for _, topic := range []string{"a", "b", "c"} {
			if f := c.expect("$joined"); f.Payload.Denied[topic].Code != rooms.Unavailable {
				t.Fatal(f.raw)
			}
		}
		if d := time.Since(begin); d != rooms.DefaultJoinWait {
			t.Errorf("waited %v", d)
		}
	})
}
