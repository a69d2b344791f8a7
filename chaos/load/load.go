package load

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// Options say who writes how much. The zero value of Writers, Topics and Pause
// is the default.
type Options struct {
	URL      func() string // for the next connection of a writer
	Seed     uint64        // another one for each load of a database: keys are made of it
	Writers  int           // DefaultWriters
	Topics   int           // as given to Install; DefaultTopics
	Pause    time.Duration // mean, between a writer's transactions; DefaultPause
	Bulk     bool          // now and then a transaction calls rowcast.bulk()
	Truncate bool          // now and then a table is truncated
	Large    int           // now and then a transaction of so many changes; 0: none
	Padding  int           // bytes in a row's content, at most; with the rest of the row less than max_bytes (32 KB)
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
type Load struct {
	o Options

	mu        sync.Mutex // guards what follows
	committed map[string]time.Time
	counts    Counts
}

// New is a load that has not begun.
func New(o Options) *Load {
	o.Writers = cmp.Or(o.Writers, DefaultWriters)
	o.Topics = cmp.Or(o.Topics, DefaultTopics)
	o.Pause = cmp.Or(o.Pause, DefaultPause)
	return &Load{o: o, committed: make(map[string]time.Time)}
}

// Run writes until ctx ends. A writer whose connection breaks makes a new one,
// for ever. What has begun when ctx ends is brought to its end.
func (l *Load) Run(ctx context.Context) {
	var writers sync.WaitGroup
	for n := range l.o.Writers {
		w := &writer{load: l, number: n, rng: rand.New(rand.NewPCG(l.o.Seed, uint64(n)))}
		writers.Go(func() { w.run(ctx) })
	}
	writers.Wait()
}

// Committed is when the COMMIT of the transaction had returned that the key is
// of; false if it never did, though it may have been committed all the same.
func (l *Load) Committed(key string) (time.Time, bool) {
	mutation, _, _ := strings.Cut(key, "/")
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.committed[transactionOf(mutation)]
	return at, ok
}

// Counts are those so far.
func (l *Load) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// ended counts a transaction; err is why it was not committed.
func (l *Load) ended(t *transaction, err error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.committed[t.name] = now
		l.counts.Transactions++
		l.counts.Rows += t.rows
	case errors.Is(err, errRollback):
		l.counts.Rollbacks++
	default:
		l.counts.Failures++
	}
}

// pause returns after d, or at the end of the load.
func pause(stop <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stop:
	}
}
