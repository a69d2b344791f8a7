package rooms

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rowcast/internal/snapshot"
)

// client is a client library as docs/protocol.md wants it, and the judge of
// what it is sent.
type client struct {
	name    string
	db      *database
	level   Level
	subject string
	guarded bool // it is judged before it joins

	eager  bool // takes over the cursor of a $resync too
	strict bool // nothing may be lost here: a $resync is a fault

	cursor string
	wants  map[string]*want
	conn   *conn
	past   []*wire // of connections that were lost
}

// want is a topic the client joined or will.
type want struct {
	since    string          // what to join with; "" with no look either: not at all
	look     *time.Time      // or: look back to this time
	joined   bool            // since the last connection
	known    map[uint64]bool // rows the application has the effects of
	requests int             // joins under way
	out      bool            // the application left it, and did not ask for it again
	owed     bool            // the $resync of an answer without recovery
}

// conn is one connection.
type conn struct {
	instance *instance
	tenure   *tenure
	sub      *Subscriber
	wire     *wire   // nil: somebody calls take
	inbox    []Frame // sent, not read
	asked    []*ask
	events   []*row // read, since the last $joined
	newest   int    // place of the newest live event
	heard    map[uint64]bool
	since    map[string]snapshot.Snapshot // by topic, of the joins answered without loss
}

// ask is a join on its way.
type ask struct {
	topics  []string
	changed []string // those that were decided on too early
	since   *snapshot.Cursor
	replay  bool // asked for one
	first   bool // the topics were not joined before: fetch when they are
	head    int  // rows published when it was taken
	epoch   int  // then
}

func (c *client) connect(t *rapid.T, i *instance) {
	s, w := c.subscribe(t, i.hub)
	s.Identify(c.subject)
	c.conn = &conn{instance: i, tenure: newTenure(c, i, s), sub: s, wire: w, newest: -1, heard: map[uint64]bool{}, since: map[string]snapshot.Snapshot{}}
	if late := w != nil && rapid.Bool().Draw(t, "late"); late {
		defer w.resume()
	} else if w != nil {
		w.resume()
	}
	groups := map[string][]string{}
	for topic, w := range c.wants {
		w.requests = 0
		if w.owed { // it never came
			w.owed = false
			c.fetch(topic)
		}
		w.joined = c.level == Stream
		key := w.since
		if w.look != nil {
			key = "look " + topic
		}
		if c.level == Stream {
			key = ""
		}
		if w.out {
			continue
		}
		groups[key] = append(groups[key], topic)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		slices.Sort(groups[key])
		if c.conn != nil { // it may end in any join
			c.join(t, groups[key]...)
		}
	}
}

// subscribe adds a subscriber with any outlet, or none.
func (c *client) subscribe(t *rapid.T, h *Hub) (*Subscriber, *wire) {
	o := SubscriberOptions{Level: c.level, Guarded: c.guarded}
	var w *wire
	switch kind := rapid.SampledFrom([]string{"none", "open", "moody", "slow"}).Draw(t, "outlet"); kind {
	case "none":
	case "open":
		w = newWire(t)
	case "moody":
		w = newWire(t)
		mood := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "mood"), 0))
		w.taking = func() bool { return mood.IntN(2) == 0 }
	case "slow":
		w = newWire(t)
		w.slow = true
		takes := time.Duration(rapid.IntRange(0, 9).Draw(t, "takes")) * time.Millisecond
		w.taking = func() bool {
			time.AfterFunc(takes, w.resume)
			return false
		}
	}
	if w != nil {
		o.Outlet = w
	}
	s, err := h.Subscribe(o)
	if err != nil {
		t.Fatal(err)
	}
	if w != nil {
		w.sub = s
	}
	return s, w
}

// take returns what the hub has for the client.
func (c *conn) take() ([]Frame, error) {
	if c.wire == nil {
		frames, _, err := c.sub.take(nil)
		return frames, err
	}
	for {
		synctest.Wait()
		frames, err := c.wire.take()
		if len(frames) > 0 || err != nil || !c.wire.await() {
			return frames, err
		}
	}
}

// disconnect loses all that was not read.
func (c *client) disconnect() {
	c.conn.tenure.end(ErrClosed)
	c.conn.sub.Close(ErrClosed)
	if w := c.conn.wire; w != nil {
		c.past = append(c.past, w)
	}
	c.conn = nil
}

// over is the end that the hub made.
func (c *client) over(t *rapid.T, err error) {
	c.conn.tenure.over(t, err)
	c.disconnect()
}

