package pglisten

import (
	"context"

	"rowcast/internal/snapshot"
)

// Sink takes what a Source reads. All calls come from one goroutine, one at a
// time; returning nil means taken. An error ends the Source's Run.
type Sink interface {
	// Reset begins an epoch: at start, and whenever the log turned out to be
	// another one. Everything taken before is void.
	Reset(ctx context.Context, r Reset) error
	// Take takes a piece of a batch. When it has returned, the memory of
	// b.Changes, and of their New and Old, is used for the next piece: a sink
	// copies what it keeps of them. All else it may keep.
	Take(ctx context.Context, b Batch) error
	// Notified takes a notification of a channel from Options.Channels.
	Notified(ctx context.Context, n Notification) error
	// Lost says that something may have been missed.
	Lost(ctx context.Context, l Loss) error
}

// Reset is the beginning of an epoch.
type Reset struct {
	Epoch    string            // short: event ids and cursors begin with it
	Snapshot snapshot.Snapshot // the first cursor
	Floor    snapshot.Snapshot // cursors below it cannot be answered
	History  []Change          // what the log still held, in id order; see Options.HistoryBytes
	Restart  bool              // false for the first Reset of a Run
}

// Notification came on a NOTIFY channel an application already uses.
type Notification struct {
	Channel string
	Payload string
}

// Loss names what may have been missed. Exactly one of Watch and Channel is set.
type Loss struct {
	Watch   *Watch            // its trigger is gone, or its topic column
	Channel string            // the LISTEN connection was lost
	At      snapshot.Snapshot // what had been read by then
}
