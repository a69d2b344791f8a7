package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"rowcast/chaos/oracle"
)

// What a daemon does rarely, or never should, a script does.

// scripted runs a client against a server that plays a part for each connection,
// and returns when all are played, and how often the client has fetched.
func scripted(t *testing.T, kind oracle.Kind, set func(*Client), parts ...http.HandlerFunc) (c *Client, fetches int) {
	t.Helper()
	turn := make(chan http.HandlerFunc, len(parts))
	for _, p := range parts {
		turn <- p
	}
	var playing sync.WaitGroup
	playing.Add(len(parts))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case part := <-turn:
			defer playing.Done()
			part(w, r)
		default:
			<-r.Context().Done() // it is over
		}
	}))
	defer server.Close()
	c = New(Options{
		Name: t.Name(), Kind: kind, Topics: []string{"a", "b"},
		Where: func() string { return server.Listener.Addr().String() },
		Fetch: func(context.Context) (oracle.Snapshot, error) {
			fetches++
			return oracle.ParseSnapshot("100:100:")
		},
	})
	c.way = joinFirst
	if set != nil {
		set(c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	ended := make(chan struct{})
	go func() { defer close(ended); c.Run(ctx) }()
	over := make(chan struct{})
	go func() { defer close(over); playing.Wait() }()
	select {
	case <-over:
	case <-ctx.Done():
		t.Fatal("the script was not played to its end")
	}
	cancel()
	<-ended
	return c, fetches
}

// actor is the daemon's side of a WebSocket.
type actor struct {
	*testing.T
	conn *websocket.Conn
}

// scene is a part at the library level: it begins with $welcome and ends with the
// connection cut.
func scene(t *testing.T, play func(actor)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"rowcast.v1"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		a := actor{t, conn}
		a.say(`{"type":"$welcome","payload":{"heartbeat_ms":60000,"cursor":"welcome"}}`)
		play(a)
	}
}

func (a actor) say(format string, args ...any) {
	if err := a.conn.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		a.Error(err)
	}
}

// asked is a join as it came.
type asked struct {
	Ref      int
	Topics   []string
	Since    string
	Lookback int64 `json:"lookback_ms"`
}

// hears waits for a join of these topics.
func (a actor) hears(since string, topics ...string) (j asked) {
	_, text, err := a.conn.Read(context.Background())
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err != nil {
		a.Error(err)
	} else if j.Since != since || !slices.Equal(j.Topics, topics) {
		a.Errorf("the client asked %s, want a join of %v since %q", text, topics, since)
	}
	return j
}

// gone waits until the client has ended the connection.
func (a actor) gone() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := a.conn.Read(ctx); ctx.Err() != nil {
			a.Error("the client is not gone")
			return
		} else if err != nil {
			return
		}
	}
}

const event = `{"type":"message_created","topics":["a"],"payload":{"id":"1"},"id":"x.1","cursor":"%s"}`

func TestClient_takes_no_cursor_over_while_a_join_is_unanswered(t *testing.T) {
	t.Parallel()
	scripted(t, oracle.Library, nil, scene(t, func(a actor) {
		a.hears("", "a", "b")
		a.say(`{"type":"$joined","ref":1,"payload":{"topics":["a"],"denied":{"b":{"code":"unavailable"}},"replayed":0,"cursor":"one"}}`)
		a.hears("", "b") // asked again
		a.say(event, "two")
		a.say(`{"type":"$ping","payload":{"cursor":"three"}}`)
	}), scene(t, func(a actor) {
		a.hears("one", "a")
		a.hears("", "b")
		a.say(`{"type":"$joined","ref":1,"payload":{"topics":["a"],"replayed":0,"recovered":true,"cursor":"four"}}`)
	}), scene(t, func(a actor) {
		a.hears("one", "a")
		a.hears("", "b")
		a.say(`{"type":"$joined","ref":1,"payload":{"topics":["a"],"replayed":0,"recovered":true,"cursor":"five"}}`)
		a.say(`{"type":"$joined","ref":2,"payload":{"topics":["b"],"replayed":0,"cursor":"six"}}`)
	}), scene(t, func(a actor) {
		a.hears("six", "a", "b")
	}))
}