// join joins topics that have the same since or lookback.
func (c *client) join(t *rapid.T, topics ...string) {
	w := c.wants[topics[0]]
	a := &ask{topics: topics}
	r := JoinRequest{Topics: topics, Ref: json.RawMessage(strconv.Itoa(len(c.conn.asked)))}
	cursor := w.since
	if c.level == Stream {
		cursor = c.cursor
	}
	switch {
	case w.look != nil && c.level != Stream:
		r.Lookback, a.replay = new(time.Since(*w.look)), true
	case cursor != "":
		r.Since, a.replay = &cursor, true
		if parsed, err := snapshot.DecodeCursor(cursor); err == nil {
			a.since = &parsed
		}
	default:
		a.first = true
	}
	for _, topic := range topics {
		c.wants[topic].requests++
		c.wants[topic].out = false
	}
	v, tenure := c.conn.tenure.take(), c.conn.tenure
	r.Mark = v.mark
	away := a.since != nil && c.conn.instance.hub.ahead(*a.since) && c.conn.instance.away
	err := c.conn.sub.Join(t.Context(), r)
	a.changed = tenure.outdated(v, topics)
	if away {
		a.changed = topics
	}
	t.Logf("%s joined %v since %+v look %v: %v", c.name, topics, a.since, r.Lookback, err)
	switch {
	case errors.Is(err, ErrUnavailable) && c.level == Stream:
		if len(a.changed) == 0 && c.conn.instance.ledger == anyLedger {
			t.Fatal("unavailable for no reason")
		}
		c.disconnect()
		return
	case err != nil:
		c.disconnect() // what was sent before is lost
		if !errors.Is(err, tenure.ending) {
			t.Fatalf("join: %v", err)
		}
		return
	}
	tenure.join(t, topics, a.changed, a.replay)
	a.head, a.epoch = len(c.conn.instance.published), c.conn.instance.epoch
	c.conn.asked = append(c.conn.asked, a)
	if c.level == Stream && a.first {
		for _, topic := range topics {
			c.fetch(topic)
		}
	}
}

func (c *client) leave(topics ...string) {
	for _, topic := range topics {
		if w := c.wants[topic]; w != nil {
			w.out = true
		}
	}
	if c.conn == nil {
		return
	}
	for _, topic := range topics {
		c.conn.tenure.leave(topic)
	}
	c.conn.sub.Leave(nil, topics)
}

// fetch is what an application does at first and after a $resync.
func (c *client) fetch(topic string) {
	for _, r := range c.db.committed(topic) {
		c.wants[topic].known[r.id] = true
	}
}

// receive moves what the hub has for the client onto the wire.
func (c *client) receive(t *rapid.T) bool {
	frames, err := c.conn.take()
	if err != nil && len(frames)+len(c.conn.inbox) == 0 {
		c.over(t, err)
		return false
	}
	c.conn.inbox = append(c.conn.inbox, frames...)
	return len(frames) > 0
}

// read reads up to n frames.
func (c *client) read(t *rapid.T, n int) {
	for c.conn != nil && n > 0 && (len(c.conn.inbox) > 0 || c.receive(t)) {
		f := c.conn.inbox[0]
		c.conn.inbox = c.conn.inbox[1:]
		c.handle(t, f)
		n--
	}
}

func (c *client) unanswered() bool { return c.level == Library && len(c.conn.asked) > 0 }

func (c *client) handle(t *rapid.T, f Frame) {
	var m struct {
		Type    string
		ID      string
		Payload struct {
			Topics    []string
			Denied    map[string]Denial
			Replayed  int
			Code      any
			Recovered *bool
			Cursor    string
		}
	}
	if err := json.Unmarshal(f.Data, &m); err != nil {
		t.Fatalf("%q: %v", f.Data, err)
	}
	t.Logf("%s reads %s", c.name, f.Data)
	p := m.Payload
	switch m.Type {
	case "t":
		id, _ := strconv.ParseUint(m.ID, 10, 64)
		c.conn.tenure.show(t, c.db.rows[id-1])
		c.event(t, c.db.rows[id-1])
		c.keep(f.Cursor)
	case "$joined":
		c.denied(t, p.Topics, p.Denied)
		c.joined(t, p.Topics, p.Replayed, p.Recovered)
		c.keep(p.Cursor)
	case "$left":
		c.live(t, c.conn.events) // no replay: its answer would come first
		c.conn.events = nil
		for _, topic := range p.Topics {
			if p.Code == "revoked" { // or it left by itself
				c.conn.tenure.left(t, topic)
			}
			c.left(t, topic)
		}
	case "$ping":
		c.keep(p.Cursor)
	case "$resync":
		if c.strict {
			t.Fatalf("needless %s", f.Data)
		}
		for _, topic := range p.Topics {
			if c.wants[topic] != nil {
				c.fetch(topic)
				c.wants[topic].owed = false
			}
		}
		if c.eager || c.level == Stream {
			c.keep(p.Cursor)
		}
	}
}

// left takes the word that the client is out of a topic. It may come back since the
// cursor it holds for it, and has skipped nothing.
func (c *client) left(t *rapid.T, topic string) {
	delete(c.conn.since, topic)
	w := c.wants[topic]
	switch {
	case !w.joined:
		t.Fatalf("%s is told to have left %q, and was not there", c.name, topic)
	case w.owed:
		t.Fatalf("%s left %q before it was told to fetch", c.name, topic)
	}
	w.joined = false
}

