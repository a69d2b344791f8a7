package pglisten

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
)

const patient10s = 10 * time.Second

// record is a Sink that remembers.
type record struct {
	mu      sync.Mutex
	resets  []Reset
	batches []Batch // since the last Reset
	taken   []time.Time
	notices []Notification
	losses  []Loss
	changed chan struct{} // closed and replaced at each call
}

func newRecord() *record { return &record{changed: make(chan struct{})} }

func (r *record) edit(f func()) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

func (r *record) Reset(_ context.Context, x Reset) error {
	return r.edit(func() { r.resets, r.batches = append(r.resets, x), nil })
}

func (r *record) Take(_ context.Context, x Batch) error {
	x.Changes = slices.Clone(x.Changes)
	for i := range x.Changes {
		c := &x.Changes[i]
		c.New, c.Old = bytes.Clone(c.New), bytes.Clone(c.Old)
	}
	return r.edit(func() {
		r.batches = append(r.batches, x)
		for range x.Changes {
			r.taken = append(r.taken, time.Now())
		}
	})
}

func (r *record) Notified(_ context.Context, x Notification) error {
	return r.edit(func() { r.notices = append(r.notices, x) })
}

func (r *record) Lost(_ context.Context, x Loss) error {
	return r.edit(func() { r.losses = append(r.losses, x) })
}

// until waits for a condition on the record; it is called with mu held.
func (r *record) until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if !r.within(2*patient10s, cond) {
		t.Fatalf("timed out: %s", what)
	}
}

func (r *record) within(d time.Duration, cond func() bool) bool {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		ok, changed := cond(), r.changed
		r.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-deadline.C:
			return false
		}
	}
}

// changes returns all changes taken since the last Reset, without its history.
func (r *record) changes() (all []Change) {
	for _, b := range r.batches {
		all = append(all, b.Changes...)
	}
	return all
}

func (r *record) all() []Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changes()
}

// run starts a source, which stops when the test ends, and waits for its first
// Reset.
func run(t testing.TB, o Options) (*Source, *record) {
	t.Helper()
	sink := newRecord()
	s := runInto(t, o, sink)
	sink.until(t, "first Reset", func() bool { return len(sink.resets) > 0 })
	return s, sink
}

func runInto(t testing.TB, o Options, sink Sink) *Source {
	t.Helper()
	if o.URL != "" {
		o.URL = pgtest.Daemon(t, o.URL)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s := unattended(o)
	start(t, s, sink)
	return s
}

// unattended returns a source whose chores never wake its reader.
func unattended(o Options) *Source {
	s := New(o)
	s.tempo.inspect = time.Hour
	return s
}

// start runs s until the test ends or the returned function is called.
func start(t testing.TB, s *Source, sink Sink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, sink) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// refused runs a source that ought to give up by itself and returns why it did,
// nil if it did not.
func refused(t *testing.T, s *Source) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient10s)
	defer cancel()
	return s.Run(ctx, newRecord())
}

// state waits until the source's doorbell state is the given one.
func state(t testing.TB, s *Source, want string) {
	t.Helper()
	eventually(t, want, func() bool { return s.Stats().State == want })
}

// eventually asks every 5 ms.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * patient10s)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out: %s", what)
		}
	}
}

func execute(t testing.TB, q querier, sql string, args ...any) {
	t.Helper()
	if _, err := q.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func ask[T any](t testing.TB, q querier, sql string, args ...any) (x T) {
	t.Helper()
	if err := q.QueryRow(t.Context(), sql, args...).Scan(&x); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return x
}

func begin(t testing.TB, c *pgx.Conn) pgx.Tx {
	t.Helper()
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func commit(t testing.TB, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}
