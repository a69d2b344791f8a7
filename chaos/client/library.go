package client

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"rowcast/chaos/oracle"
)

// way is how a library client begins. All three close the hole between a fetch
// and a join, each in its own way.
type way int

const (
	joinFirst   way = iota // join, then fetch
	cursorFirst            // $welcome's cursor, fetch, join since then
	fetchFirst             // fetch, join looking back to then
)

var ways = []way{joinFirst, cursorFirst, fetchFirst}

// lookbackMargin is added to a lookback, for the time that the join travels. The
// client is connected for as long before it fetches, unless it lingers: a lookback
// to before the daemon's start is answered recovered:false.
const lookbackMargin = 500 * time.Millisecond

// place is where a topic goes on: after a cursor, or at a time. The zero value
// is from now on.
type place struct {
	since string
	back  time.Time
}

// topic is one that the client wants.
type topic struct {
	name   string
	place  place
	in     bool // on this connection
	asked  bool // a join is unanswered
	away   bool // left, by habit
	member bool // what comes is owed
}

// library is a session of rowcast.v1.
//
// A cursor belongs to all topics that are in, so each of them moves to it, but
// only while no join is unanswered. A topic that is not in stays where it was,
// and so does what was asked for: that is all there is to resuming.
type library struct {
	*session
	conn    *websocket.Conn
	ref     int
	pending []request // joins, the oldest first
	greeted bool      // $welcome has come
	leaving bool      // a leave is unanswered
}

// request is a join that has no answer yet.
type request struct {
	ref    int
	topics []*topic
}

func newLibrary(s *session) *library {
	for _, t := range s.topics {
		t.in, t.asked, t.away = false, false, false
	}
	return &library{session: s}
}

func (l *library) talk(ctx context.Context) error {
	var err error
	if l.conn, err = l.upgrade(ctx, "/ws", "rowcast.v1"); err != nil {
		return err
	}
	defer l.conn.CloseNow()
	l.open(nil)
	return l.listen(ctx, l.conn, l.take)
}

func (l *library) joined() bool {
	return len(l.pending) == 0 && !l.leaving && !slices.ContainsFunc(l.topics, func(t *topic) bool { return !t.in })
}

// take takes one frame.
func (l *library) take(ctx context.Context, message []byte) error {
	f, err := parse(message)
	if err != nil {
		return broken{err.Error()}
	}
	if f.kind[0] != '$' {
		l.journal.Event(f.event(l.known))
		l.advance(text(f.cursor))
		return nil
	}
	c, err := f.control()
	if err != nil {
		return broken{f.kind + ": " + err.Error()}
	}
	switch f.kind {
	case "$welcome":
		return l.welcome(ctx, c)
	case "$joined":
		return l.answered(ctx, f, c)
	case "$left":
		return l.gone(ctx, f, c)
	case "$ping":
		l.advance(c.Cursor)
	case "$resync":
		return l.resync(ctx, c)
	case "$bye":
		l.bye, l.stay = true, time.Duration(c.RetryAfterMS)*time.Millisecond
	case "$error":
		return denied(c.Code)
	}
	return nil
}

// advance takes a cursor over.
func (l *library) advance(cursor string) {
	if cursor == "" || len(l.pending) > 0 {
		return
	}
	for _, t := range l.topics {
		if t.in {
			t.place = place{since: cursor}
		}
	}
}

// welcome begins: with the fetch that the client's way has before the first join.
func (l *library) welcome(ctx context.Context, c control) error {
	l.greeted = true
	l.live(time.Duration(c.HeartbeatMS) * time.Millisecond)
	switch {
	case l.from != nil || l.way == joinFirst:
	case l.way == cursorFirst:
		return l.fetchBefore(ctx, place{since: c.Cursor})
	case l.way == fetchFirst:
		l.again = time.Now().Add(lookbackMargin)
		return nil
	}
	l.indulge()
	return l.join(ctx)
}

// preview is a page that fetches, is drawn, and only then connects, to look back.
func (c *Client) preview(ctx context.Context) {
	if c.o.Kind != oracle.Library || c.way != fetchFirst || c.o.Habits.Linger == 0 {
		return
	}
	if c.fetchAt(ctx, place{back: time.Now()}) == nil {
		c.wait(ctx, c.about(c.o.Habits.Linger))
	}
}

// fetchAt is the fetch before the first join, which goes on from that place.
func (c *Client) fetchAt(ctx context.Context, p place) error {
	from, err := c.o.Fetch(ctx)
	if err != nil {
		return errEnded
	}
	c.from = &from
	for _, t := range c.topics {
		t.place = p
	}
	return nil
}