func TestClient_looks_back_to_the_same_moment_on_the_next_connection(t *testing.T) {
	t.Parallel()
	var first, second asked
	scripted(t, oracle.Library, func(c *Client) { c.way = fetchFirst },
		scene(t, func(a actor) { first = a.hears("", "a", "b") }),
		scene(t, func(a actor) { second = a.hears("", "a", "b") }),
	)
	if first.Lookback < lookbackMargin.Milliseconds() || second.Lookback < first.Lookback+20 {
		t.Errorf("looked back %d ms, then %d ms", first.Lookback, second.Lookback)
	}
}

func TestClient_joins_since_the_welcome_before_which_it_fetched(t *testing.T) {
	t.Parallel()
	scripted(t, oracle.Library, func(c *Client) { c.way = cursorFirst },
		scene(t, func(a actor) { a.hears("welcome", "a", "b") }),
		scene(t, func(a actor) { a.hears("welcome", "a", "b") }),
	)
}

func TestClient_that_lingers_goes_on_from_its_fetch(t *testing.T) {
	t.Parallel()
	lingering := func(w way) func(*Client) {
		return func(c *Client) { c.way, c.o.Habits.Linger = w, 50*time.Millisecond }
	}
	scripted(t, oracle.Library, lingering(cursorFirst), scene(t, func(a actor) {
		a.say(`{"type":"$ping","payload":{"cursor":"later"}}`)
		a.hears("welcome", "a", "b")
	}))
	var fetched atomic.Pointer[time.Time]
	scripted(t, oracle.Library, func(c *Client) {
		lingering(fetchFirst)(c)
		fetch := c.o.Fetch
		c.o.Fetch = func(ctx context.Context) (oracle.Snapshot, error) {
			now := time.Now()
			fetched.Store(&now)
			return fetch(ctx)
		}
	}, scene(t, func(a actor) {
		at := fetched.Load()
		if at == nil {
			a.Error("the client connected before it fetched")
			return
		}
		j := a.hears("", "a", "b")
		if back := time.Duration(j.Lookback) * time.Millisecond; back < time.Since(*at) {
			a.Errorf("looked back %v, and fetched %v ago", back, time.Since(*at))
		}
	}))
}

func TestClient_fetches_after_recovered_false_though_no_resync_came(t *testing.T) {
	t.Parallel()
	_, fetches := scripted(t, oracle.Library, nil, scene(t, func(a actor) {
		a.hears("", "a", "b")
		a.say(`{"type":"$joined","ref":1,"payload":{"topics":["a","b"],"replayed":0,"cursor":"one"}}`)
	}), scene(t, func(a actor) {
		a.hears("one", "a", "b")
		a.say(`{"type":"$joined","ref":1,"payload":{"topics":["a","b"],"replayed":0,"recovered":false,"cursor":"two"}}`)
	}), scene(t, func(a actor) {
		a.hears("two", "a", "b")
	}))
	if fetches != 2 {
		t.Errorf("fetched %d times, want twice: at first, and after the replay that was none", fetches)
	}
}

func TestClient_comes_without_a_cursor_and_fetches_when_it_never_had_one(t *testing.T) {
	t.Parallel()
	part := func(since string, frames ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if got := r.URL.Query().Get("since"); got != since {
				t.Errorf("since is %q, want %q", got, since)
			}
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.CloseNow()
			for _, f := range frames {
				actor{t, conn}.say("%s", f)
			}
		}
	}
	_, fetches := scripted(t, oracle.Plain, nil, part(""), part("", fmt.Sprintf(event, "one")),
		part("one", `{"type":"$resync","payload":{"topics":["a"],"reason":"bulk","cursor":"two"}}`), part("one"))
	if fetches != 3 {
		t.Errorf("fetched %d times, want three times: for each connection without a cursor, and after the $resync", fetches)
	}
}

