package load

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/oracle"
)

// Options say who writes how much. The zero value of Writers, Topics and Pause
// is the default.
type Options struct {
	URL      func() string // for the next connection of a writer
	Seed     uint64
	Writers  int           // DefaultWriters
	Topics   int           // as given to Install; DefaultTopics
	Pause    time.Duration // mean, between a writer's transactions; DefaultPause
	Bulk     bool          // now and then a transaction calls rowcast.bulk()
	Truncate bool          // now and then a table is truncated
	Large    int           // now and then a transaction of so many rows; 0: none
	Padding  int           // bytes in a row's content, at most; less than max_bytes (32 KB)
	Open     time.Duration // the longest that a transaction sleeps before its commit; 0: none does
}

// The defaults of Options.
const (
	DefaultWriters = 6
	DefaultTopics  = 8
	DefaultPause   = 20 * time.Millisecond
)

// Counts are of what was written so far.
type Counts struct {
	Transactions int // committed
	Rows         int // written in them
	Rollbacks    int // on purpose
	Failures     int // deadlocks, broken connections and the like
}

// Load is an application at work.
type Load struct{ o Options }

// New is a load that has not begun.
func New(o Options) *Load { return &Load{o: o} }

// Run writes until ctx ends. A writer whose connection breaks makes a new one,
// for ever.
func (l *Load) Run(ctx context.Context) { <-ctx.Done() }

// Fin emits one last event to all topics, in a transaction that begins after
// all others of the load have ended, and returns its key. Run has returned by
// then. It tries until ctx ends.
func (l *Load) Fin(ctx context.Context) (key string, xid uint64, err error) {
	return "", 0, errors.New("not yet")
}

// Committed is when the COMMIT of the transaction had returned that the key is
// of; false if it never did, though it may have been committed all the same.
func (l *Load) Committed(key string) (time.Time, bool) { return time.Time{}, false }

// Counts are those so far.
func (l *Load) Counts() Counts { return Counts{} }

// Names are the names of all topics.
func Names(topics int) []string { return nil }

// Install makes the tables, their watches and the oracle. The schema rowcast is
// there already.
func Install(ctx context.Context, conn *pgx.Conn, topics int) error { return nil }

// Truth is what was committed, and to whom it is owed. large is
// limits.transaction_events: a transaction of more changes is owed as a $resync.
func Truth(ctx context.Context, conn *pgx.Conn, large int) (oracle.Truth, error) {
	return oracle.Truth{}, nil
}
