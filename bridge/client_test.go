package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// frame is what a client reads.
type frame struct {
	Type    string   `json:"type"`
	Topics  []string `json:"topics"`
	Op      string   `json:"op"`
	ID      string   `json:"id"`
	Cursor  string   `json:"cursor"`
	Payload struct {
		TopicID  *string           `json:"topic_id"`
		ID       string            `json:"id"`
		Message  object            `json:"message"`
		Moved    bool              `json:"moved"`
		Topics   []string          `json:"topics"`
		Reason   string            `json:"reason"`
		Cursor   string            `json:"cursor"`
		Schema   string            `json:"schema"`
		Replayed int               `json:"replayed"`
		Recover  *bool             `json:"recovered"`
		Denied   map[string]any    `json:"denied"`
		Code     any               `json:"code"`
		Extra    map[string]string `json:"extra"`
	} `json:"payload"`

	sseID string // of the message that carried it
}

// object is that of a row; the text of an $error, which has the same name, is left
// out.
type object map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(text []byte) error {
	if text[0] != '{' {
		return nil
	}
	return json.Unmarshal(text, (*map[string]any)(o))
}

func (f frame) String() string {
	text, err := json.Marshal(f)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// client reads frames, however they come.
type client struct {
	t      *testing.T
	frames chan frame
	end    error              // once frames is closed
	conn   *websocket.Conn    // nil: a stream
	cancel context.CancelFunc // of a stream
	cursor string             // the newest
}

// dial opens a WebSocket; without topics in the query at the library level.
func dial(t *testing.T, addr, query string) *client {
	t.Helper()
	var protocols []string
	if query == "" {
		protocols = []string{"rowcast.v1"}
	}
	c, res := knock(t, addr, query, nil, protocols...)
	if c == nil {
		t.Fatalf("dial: %s", res.Status)
	}
	return c
}

// knock shakes hands for a WebSocket. There is no client where the answer is no.
func knock(t *testing.T, addr, query string, header http.Header, protocols ...string) (*client, *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, "ws://"+addr+"/ws?"+query, &websocket.DialOptions{HTTPHeader: header, Subprotocols: protocols})
	switch {
	case err == nil:
	case res != nil:
		return nil, res
	default:
		t.Fatalf("dial: %v", err)
	}
	conn.SetReadLimit(-1)
	c := &client{t: t, frames: make(chan frame, 1000), conn: conn}
	go func() {
		defer close(c.frames)
		for {
			_, data, err := conn.Read(context.WithoutCancel(t.Context()))
			if err != nil {
				c.end = err
				return
			}
			c.decode(data, "")
		}
	}()
	t.Cleanup(func() { c.close() })
	return c, res
}

// stream opens a stream of server-sent events.
func stream(t *testing.T, addr, query string) *client {
	t.Helper()
	c, res := request(t, addr, query, nil)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("open stream: %s", res.Status)
	}
	return c
}

// request asks for a stream. Where the answer is no, its frame is the body.
func request(t *testing.T, addr, query string, header http.Header) (*client, *http.Response) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/sse?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("open stream: %v", err)
	}
	c := &client{t: t, frames: make(chan frame, 1000), cancel: cancel}
	prefix := "data: "
	if res.StatusCode != http.StatusOK {
		prefix = ""
	}
	go func() {
		defer close(c.frames)
		defer res.Body.Close() //nolint:errcheck // it was read to its end
		id := ""
		s := bufio.NewScanner(res.Body)
		for s.Scan() {
			if v, ok := strings.CutPrefix(s.Text(), "id: "); ok {
				id = v
			}
			if v, ok := strings.CutPrefix(s.Text(), prefix); ok {
				c.decode([]byte(v), id)
			}
		}
		c.end = errors.Join(s.Err(), errors.New("end of stream"))
	}()
	t.Cleanup(func() { c.close() })
	return c, res
}

func (c *client) decode(data []byte, sseID string) {
	f := frame{sseID: sseID}
	if err := json.Unmarshal(data, &f); err != nil {
		f.Type = fmt.Sprintf("unreadable: %v", err)
	}
	c.frames <- f
}

// close leaves without a word.
func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.CloseNow()
	} else {
		c.cancel()
	}
	for range c.frames {
	}
}

// next returns the next frame but $ping.
func (c *client) next() frame {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case f, more := <-c.frames:
			if !more {
				c.t.Fatalf("connection ended: %v", c.end)
			}
			if f.Cursor != "" {
				c.cursor = f.Cursor
			}
			if f.Type == "$joined" || f.Type == "$ping" {
				c.cursor = f.Payload.Cursor
			}
			if f.Type != "$ping" {
				return f
			}
		case <-deadline:
			c.t.Fatal("nothing came")
		}
	}
}

// want returns the next frame, which must be of this type.
func (c *client) want(kind string) frame {
	c.t.Helper()
	f := c.next()
	if f.Type != kind {
		c.t.Fatalf("got %v, want %s", f, kind)
	}
	return f
}

// send sends a frame.
func (c *client) send(fields map[string]any) {
	c.t.Helper()
	text, err := json.Marshal(fields)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, text); err != nil {
		c.t.Fatal(err)
	}
}

// join joins a topic at the library level and returns the replay and the answer.
func (c *client) join(topic, since string) (replay []frame, joined frame) {
	c.t.Helper()
	request := map[string]any{"type": "join", "ref": 1, "topics": []string{topic}}
	if since != "" {
		request["since"] = since
	}
	c.send(request)
	for {
		f := c.next()
		switch f.Type {
		case "$welcome":
		case "$joined":
			if len(f.Payload.Denied) > 0 {
				c.t.Fatalf("denied: %v", f)
			}
			return replay, f
		default:
			replay = append(replay, f)
		}
	}
}

// ended waits for the end and returns the close code.
func (c *client) ended() websocket.StatusCode {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, more := <-c.frames:
			if !more {
				return websocket.CloseStatus(c.end)
			}
		case <-deadline:
			c.t.Fatal("goes on")
		}
	}
}
