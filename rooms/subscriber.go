package rooms

import (
	"context"
	"encoding/json"
	"time"
)

// Level is how much of the protocol a subscriber is told.
type Level int8

// The levels.
const (
	Plain   Level = iota // events and $resync
	Library              // also $joined and $ping
	Stream               // events, $resync, and $ping to make heartbeats of (server-sent events)
)

// SubscriberOptions of Subscribe.
type SubscriberOptions struct {
	Level Level
}

// Kind tells frames apart without opening them.
type Kind int8

// The kinds.
const (
	Event Kind = iota
	Resync
	Ping
	Control // any other control frame
)

// Frame is one message to a client. Its bytes may be shared by all of them:
// never change them.
type Frame struct {
	Kind   Kind
	Data   []byte // one JSON object, one line
	Cursor string // resumes after this frame; "" for none
}

// Subscriber is one connection's place in the hub. One goroutine calls Next;
// the other methods may be called by any.
type Subscriber struct{}

// JoinRequest asks for topics. The names are valid and the client may have
// them; what it may not have is in Denied.
type JoinRequest struct {
	Ref      json.RawMessage
	Topics   []string
	Denied   map[string]Denial
	Since    *string        // a cursor, as the client sent it
	Lookback *time.Duration // never together with Since; clamped to Options.Lookback
}

// Join makes the subscriber a member of the topics and queues what the client
// is told, in its exact place between the events: the replay it asked for,
// $joined (Library only), $resync for what could not be replayed.
//
// It waits only for a cursor from an instance that is ahead, at most
// Options.JoinWait; then the topics are denied as unavailable, and at the other
// levels, which have no $joined, nothing is joined and ErrUnavailable returned.
// Joins of one subscriber are answered one after the other. The error is
// otherwise that of ctx, or Err of a closed subscriber.
func (s *Subscriber) Join(ctx context.Context, r JoinRequest) error { panic("soon") }

// Leave ends memberships and returns the topics that were left. No event of
// theirs is queued any more: a $left given to Control next comes after the last.
func (s *Subscriber) Leave(topics []string) (left []string) { panic("soon") }

// Topics returns the topics of the subscriber, sorted.
func (s *Subscriber) Topics() []string { panic("soon") }

// Control queues a control frame in its place between the events. It is never
// dropped. The error is Err of a subscriber that was closed or finished.
func (s *Subscriber) Control(frame []byte) error { panic("soon") }

// Next waits for frames and returns them in buf's memory (from its beginning):
// at least one, and not many more than 64 kB. When the subscriber was closed,
// or finished and all that waited was returned, its error is Err.
func (s *Subscriber) Next(ctx context.Context, buf []Frame) ([]Frame, error) { panic("soon") }

// Finish leaves all topics and lets Next return what waits, then the frame
// last (nil for none), then cause. For $bye and for an $error before a close.
func (s *Subscriber) Finish(last []byte, cause error) { panic("soon") }

// Close leaves all topics and drops what waits; Next returns cause at once. Of
// several calls the first counts, but Close ends what Finish lets drain. Every
// subscriber must be closed.
func (s *Subscriber) Close(cause error) { panic("soon") }

// Err is the cause given to Close or Finish; nil before.
func (s *Subscriber) Err() error { panic("soon") }
