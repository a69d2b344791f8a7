package client

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"rowcast/chaos/oracle"
)

// How connections end, in a journal, besides the codes of close frames.
const (
	Dropped = "dropped" // by the client, whose habit it is
	Ended   = "ended"   // by the client: its Run has ended
	Silent  = "silent"  // by the client: nothing had come for too long
	Cut     = "cut"     // the network, or a daemon that died
	EOF     = "eof"     // a stream's orderly end
)

const (
	handshakeTime = 5 * time.Second // for each of: connecting, the response, $welcome
	silenceGrace  = 3 * time.Second // beyond the heartbeat; the page says 10
	longestWait   = time.Second     // between two connections, whatever the daemon asks for
)

// refusal is an $error, or a topic that is denied for good.
type refusal struct{ text string }

func (r refusal) Error() string { return r.text }

// broken is a frame that breaks the first of what always holds.
type broken struct{ text string }

func (b broken) Error() string { return "broken frame: " + b.text }

// Why a session ends itself.
var (
	errDropped = errors.New(Dropped)
	errEnded   = errors.New(Ended)
	errSilent  = errors.New(Silent)
)

// dialect is what the kinds do each in its own way.
type dialect interface {
	talk(ctx context.Context) error     // shakes hands and reads, until the end and why it came
	joined() bool                       // whether it is in all topics now
	askAgain(ctx context.Context) error // for what it is not in
	leave(ctx context.Context) error    // a topic, for a while
}

// session is one connection of a client: what all kinds have in common.
type session struct {
	*Client
	dialect
	socket *socket

	opened bool          // it is in the journal
	pings  bool          // the WebSocket's own count as a sign of life
	cause  error         // why the session ended itself
	stay   time.Duration // how long the daemon wants it to stay away
	bye    bool          // the daemon said so before the end

	heard   time.Time     // something came
	silence time.Duration // after so long without a sign the connection is dead

	drop, halt, churn, again time.Time // when these are due; zero: never
}

// begin arms the clock of a new connection.
func (s *session) begin(ctx context.Context) {
	s.heard, s.silence = time.Now(), handshakeTime
	s.socket.due = s.due
	s.socket.tick = func() error {
		if s.cause == nil {
			s.cause = s.tick(ctx)
		}
		return s.cause
	}
}

// live is once the handshake is over.
func (s *session) live(heartbeat time.Duration) {
	s.heard, s.silence = time.Now(), heartbeat+silenceGrace
}

// indulge begins the habits.
func (s *session) indulge() {
	if s.settled = s.isSettling(); s.settled {
		return
	}
	s.drop, s.halt = s.when(s.o.Habits.Drop), s.when(s.o.Habits.Halt)
	if s.o.Kind == oracle.Library {
		s.churn = s.when(s.o.Habits.Churn)
	}
}

// when is a habit's next time.
func (c *Client) when(mean time.Duration) time.Time {
	if mean <= 0 {
		return time.Time{}
	}
	return time.Now().Add(c.about(mean))
}

func (c *Client) about(mean time.Duration) time.Duration {
	return time.Duration(c.rng.ExpFloat64() * float64(mean))
}

// due is when tick has something to do.
func (s *session) due() time.Time {
	soonest := s.heard.Add(s.silence)
	for _, t := range []time.Time{s.drop, s.halt, s.churn, s.again} {
		if !t.IsZero() && t.Before(soonest) {
			soonest = t
		}
	}
	return soonest
}

// tick does what is due.
func (s *session) tick(ctx context.Context) error {
	if ctx.Err() != nil {
		return errEnded
	}
	now := time.Now()
	if s.isSettling() && !s.settled {
		s.settled = true
		s.drop, s.halt, s.churn, s.again = time.Time{}, time.Time{}, time.Time{}, now
		s.look(ctx)
	}
	passed := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	switch {
	case passed(s.again):
		s.again = time.Time{}
		return s.askAgain(ctx)
	case passed(s.churn):
		s.churn = s.when(s.o.Habits.Churn)
		return s.leave(ctx)
	case passed(s.halt):
		s.rest(ctx, s.about(s.o.Habits.HaltFor))
		s.halt = s.when(s.o.Habits.Halt)
	case passed(s.drop):
		s.socket.reset(s.rng.IntN(2) == 0)
		return errDropped
	case passed(s.heard.Add(s.silence)):
		return errSilent
	}
	return nil
}

// rest reads nothing for a while, or until the client settles if there is no end.
func (s *session) rest(ctx context.Context, d time.Duration) {
	s.wait(ctx, d)
	s.heard = time.Now()
}

// wait is for so long, or without end, but never longer than the habits.
func (c *Client) wait(ctx context.Context, d time.Duration) {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-c.settling:
	case <-ctx.Done():
	}
}

// look tells those who wait when the client is in all its topics. A deaf one has
// heard enough then.
func (s *session) look(ctx context.Context) {
	if !s.joined() {
		return
	}
	announce(&s.isReady, s.ready)
	switch {
	case s.settled:
		announce(&s.isWhole, s.whole)
	case s.o.Habits.Deaf:
		s.rest(ctx, 0)
	}
}

func announce(done *bool, told chan struct{}) {
	if !*done {
		*done = true
		close(told)
	}
}

// resync is a $resync: fetch again what it names.
func (s *session) resync(ctx context.Context, c control) error {
	s.journal.Resync(c.Topics, c.Reason)
	var mine []string
	for _, topic := range s.o.Topics {
		if slices.ContainsFunc(c.Topics, func(pattern string) bool { return covers(pattern, topic) }) {
			mine = append(mine, topic)
		}
	}
	return s.fetch(ctx, mine)
}

// fetch is a refetch of what the topics feed. It pays the client's debts.
func (c *Client) fetch(ctx context.Context, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	snapshot, err := c.o.Fetch(ctx)
	if err != nil {
		return errEnded // it tries until ctx ends
	}
	c.journal.Fetched(topics, snapshot)
	c.debts = slices.DeleteFunc(c.debts, func(topic string) bool { return slices.Contains(topics, topic) })
	return nil
}

// covers is whether a pattern, in which * stands for any text, means a topic.
func covers(pattern, topic string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == topic
	}
	rest, ok := strings.CutPrefix(topic, before)
	for i := 0; ok && i <= len(rest); i++ {
		if covers(after, rest[i:]) {
			return true
		}
	}
	return false
}

// how is a connection's end in the journal.
func (s *session) how(err error) string {
	if s.cause != nil {
		err = s.cause
	}
	if code := websocket.CloseStatus(err); code != -1 {
		text := strconv.Itoa(int(code))
		if code == websocket.StatusServiceRestart && s.o.Kind == oracle.Library && !s.bye {
			text += " without $bye"
		}
		return text
	}
	for _, own := range []error{errDropped, errEnded, errSilent, errEOF} {
		if errors.Is(err, own) {
			return own.Error()
		}
	}
	var r refusal
	var b broken
	if errors.As(err, &r) || errors.As(err, &b) {
		return err.Error()
	}
	return Cut
}

// denied is an $error, or a $left that nobody asked for.
func denied(code any) error {
	text, ok := code.(string)
	if !ok {
		return broken{"a code that is no text"}
	}
	return refusal{text}
}
