package pglisten

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Mode says how a Source learns that there is something to read.
type Mode byte

// The modes of capture.
const (
	// Doorbell listens: writers notify while every reader sleeps.
	Doorbell Mode = iota
	// Poll asks again and again; nobody listens or notifies. For databases that
	// prepare transactions, or that only a transaction pooler leads to.
	Poll
)

// The defaults of Options.
const (
	DefaultBackstop     = 5 * time.Second        // PollInterval in mode Doorbell
	DefaultPollInterval = 250 * time.Millisecond // PollInterval in mode Poll
	DefaultHistoryBytes = 64 << 20
	DefaultInspect      = 10 * time.Second
)

// Options of a Source. Only URL or Config is needed.
type Options struct {
	// URL of the database, as pgx.ParseConfig reads it; several hosts may be
	// named, the primary among them is taken.
	URL string
	// Config is used instead of URL when set, with its own dialer.
	Config *pgx.ConnConfig
	// Mode is Doorbell by default.
	Mode Mode
	// PollInterval: in mode Doorbell the longest time without a look into the
	// log, DefaultBackstop; in mode Poll the time between two looks,
	// DefaultPollInterval.
	PollInterval time.Duration
	// HistoryBytes bounds what the first Reset loads from the log, in bytes of
	// JSON; DefaultHistoryBytes. Negative: nothing. Revocations are loaded in any
	// case, but for what is beyond the newest 32 MB of them.
	HistoryBytes int64
	// Inspect is the time between two looks at the watched tables, and between
	// two canaries; DefaultInspect.
	Inspect time.Duration
	// Canary, if set, is this instance's name, which no other has had: its row in
	// rowcast.canary is written again and again, and comes back as a Change of a
	// Hidden watch, with what Sung understands in the column note.
	Canary string
	// Channels are NOTIFY channels to hand on as they are. Not in mode Poll.
	Channels []string
	// Watches, if set, is told of the live watches whenever they were loaded,
	// before the first Reset for the first time. It must not block.
	Watches func([]*Watch)
	// Logger; none by default.
	Logger *slog.Logger
}

// The errors a caller tells apart.
var (
	// ErrStandby: the server is in recovery. Its snapshots do not tell which
	// transactions run, so changes would be lost.
	ErrStandby = errors.New("the server is a standby; rowcast reads from the primary only")
	// ErrPooler: the connection does not belong to one session.
	ErrPooler = errors.New("a transaction pooler (PgBouncer or another) stands before the server and swallows notifications; " +
		"connect to the server itself, or use capture.mode poll")
	// ErrSchema: the rowcast schema is not there, or the role may not use it.
	ErrSchema = errors.New("the schema rowcast is missing or not readable by this role; run rowcast migrate up")
	// ErrClosed is what Refresh returns after the end of Run.
	ErrClosed = errors.New("the source is closed")
)

// Source reads one database's event log. It is made by New, run once.
type Source struct {
	o      Options
	config *pgx.ConnConfig
	log    *slog.Logger
	tempo  tempo
	made   time.Time // the canary's notes count from here
	mail   mailbox
	stats  statistics
}

// New returns a Source; Run works it. A bad URL is found by Run.
func New(o Options) *Source {
	if o.PollInterval <= 0 {
		o.PollInterval = DefaultBackstop
		if o.Mode == Poll {
			o.PollInterval = DefaultPollInterval
		}
	}
	if o.HistoryBytes == 0 {
		o.HistoryBytes = DefaultHistoryBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Source{o: o, log: o.Logger, tempo: defaultTempo(), made: time.Now()}
	if o.Inspect > 0 {
		s.tempo.inspect = o.Inspect
	}
	return s
}

// Run reads the log into sink until ctx is done; then it returns nil, the batch
// in hand finished if that takes no more than a second, else left at the end of
// a piece. Until sink has taken the first Reset every failure is returned;
// after that only sink's own, everything else is logged and tried again for
// ever.
func (s *Source) Run(ctx context.Context, sink Sink) error {
	defer s.mail.close()
	if err := s.configure(); err != nil {
		return err
	}
	r := newReader(s, sink)
	var chores sync.WaitGroup
	defer chores.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	begun := sync.OnceFunc(func() {
		chores.Go(func() { newChores(s).run(ctx) })
	})
	for {
		err := r.session(ctx, begun)
		s.stats.connected(false)
		var taking *sinkError
		switch {
		case errors.As(err, &taking):
			return taking.cause
		case ctx.Err() != nil:
			return nil
		case !r.began:
			return err
		}
		delay := backoff(r.failures)
		r.failures++
		s.log.Warn("reader disconnected", "err", err, "attempt", r.failures, "delay", delay)
		if !pause(ctx, delay) {
			return nil
		}
	}
}

// Refresh reads the log once, now, and returns when sink has taken what that
// found. All who wait share one reading.
func (s *Source) Refresh(ctx context.Context) error {
	done, err := s.mail.ask()
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sinkError marks what the sink returned, and so ends Run.
type sinkError struct{ cause error }

func (e *sinkError) Error() string { return fmt.Sprintf("sink: %v", e.cause) }
func (e *sinkError) Unwrap() error { return e.cause }

// backoff is how long to wait before attempt number n, from 0: 0.1 s doubling to
// 30 s, half of it at random so that many daemons do not come back as one.
func backoff(n int) time.Duration {
	d := min(100*time.Millisecond<<min(n, 10), 30*time.Second)
	return d/2 + rand.N(d/2)
}

// pause waits and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
