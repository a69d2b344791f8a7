package rooms

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"rowcast/internal/snapshot"
)

func TestMain(m *testing.M) {
	// Runs long enough for things to happen; flags of the command line still count.
	_ = flag.Set("rapid.steps", "100")
	_ = flag.Set("rapid.checks", "150")
	goleak.VerifyTestMain(m)
}

// fixture is a hub whose transactions have the xids 1, 2, 3, … and one event
// each, called by its xid.
type fixture struct {
	t   testing.TB
	hub *Hub
	xid uint64 // of the last transaction
}

// setup returns a hub that has read everything below xid 1.
func setup(t testing.TB, o Options) *fixture {
	h := New(o)
	h.Reset(Reset{Epoch: "e1", Snapshot: snapshot.New(1), Floor: snapshot.New(1)})
	return &fixture{t: t, hub: h}
}

// cursorAt resumes after the transactions up to xid, without those in progress.
func cursorAt(xid uint64, inProgress ...uint64) string {
	return snapshot.Cursor{Epoch: "e1", Snapshot: snapshot.New(xid+1, inProgress...)}.Encode()
}

// event is the event of a transaction.
func event(xid uint64, topics ...string) Item {
	return Item{Topics: topics, Data: fmt.Appendf(nil, `{"type":"t","payload":{},"id":"%d"}`, xid), Cursor: cursorAt(xid), XID: xid}
}

// publish publishes the next n transactions, each in a batch of its own.
func (f *fixture) publish(n int, topics ...string) {
	for range n {
		f.xid++
		f.hub.Publish(Batch{Items: []Item{event(f.xid, topics...)}, Snapshot: snapshot.New(f.xid + 1)})
	}
}

// resync publishes a resync as the next transaction.
func (f *fixture) resync(reason Reason, topics ...string) {
	f.xid++
	f.hub.Publish(Batch{
		Items:    []Item{{Topics: topics, Reason: reason, Cursor: cursorAt(f.xid), XID: f.xid}},
		Snapshot: snapshot.New(f.xid + 1),
	})
}

// access publishes a change of access.
func (f *fixture) access(effect Effect, subject string, topics ...string) {
	a := &Access{Subject: subject, Everyone: subject == "*", Effect: effect, At: time.Now()}
	if a.Everyone {
		a.Subject = ""
	}
	f.hub.Publish(Batch{Items: []Item{{Topics: topics, Access: a, XID: f.xid}}, Snapshot: snapshot.New(f.xid + 1)})
}

// subscribe adds a subscriber that is closed with the test.
func (f *fixture) subscribe(level Level) *Subscriber {
	return f.enter(SubscriberOptions{Level: level})
}

// guest adds a subscriber of the subject, whose topics are judged.
func (f *fixture) guest(level Level, subject string, topics ...string) *Subscriber {
	s := f.enter(SubscriberOptions{Level: level, Guarded: true})
	s.Identify(subject)
	f.join(s, JoinRequest{Topics: topics, Mark: f.hub.Mark()})
	return s
}

func (f *fixture) enter(o SubscriberOptions) *Subscriber {
	s, err := f.hub.Subscribe(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { s.Close(ErrClosed) })
	return s
}

// member adds a plain subscriber of the topics.
func (f *fixture) member(topics ...string) *Subscriber {
	s := f.subscribe(Plain)
	f.join(s, JoinRequest{Topics: topics})
	return s
}

func (f *fixture) join(s *Subscriber, r JoinRequest) {
	f.t.Helper()
	if err := s.Join(f.t.Context(), r); err != nil {
		f.t.Fatalf("join: %v", err)
	}
}

// frames returns everything that waits, in words.
func (f *fixture) frames(s *Subscriber) string {
	var words []string
	for {
		frames, _, err := s.take(nil)
		if err != nil || len(frames) == 0 {
			return strings.Join(words, " ")
		}
		for _, frame := range frames {
			words = append(words, word(f.t, frame))
		}
	}
}

// word is a frame in short: an event's id, or what a control frame says.
func word(t rapid.TB, f Frame) string {
	var m struct {
		Type    string
		ID      string
		Payload struct {
			Topics    []string
			Denied    map[string]Denial
			Replayed  int
			Recovered *bool
			Reason    string
			Code      any
			Cursor    string
		}
	}
	if err := json.Unmarshal(f.Data, &m); err != nil {
		t.Fatalf("frame %q: %v", f.Data, err)
	}
	p := m.Payload
	switch m.Type {
	case "t":
		return m.ID
	case "$resync":
		return fmt.Sprintf("resync(%s %s)", strings.Join(p.Topics, ","), p.Reason)
	case "$joined":
		w := "joined(" + strings.Join(p.Topics, ",")
		for _, topic := range slices.Sorted(maps.Keys(p.Denied)) {
			w += fmt.Sprintf(" %s:%s", topic, p.Denied[topic].Code)
		}
		if p.Recovered != nil {
			w += fmt.Sprintf(" replayed=%d recovered=%t", p.Replayed, *p.Recovered)
		}
		return w + ")"
	case "$left":
		if p.Code == nil {
			return fmt.Sprintf("left(%s)", strings.Join(p.Topics, ","))
		}
		return fmt.Sprintf("left(%s %v)", strings.Join(p.Topics, ","), p.Code)
	case "$error":
		return fmt.Sprintf("error(%v)", p.Code)
	case "$ping":
		return "$ping(" + p.Cursor + ")"
	}
	return m.Type
}

func (f *fixture) want(s *Subscriber, want string) {
	f.t.Helper()
	if got := f.frames(s); got != want {
		f.t.Errorf("frames\n got: %s\nwant: %s", got, want)
	}
}
