package pglisten

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"rowcast/internal/pgtemp/pgtest"
)

func TestSource_hands_on_a_change(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	_, sink := run(t, Options{URL: url})
	tx := begin(t, conn)
	execute(t, tx, "SELECT set_config('rowcast.mutation_id', 'm1', true)")
	execute(t, tx, "INSERT INTO messages (topic_id, content) VALUES (7, 'hi')")
	execute(t, tx, "UPDATE messages SET content = 'ho'")
	execute(t, tx, "DELETE FROM messages")
	execute(t, tx, `SELECT rowcast.emit('greeting', '{"a":1}', '{x,y}')`)
	commit(t, tx)
	sink.until(t, "all", func() bool { return len(sink.changes()) == 4 })
	var ops []string
	for i, c := range sink.all() {
		ops = append(ops, string(c.Op)+" "+string(c.New)+" "+string(c.Old))
		if c.TxChanges != 4 || c.MutationID != "m1" || time.Since(c.At).Abs() > time.Minute || c.Err != nil {
			t.Errorf("%+v", c)
		}
		if last := i == 3; last != c.Resume.Visible(c.XID) {
			t.Errorf("change %d: resume %v, xid %d", i, c.Resume, c.XID)
		}
	}
	want := []string{
		`I {"id":1,"topic_id":7,"content":"hi"} `,
		`U {"id":1,"topic_id":7,"content":"ho"} {"id":1,"topic_id":7,"content":"hi"}`,
		`D {"id":1,"topic_id":7,"content":"ho"} `,
		`E {"a": 1} `,
	}
	if got := strings.Join(ops, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
	if e := sink.all()[3]; e.Watch != nil || e.Type != "greeting" || strings.Join(e.Topics, ",") != "x,y" {
		t.Errorf("emit: %+v", e)
	}
}

func TestSource_fails_fast(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	if err := refused(t, New(Options{URL: "postgres://127.0.0.1:1/none"})); err == nil {
		t.Error("no server, no error")
	}
	if err := refused(t, New(Options{URL: "://"})); err == nil || !strings.HasPrefix(err.Error(), "parse database url") {
		t.Errorf("bad URL: %v", err)
	}
	conn := pgtest.Connect(t, url)
	tx := begin(t, conn)
	execute(t, tx, "LOCK TABLE rowcast.epoch")
	stuck := New(Options{URL: pgtest.Daemon(t, url)})
	stuck.tempo.standstill = 200 * time.Millisecond
	if err := refused(t, stuck); !errors.Is(err, errStandstill) {
		t.Errorf("a server that does not answer: %v", err)
	}
	commit(t, tx)
	execute(t, conn, "DROP SCHEMA rowcast CASCADE")
	err := refused(t, New(Options{URL: pgtest.Daemon(t, url)}))
	if !errors.Is(err, ErrSchema) || strings.Contains(err.Error(), "\n") {
		t.Errorf("no schema: %v", err)
	}
}

// The second goroutine of Run is at work: the figures that only it finds come.
func TestSource_looks_after_the_watches(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s, sink := New(Options{URL: pgtest.Daemon(t, url)}), newRecord()
	s.tempo.inspect = 50 * time.Millisecond
	start(t, s, sink)
	state(t, s, "asleep")
	if n := s.Stats().Watches; n != 2 {
		t.Errorf("%d watches", n)
	}
	execute(t, pgtest.Connect(t, url), "ALTER TABLE messages DISABLE TRIGGER ALL")
	sink.until(t, "the loss", func() bool { return len(sink.losses) == 1 })
	if n := s.Stats().Drifted; n != 1 {
		t.Errorf("%d watches drifted", n)
	}
}

// failing refuses what it is asked to.
type failing struct {
	*record
	reset, take error
}

func (f *failing) Reset(ctx context.Context, r Reset) error {
	return errors.Join(f.reset, f.record.Reset(ctx, r))
}

func (f *failing) Take(ctx context.Context, b Batch) error {
	if len(b.Changes) == 0 {
		return nil
	}
	return errors.Join(f.take, f.record.Take(ctx, b))
}

func TestSource_ends_with_the_sinks_error(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	broken := errors.New("broken")
	if err := New(Options{URL: pgtest.Daemon(t, url)}).Run(t.Context(), &failing{record: newRecord(), reset: broken}); !errors.Is(err, broken) {
		t.Errorf("Reset: %v", err)
	}
	s, sink := New(Options{URL: pgtest.Daemon(t, url)}), &failing{record: newRecord(), take: broken}
	done := make(chan error)
	go func() { done <- s.Run(t.Context(), sink) }()
	sink.until(t, "first Reset", func() bool { return len(sink.resets) == 1 })
	execute(t, pgtest.Connect(t, url), insertMessage)
	if err := <-done; !errors.Is(err, broken) {
		t.Errorf("Take: %v", err)
	}
	if err := s.Refresh(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Refresh after the end: %v", err)
	}
}

// slow takes its time with each piece, until it is let go.
type slow struct {
	*record
	gate chan struct{}
}

func (s *slow) Take(ctx context.Context, b Batch) error {
	if len(b.Changes) > 0 {
		<-s.gate
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.record.Take(ctx, b)
}

// Stopped in the middle of a batch: the batch is finished.
func TestSource_finishes_the_batch_in_hand(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s, sink := New(Options{URL: pgtest.Daemon(t, url)}), &slow{newRecord(), make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx, sink) }()
	sink.until(t, "first Reset", func() bool { return len(sink.resets) == 1 })
	execute(t, pgtest.Connect(t, url), "INSERT INTO messages (topic_id) SELECT 7 FROM generate_series(1, 1500)")
	sink.gate <- struct{}{}
	cancel()
	close(sink.gate)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := len(sink.all()); n != 1500 || sink.batches[len(sink.batches)-1].Partial {
		t.Errorf("%d changes, %+v", n, sink.batches[len(sink.batches)-1].Partial)
	}
}

// All who wait for a Refresh share one reading, and what was committed before
// they asked has been taken when they are answered.
func TestSource_refresh(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s, sink := run(t, Options{URL: url, Mode: Poll, PollInterval: noBackstop})
	execute(t, pgtest.Connect(t, url), insertMessage)
	done := make(chan error)
	for range 100 {
		go func() { done <- s.Refresh(t.Context()) }()
	}
	for range 100 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := len(sink.all()); n != 1 {
		t.Errorf("%d changes", n)
	}
	if n := s.Stats().Polls; n > 60 {
		t.Errorf("%d polls for 100 askers", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Refresh(ctx); err == nil {
		t.Log("answered at once")
	}
}

// A slot is emptied only of what had been read a minute ago.
func TestChores_rotate(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	s, sink := run(t, Options{URL: url})
	c := newChores(s)
	defer c.aside.close(t.Context())
	now := time.Now()
	far := `INSERT INTO rowcast.log (id, xid, watch, op, at, data) OVERRIDING SYSTEM VALUE
		SELECT (greatest(rowcast.turn(), 0) + 2) * 10000000000 + 1, pg_current_xact_id(), 1, 'I', now(), '{}'`
	turn := func(after time.Duration) (rotated uint64) {
		t.Helper()
		now = now.Add(after)
		if err := s.Refresh(t.Context()); err != nil { // everything has been read, just now
			t.Fatal(err)
		}
		if err := c.rotate(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		return s.Stats().Rotated
	}
	turn(0) // takes the first position
	execute(t, conn, far)
	if n := turn(30 * time.Second); n != 0 {
		t.Error("rotated within a minute")
	}
	if n := turn(31 * time.Second); n != 0 {
		t.Error("a row not read a minute ago was removed")
	}
	if n := turn(time.Minute); n != 1 {
		t.Errorf("rotated %d times", n)
	}
	execute(t, conn, far)
	for range 5 {
		turn(time.Minute)
	}
	if n := s.Stats().Rotated; n != 1 {
		t.Errorf("rotated %d times within a turn", n)
	}
	execute(t, conn, "UPDATE rowcast.mark SET at = at - interval '20 minutes'")
	if n := turn(time.Minute); n != 2 {
		t.Errorf("rotated %d times", n)
	}
	if s.Stats().Gaps != 0 || len(sink.all()) != 2 {
		t.Errorf("%d gaps, %d changes", s.Stats().Gaps, len(sink.all()))
	}
}