func TestClient_says_what_is_wrong_with_a_connection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		kind oracle.Kind
		set  func(*Client)
		play func(actor)
		want string
	}{
		{"no JSON", oracle.Library, nil, func(a actor) { a.say("{"); a.gone() }, "broken frame: not JSON"},
		{"control frame", oracle.Plain, nil, func(a actor) { a.gone() }, "broken frame: $welcome at this level"},
		{"error", oracle.Library, nil, func(a actor) {
			a.say(`{"type":"$error","payload":{"code":"rate_limited","message":""}}`)
			a.gone()
		}, "rate_limited"},
		{"denied for good", oracle.Library, func(c *Client) { c.way = cursorFirst }, func(a actor) {
			a.hears("welcome", "a", "b")
			a.say(`{"type":"$joined","ref":1,"payload":{"topics":["a"],"denied":{"b":{"code":"forbidden"}},"replayed":0}}`)
			a.gone()
		}, "denied forbidden"},
		{"half an answer", oracle.Library, func(c *Client) { c.way = cursorFirst }, func(a actor) {
			a.hears("welcome", "a", "b")
			a.say(`{"type":"$joined","ref":1,"payload":{"topics":["a"],"replayed":0}}`)
			a.gone()
		}, "broken frame: $joined does not say whether to b"},
		{"another's answer", oracle.Library, func(c *Client) { c.way = cursorFirst }, func(a actor) {
			a.hears("welcome", "a", "b")
			a.say(`{"type":"$joined","ref":2,"payload":{"topics":["a","b"],"replayed":0}}`)
			a.gone()
		}, "broken frame: $joined for ref 2"},
		{"closed", oracle.Library, nil, func(a actor) { _ = a.conn.Close(4413, "") }, "4413"},
		{"cut", oracle.Library, nil, func(actor) {}, Cut},
		{"silence", oracle.Plain, func(c *Client) { c.o.Heartbeat = time.Millisecond }, nil, Silent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			part := scene(t, func(a actor) { tt.play(a) })
			if tt.play == nil {
				part = func(w http.ResponseWriter, r *http.Request) {
					conn, err := websocket.Accept(w, r, nil)
					if err != nil {
						t.Error(err)
						return
					}
					actor{t, conn}.gone()
				}
			}
			end := scene(t, func(a actor) { a.conn.CloseNow() })
			c, _ := scripted(t, tt.kind, tt.set, part, end)
			ends := c.Journal().Ends()
			if ends[tt.want] == 0 {
				t.Errorf("ended so: %v, want %q", ends, tt.want)
			}
		})
	}
}

func TestStream_goes_on_after_the_last_whole_message(t *testing.T) {
	t.Parallel()
	part := func(since, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Last-Event-ID"); got != since {
				t.Errorf("Last-Event-ID is %q, want %q", got, since)
			}
			_, _ = io.WriteString(w, text)
		}
	}
	data := strings.Repeat(" ", 10_000) + fmt.Sprintf(event, "-")
	c, _ := scripted(t, oracle.Stream, nil,
		part("", "retry: 1\n"),
		part("", "retry: 1\nid: one\n\n"),
		part("one", "retry: 1\n\nid: two\ndata: "+data+"\n\nid: three\ndata: "+data+"\n"),
		part("two", "id: four\n\n"),
		part("four", "data: {\n\n"),
		part("four", "surprise: 1\n"),
		part("four", ""),
	)
	events := slices.Collect(c.Journal().Events())
	if len(events) != 1 || events[0].Key != "/message_created/1" {
		t.Errorf("got %+v, want one event", events)
	}
	for _, end := range []string{EOF, "broken frame: not JSON", "broken frame: a field surprise"} {
		if c.Journal().Ends()[end] == 0 {
			t.Errorf("connections ended so: %v, want %s among them", c.Journal().Ends(), end)
		}
	}
}