// fetchBefore is a fetch before the first join, and that join, at once or later.
func (l *library) fetchBefore(ctx context.Context, p place) error {
	if err := l.fetchAt(ctx, p); err != nil {
		return err
	}
	if l.indulge(); !l.settled {
		l.again = l.when(l.o.Habits.Linger)
	}
	if !l.again.IsZero() {
		return nil
	}
	return l.join(ctx)
}

// askAgain implements dialect: for what was denied for now, or left.
func (l *library) askAgain(ctx context.Context) error {
	switch {
	case !l.greeted: // and then it joins all there is
		return nil
	case l.way == fetchFirst && l.from == nil:
		return l.fetchBefore(ctx, place{back: time.Now()})
	}
	for _, t := range l.topics {
		t.away = false
	}
	return l.join(ctx)
}

// join asks for all topics that are neither in nor asked for, those of one place
// together.
func (l *library) join(ctx context.Context) error {
	for _, first := range l.topics {
		var together []*topic
		for _, t := range l.topics {
			if !t.in && !t.asked && !t.away && t.place == first.place {
				together = append(together, t)
			}
		}
		if len(together) == 0 {
			continue
		}
		if err := l.ask(ctx, together); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a join.
func (l *library) ask(ctx context.Context, topics []*topic) error {
	l.ref++
	frame := map[string]any{"type": "join", "ref": l.ref, "topics": names(topics)}
	switch p := topics[0].place; {
	case p.since != "":
		frame["since"] = p.since
	case !p.back.IsZero():
		frame["lookback_ms"] = (time.Since(p.back) + lookbackMargin).Milliseconds()
	}
	for _, t := range topics {
		t.asked = true
	}
	l.pending = append(l.pending, request{l.ref, topics})
	l.journal.Asked(names(topics), topics[0].place != place{})
	return l.send(ctx, frame)
}

// answered takes a $joined, which must be the answer to the oldest join.
func (l *library) answered(ctx context.Context, f frame, c control) error {
	if len(l.pending) == 0 || string(f.ref) != strconv.Itoa(l.pending[0].ref) {
		return broken{"$joined for ref " + string(f.ref)}
	}
	topics := l.pending[0].topics
	l.pending = l.pending[1:]
	l.journal.Joined(c.Topics, c.Replayed, c.Recovered)
	var fresh []*topic
	for _, t := range topics {
		t.asked = false
		denial, no := c.Denied[t.name]
		switch t.in = slices.Contains(c.Topics, t.name); {
		case t.in == no:
			return broken{"$joined does not say whether to " + t.name}
		case no && denial.Code != "unavailable":
			return refusal{"denied " + denial.Code}
		case no:
			l.again = time.Now().Add(l.moment())
		case !t.member:
			fresh = append(fresh, t)
		}
	}
	if c.Recovered != nil && !*c.Recovered {
		l.debts = append(l.debts, c.Topics...)
	}
	l.advance(c.Cursor)
	if err := l.enter(ctx, fresh); err != nil {
		return err
	}
	l.look(ctx)
	return nil
}

// enter is when topics were joined for the first time: what the fetch of the
// client's way did not see is owed from now on.
func (l *library) enter(ctx context.Context, fresh []*topic) error {
	if len(fresh) == 0 {
		return nil
	}
	from := l.from
	if from == nil {
		snapshot, err := l.o.Fetch(ctx)
		if err != nil {
			return errEnded
		}
		from = &snapshot
	}
	for _, t := range fresh {
		t.member = true
	}
	l.journal.Member(names(fresh), *from)
	return nil
}

// leave implements dialect: one topic, if all is quiet.
func (l *library) leave(ctx context.Context) error {
	if !l.joined() {
		return nil
	}
	l.ref++
	l.leaving = true
	t := l.topics[l.rng.IntN(len(l.topics))]
	return l.send(ctx, map[string]any{"type": "leave", "ref": l.ref, "topics": []string{t.name}})
}

// gone takes a $left. The topics stay where they are until they are joined again.
func (l *library) gone(ctx context.Context, f frame, c control) error {
	if f.ref == nil {
		return denied(c.Code)
	}
	l.leaving = false
	l.journal.Left(c.Topics)
	for _, t := range l.topics {
		if slices.Contains(c.Topics, t.name) {
			t.in, t.away = false, true
		}
	}
	if l.settled {
		return l.askAgain(ctx)
	}
	l.again = l.when(l.o.Habits.Churn / 2)
	return nil
}

func (l *library) send(ctx context.Context, frame map[string]any) error {
	text, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	return l.conn.Write(context.WithoutCancel(ctx), websocket.MessageText, text)
}

func names(topics []*topic) (list []string) {
	for _, t := range topics {
		list = append(list, t.name)
	}
	return list
}
