package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// frame is what the daemon sends: an event or a control frame.
type frame struct {
	Type    string          `json:"type"`
	Topics  []string        `json:"topics"`
	Payload json.RawMessage `json:"payload"`
	ID      string          `json:"id"`
	At      time.Time       `json:"at"`
	Cursor  string          `json:"cursor"`

	control control // Payload, where Type begins with $
	raw     []byte
}

// control is what of the control frames' payloads matters here.
type control struct {
	Topics []string `json:"topics"`
	Cursor string   `json:"cursor"`
	Reason string   `json:"reason"` // of $resync
	Denied map[string]struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"denied"`
	Code         any    `json:"code"` // of $error a word, of $bye a number
	Message      string `json:"message"`
	HeartbeatMS  int64  `json:"heartbeat_ms"`
	RetryAfterMS int64  `json:"retry_after_ms"`
}

const (
	dialTimeout = 10 * time.Second
	graceOfPing = 10 * time.Second // beyond the daemon's heartbeat
	longestWait = 10 * time.Second // between two attempts
	rememberIDs = 4096             // a replay may repeat events: docs/protocol.md, invariants
)

// follower keeps topics joined, over one connection after another.
type follower struct {
	url    string
	token  string // "": none
	topics []string
	cursor string // the newest, "" before the first join
	show   func(frame) error
	notice func(text string)

	seen      []string // the ids shown last, a ring
	oldest    int
	heartbeat time.Duration
	wait      time.Duration // as long as the daemon asked us to
	joined    bool          // on this connection
}

// finalError is one that another attempt would meet again.
type finalError struct{ error }

// run follows until ctx ends. The first connection must work.
func (f *follower) run(ctx context.Context) error {
	ever := false
	for attempt := 0; ; attempt++ {
		f.joined, f.wait = false, 0
		err := f.session(ctx)
		if ctx.Err() != nil {
			if f.cursor != "" {
				f.notice("to go on from here: --since " + f.cursor)
			}
			return nil
		}
		if _, final := errors.AsType[finalError](err); final || !ever && !f.joined {
			return err
		}
		if f.joined {
			ever, attempt = true, 0
		}
		delay := max(f.wait, backoff(attempt))
		f.notice(fmt.Sprintf("%v; again in %v", err, delay.Round(time.Millisecond)))
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
}

// backoff is half fixed and half chance, so that many do not come at once.
func backoff(attempt int) time.Duration {
	d := min(100*time.Millisecond<<min(attempt, 10), longestWait)
	return d/2 + rand.N(d/2)
}

// session is the life of one connection.
func (f *follower) session(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	o := &websocket.DialOptions{Subprotocols: []string{"rowcast.v1"}}
	if f.token != "" {
		o.HTTPHeader = http.Header{"Authorization": {"Bearer " + f.token}}
	}
	conn, _, err := websocket.Dial(dialing, f.url, o)
	cancel()
	if err != nil {
		if cause, ok := errors.AsType[*url.Error](err); ok {
			err = cause.Err
		}
		address, _, _ := strings.Cut(f.url, "?") // there may be a token in it
		return fmt.Errorf("connect %s: %w (is the daemon running there?)", address, err)
	}
	defer conn.CloseNow() //nolint:errcheck // it may be closed already
	conn.SetReadLimit(-1) // the daemon bounds what it sends
	f.heartbeat = time.Minute
	for {
		reading, cancel := context.WithTimeout(ctx, f.heartbeat+graceOfPing)
		_, data, err := conn.Read(reading)
		cancel()
		if err != nil {
			return closed(err)
		}
		if err := f.heed(data, func(text []byte) error { return conn.Write(ctx, websocket.MessageText, text) }); err != nil {
			return err
		}
	}
}

// heed takes a frame; send answers it.
func (f *follower) heed(data []byte, send func(text []byte) error) error {
	e := frame{raw: data}
	if err := json.Unmarshal(data, &e); err != nil {
		return finalError{fmt.Errorf("read frame: %w (is this a rowcast daemon?)", err)}
	}
	if e.Type != "" && e.Type[0] == '$' {
		return f.obey(&e, send)
	}
	return f.take(e)
}

// obey does what a control frame says.
func (f *follower) obey(e *frame, send func(text []byte) error) error {
	if err := json.Unmarshal(e.Payload, &e.control); err != nil {
		return finalError{fmt.Errorf("read %s: %w", e.Type, err)}
	}
	c := e.control
	switch e.Type {
	case "$welcome":
		f.heartbeat = time.Duration(c.HeartbeatMS) * time.Millisecond
		join := map[string]any{"type": "join", "ref": 1, "topics": f.topics}
		if f.cursor != "" {
			join["since"] = f.cursor
		}
		text, err := json.Marshal(join)
		if err != nil {
			return err
		}
		return send(text)
	case "$joined":
		return f.welcomed(c)
	case "$ping":
		f.advance(c.Cursor)
	case "$resync":
		return f.show(*e)
	case "$left":
		return f.left(c)
	case "$error":
		err := fmt.Errorf("%v: %s", c.Code, c.Message)
		switch c.Code {
		case "unauthenticated", "token_expired":
			return finalError{fmt.Errorf("%w (bring a token: --token or ROWCAST_TOKEN)", err)}
		case "forbidden":
			return finalError{err}
		}
		return err
	case "$bye":
		f.wait = time.Duration(c.RetryAfterMS) * time.Millisecond
	}
	return nil
}

// welcomed takes the answer to the join.
func (f *follower) welcomed(c control) error {
	for topic, why := range c.Denied {
		err := fmt.Errorf("join %q: %s (%s)", topic, why.Message, why.Code)
		if why.Code == "unavailable" {
			return err
		}
		if len(c.Topics) == 0 {
			return finalError{err}
		}
		f.notice(err.Error())
	}
	f.joined = true
	f.advance(c.Cursor)
	f.notice("joined " + strings.Join(c.Topics, ", "))
	return nil
}

// left notes which topics may not be followed any more.
func (f *follower) left(c control) error {
	err := fmt.Errorf("left %s: %v", strings.Join(c.Topics, ", "), c.Code)
	f.topics = slices.DeleteFunc(f.topics, func(topic string) bool { return slices.Contains(c.Topics, topic) })
	if len(f.topics) == 0 {
		return finalError{err}
	}
	f.notice(err.Error())
	return nil
}

// take shows an event that was not shown before.
func (f *follower) take(e frame) error {
	f.advance(e.Cursor)
	if e.ID != "" {
		if slices.Contains(f.seen, e.ID) {
			return nil
		}
		if len(f.seen) < rememberIDs {
			f.seen = append(f.seen, e.ID)
		} else {
			f.seen[f.oldest] = e.ID
			f.oldest = (f.oldest + 1) % rememberIDs
		}
	}
	return f.show(e)
}

// advance takes a cursor over, but none that comes within a replay: until the
// join is answered, the replay would have to begin at the old one again.
func (f *follower) advance(cursor string) {
	if f.joined && cursor != "" {
		f.cursor = cursor
	}
}

// closed tells an end that a new connection mends from one that it does not.
func closed(err error) error {
	ce, ok := errors.AsType[websocket.CloseError](err)
	if !ok {
		return fmt.Errorf("connection lost: %w", err)
	}
	err = fmt.Errorf("closed by the daemon: %d %s", ce.Code, ce.Reason)
	switch ce.Code {
	case websocket.StatusProtocolError, websocket.StatusUnsupportedData, websocket.StatusInvalidFramePayloadData,
		websocket.StatusMessageTooBig, 4400, 4401, 4403:
		return finalError{err}
	}
	return err
}