// denied judges who was let in by the oldest join: by no decision that came
// before a change, and by every other.
func (c *client) denied(t *rapid.T, topics []string, denied map[string]Denial) {
	a := c.conn.asked[0]
	for _, topic := range a.topics {
		changed := slices.Contains(a.changed, topic)
		switch {
		case changed && slices.Contains(topics, topic):
			t.Fatalf("%q was joined by a decision made too early", topic)
		case !changed && denied[topic] != Denial{} && c.conn.instance.ledger == anyLedger:
			t.Fatalf("%q was denied for no reason", topic)
		}
	}
}

// keep takes over a cursor, which counts for the topics that are joined: one from
// before a topic's $joined says nothing of that topic.
func (c *client) keep(cursor string) {
	if cursor != "" && !c.unanswered() {
		c.cursor = cursor
		for _, w := range c.wants {
			if w.joined {
				w.since, w.look = cursor, nil
			}
		}
	}
}

// event takes an event. Whether it was live shows at the next $joined.
func (c *client) event(t *rapid.T, r *row) {
	c.conn.events = append(c.conn.events, r)
	if c.level == Stream {
		c.live(t, c.conn.events)
		for topic, w := range c.wants {
			if r.in(topic) {
				w.known[r.id] = true
			}
		}
		c.conn.events = nil
		return
	}
	if !c.unanswered() {
		c.live(t, c.conn.events)
		c.conn.events = nil
	}
}

// live judges events outside a replay: each once, in order, and none that the
// client had joined since.
func (c *client) live(t *rapid.T, events []*row) {
	for _, r := range events {
		place := c.conn.instance.place[r.id]
		switch {
		case c.conn.heard[r.id]:
			t.Fatalf("event %d twice", r.id)
		case place <= c.conn.newest:
			t.Fatalf("event %d out of order", r.id)
		}
		c.conn.newest, c.conn.heard[r.id] = place, true
		mine, old := 0, 0
		for topic, w := range c.wants {
			if !r.in(topic) || !w.joined {
				continue
			}
			w.known[r.id] = true
			mine++
			if s, ok := c.conn.since[topic]; ok && s.Visible(r.xid) {
				old++
			}
		}
		switch {
		case c.level == Stream:
		case mine > 0 && mine == old:
			t.Fatalf("event %d was seen before the join", r.id)
		case mine == 0:
			t.Fatalf("event %d is of no topic that was joined", r.id)
		}
	}
}

// joined takes the answer to the oldest join.
func (c *client) joined(t *rapid.T, topics []string, replayed int, recovered *bool) {
	a := c.conn.asked[0]
	c.conn.asked = c.conn.asked[1:]
	if a.replay != (recovered != nil) {
		t.Fatal("recovered stands where it should not, or not where it should")
	}
	events := c.conn.events
	c.conn.events = nil
	for _, r := range events {
		if c.conn.instance.place[r.id] >= a.head {
			t.Fatalf("event %d before the answer to the join it came after", r.id)
		}
	}
	live := len(events) - replayed
	if live < 0 {
		t.Fatalf("replayed %d of %d", replayed, len(events))
	}
	c.live(t, events[:live])
	if len(topics) > 0 && recovered != nil && *recovered {
		c.judgeReplay(t, a, topics, events[live:])
	}
	for _, r := range events[live:] {
		c.conn.heard[r.id] = true
	}
	c.conn.newest = max(c.conn.newest, a.head-1)
	for _, topic := range a.topics {
		w := c.wants[topic]
		w.requests--
		if !slices.Contains(topics, topic) {
			continue
		}
		w.joined = true
		w.owed = recovered != nil && !*recovered
		if a.first {
			c.fetch(topic)
		}
		if recovered != nil && *recovered && a.since != nil {
			c.conn.since[topic] = a.since.Snapshot
		}
		for _, r := range events[live:] {
			if r.in(topic) {
				w.known[r.id] = true
			}
		}
	}
	if c.strict && recovered != nil && !*recovered {
		t.Fatal("lost what is all there")
	}
}

// judgeReplay compares a whole replay with the history that forgets nothing.
func (c *client) judgeReplay(t *rapid.T, a *ask, topics []string, events []*row) {
	if a.since == nil {
		return
	}
	var want, got []uint64
	for _, r := range c.conn.instance.published[:a.head] {
		if r.reason == "" && r.epoch == a.epoch && !a.since.Snapshot.Visible(r.xid) && slices.ContainsFunc(topics, r.in) {
			want = append(want, r.id)
		}
	}
	for _, r := range events {
		got = append(got, r.id)
	}
	if !slices.Equal(want, got) {
		t.Fatalf("replayed %v, want %v", got, want)
	}
}
