package rooms

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"rowcast/internal/snapshot"
)

// Defaults of Options.
const (
	DefaultHistoryBytes = 64 << 20
	DefaultHistoryAge   = 10 * time.Minute
	DefaultLookback     = time.Minute
	DefaultHeartbeat    = 25 * time.Second
	DefaultSpread       = 3 * time.Second
	DefaultJoinWait     = 10 * time.Second
	DefaultQueueBytes   = 1 << 20
)

// ErrClosed is what Subscribe returns after Close.
var ErrClosed = errors.New("hub closed")

// ErrUnavailable is what Join returns at the levels that have no $joined when
// the database could not be asked in time.
var ErrUnavailable = errors.New("database unavailable")

// Options of a Hub. The zero value is useful.
type Options struct {
	HistoryBytes int64         // memory for replay; default 64 MB
	HistoryAge   time.Duration // events are kept no longer; default 10 minutes
	Lookback     time.Duration // the most a join may look back; default 1 minute
	Heartbeat    time.Duration // a connection without a new cursor for so long gets a $ping; default 25 s
	Spread       time.Duration // clients refetch within it after a $resync; default 3 s
	JoinWait     time.Duration // a join waits no longer for the database; default 10 s
	QueueBytes   int64         // what may wait for one subscriber; default 1 MB

	// Refresh reads the log once, now, and returns when what it found was
	// published. Called for clients that come from an instance ahead of this
	// one, once for all who wait. nil: such a cursor is foreign.
	Refresh func(context.Context) error

	Logger *slog.Logger // default: none
}

// Hub fans events out to its subscribers and keeps the newest for replay.
// Its methods may be called by any goroutine.
type Hub struct{}

// New returns an empty hub. Reset gives it its first cursor.
func New(o Options) *Hub { panic("soon") }

// Run does what time demands: it drops history by age and sends $ping to quiet
// subscribers, until ctx ends.
func (h *Hub) Run(ctx context.Context) error { panic("soon") }

// Reset begins an epoch. Everything published before is void.
type Reset struct {
	Epoch    string
	Snapshot snapshot.Snapshot // the first cursor
	Floor    snapshot.Snapshot // cursors that do not see all of it cannot be answered
	History  []Item            // in the order in which they are to be replayed
	Restart  bool              // subscribers exist that saw another epoch: each gets a $resync
}

// Reset begins an epoch.
func (h *Hub) Reset(r Reset) { panic("soon") }

// Publish hands a piece of a batch to the members of its rooms. It never waits
// for any of them.
func (h *Hub) Publish(b Batch) { panic("soon") }

// Subscribe adds a subscriber. ErrClosed after Close.
func (h *Hub) Subscribe(o SubscriberOptions) (*Subscriber, error) { panic("soon") }

// Close refuses new subscribers; those there are stay.
func (h *Hub) Close() { panic("soon") }

// Cursor resumes after all that was published in whole batches.
func (h *Hub) Cursor() string { panic("soon") }

// Stats returns the hub's figures.
func (h *Hub) Stats() Stats { panic("soon") }

// Stats are a hub's figures: gauges first, then counters since New.
type Stats struct {
	Rooms        int
	Subscribers  int
	Memberships  int
	QueuedBytes  int64
	HistoryBytes int64
	HistoryItems int
	HistoryAge   time.Duration // of the oldest item

	Published uint64 // items
	Delivered uint64 // items handed to subscribers live, once for each
	Replayed  uint64 // events sent from the history
	Overflows uint64 // times a subscriber's queue was full
	Resyncs   map[Reason]uint64
}
