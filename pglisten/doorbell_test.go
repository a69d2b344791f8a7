package pglisten

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/internal/snapshot"
)

// noBackstop: a lost wake-up shows.
const noBackstop = time.Hour

// No wake-up is lost without a backstop poll: quiet and busy times, transactions
// that stay open across the moments in which readers fall asleep, and across
// turns of the log.
func TestDoorbell_loses_no_wakeup(t *testing.T) {
	t.Parallel()
	t.Logf("-seed=%d", *seed)
	url := pgtest.Database(t)
	var sources []*Source
	var sinks []*record
	for range 3 {
		s, sink := run(t, Options{URL: url, PollInterval: noBackstop})
		sources, sinks = append(sources, s), append(sinks, sink)
	}
	turner := newTurner(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), *long)
	defer cancel()
	var mu sync.Mutex
	committed := map[int64]time.Time{}
	var writers sync.WaitGroup
	for n := range 6 {
		rng := rand.New(rand.NewPCG(*seed, uint64(100+n)))
		conn := pgtest.Connect(t, url)
		writers.Go(func() {
			for ctx.Err() == nil {
				pause(ctx, time.Duration(rng.Int64N(int64(60*time.Millisecond))))
				id, at, err := hold(t.Context(), conn, rng)
				if err != nil {
					t.Errorf("writer %d: %v", n, err)
					return
				}
				mu.Lock()
				committed[id] = at
				mu.Unlock()
			}
		})
	}
	rng := rand.New(rand.NewPCG(*seed, 99))
	for ctx.Err() == nil {
		pause(ctx, time.Duration(rng.Int64N(int64(time.Second))))
		turner.turn(t)
	}
	writers.Wait()
	var promises, wakeups uint64
	for i, sink := range sinks {
		if !sink.within(patient10s, func() bool { return len(sink.changes()) >= len(committed) }) {
			t.Errorf("reader %d: %d of %d changes came", i, len(sink.all()), len(committed))
		}
		var late []time.Duration
		for j, c := range sink.all() {
			late = append(late, sink.taken[j].Sub(committed[c.ID]))
		}
		slices.Sort(late)
		stats := sources[i].Stats()
		t.Logf("reader %d: p50 %v, max %v, %+v", i, late[len(late)/2], late[len(late)-1], stats)
		promises, wakeups = promises+stats.Promises, wakeups+stats.Wakeups
	}
	if promises == 0 || wakeups == 0 {
		t.Error("the readers never promised or never slept: this run proved nothing")
	}
}

// hold writes one row in a transaction that stays open for a random while.
func hold(ctx context.Context, conn *pgx.Conn, rng *rand.Rand) (id int64, at time.Time, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO messages (topic_id) VALUES (7)")
		if err != nil {
			return err
		}
		switch rng.IntN(6) {
		case 0:
			pause(ctx, time.Duration(rng.Int64N(int64(300*time.Millisecond))))
		case 1, 2:
			pause(ctx, time.Duration(rng.Int64N(int64(50*time.Millisecond))))
		}
		return tx.QueryRow(ctx, "SELECT id FROM rowcast.log WHERE xid = pg_current_xact_id()").Scan(&id)
	})
	return id, time.Now(), err
}

const insertMessage = "INSERT INTO messages (topic_id) VALUES (7)"

// silent begins a transaction that writes a row while the doorbell is ahead, so
// that its commit rings nobody.
func silent(t *testing.T, conn *pgx.Conn) pgx.Tx {
	t.Helper()
	tx := begin(t, conn)
	execute(t, tx, insertMessage)
	return tx
}

// wakeUp writes until the source promises.
func wakeUp(t *testing.T, s *Source, conn *pgx.Conn) {
	t.Helper()
	eventually(t, "a promise", func() bool {
		for range 4 {
			execute(t, conn, insertMessage)
		}
		return s.Stats().State == "awake"
	})
}

// The forced schedule of the barrier: a writer reads the doorbell while the
// reader is awake and commits after it has lain down.
func TestDoorbell_waits_for_writers_that_saw_the_promise(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn, slow := pgtest.Connect(t, url), pgtest.Connect(t, url)
	s, sink := lightSleeper(t, url)
	wakeUp(t, s, conn)
	tx := silent(t, slow)
	state(t, s, "settling")
	before, polls := len(sink.all()), s.Stats().Polls
	eventually(t, "more polls", func() bool { return s.Stats().Polls > polls+5 })
	wakeups := s.Stats().Wakeups
	commit(t, tx)
	if !sink.within(time.Second, func() bool { return len(sink.changes()) > before }) {
		t.Error("the change did not come")
	}
	state(t, s, "asleep")
	if n := s.Stats().Wakeups - wakeups; n != 0 {
		t.Errorf("rung %d times: the schedule was not forced", n)
	}
}

// The control: the same schedule, a reader that lies down without the barrier.
func TestDoorbell_without_the_barrier_loses(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	slow, reader := pgtest.Connect(t, url), pgtest.Connect(t, url)
	execute(t, reader, "LISTEN rowcast")
	set := "SELECT setval('rowcast.doorbell', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $1)"
	execute(t, reader, set, 900)
	tx := silent(t, slow)
	execute(t, reader, set, 0)
	cursor, err := snapshot.Parse(ask[string](t, reader, "SELECT pg_current_snapshot()::text")) // the last poll
	if err != nil {
		t.Fatal(err)
	}
	commit(t, tx)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if n, err := reader.WaitForNotification(ctx); err == nil {
		t.Errorf("notified (%+v): the control controls nothing", n)
	}
	if xid := ask[uint64](t, reader, "SELECT xid FROM rowcast.log"); cursor.Visible(xid) {
		t.Error("the poll saw the change: the control controls nothing")
	}
}

// An instance that promises and dies delays the others by its promise.
func TestDoorbell_dead_promiser(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn, slow := pgtest.Connect(t, url), pgtest.Connect(t, url)
	s, sink := run(t, Options{URL: url, PollInterval: noBackstop})
	state(t, s, "asleep")
	polls := s.Stats().Polls
	execute(t, conn, `SELECT setval('rowcast.doorbell', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 500), pg_notify('rowcast', 'relay')`)
	eventually(t, "the relay", func() bool { return s.Stats().Polls > polls })

	start := time.Now()
	tx := silent(t, slow)
	execute(t, conn, insertMessage)
	sink.until(t, "the change", func() bool { return len(sink.changes()) == 1 })
	if d := time.Since(start); d > 800*time.Millisecond {
		t.Errorf("the change came after %v", d)
	} else {
		t.Logf("the change came after %v", d)
	}
	state(t, s, "settling")
	commit(t, tx) // long after the promise
	if !sink.within(time.Second, func() bool { return len(sink.changes()) == 2 }) {
		t.Error("a change committed after the dead instance's promise was lost")
	}
}

// What an instance finds while writers take it for awake, it tells the others:
// nobody else does.
func TestDoorbell_relays(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn, slow, other := pgtest.Connect(t, url), pgtest.Connect(t, url), pgtest.Connect(t, url)
	execute(t, other, "LISTEN rowcast; LISTEN marker")
	s, _ := lightSleeper(t, url)
	wakeUp(t, s, conn)
	tx := silent(t, slow)
	state(t, s, "settling")
	execute(t, conn, "NOTIFY marker")
	notified(t, other, "marker", "")
	commit(t, tx)
	notified(t, other, "rowcast", "relay")
	state(t, s, "asleep")
}

// lightSleeper starts a source that, once awake, stays so for long enough to
// write something meanwhile.
func lightSleeper(t *testing.T, url string) (*Source, *record) {
	t.Helper()
	s, sink := unattended(Options{URL: pgtest.Daemon(t, url), PollInterval: noBackstop}), newRecord()
	s.tempo.quiet = 100
	start(t, s, sink)
	state(t, s, "asleep")
	return s, sink
}

// notified waits for the next notification of a channel; it is to say payload.
func notified(t *testing.T, conn *pgx.Conn, channel, payload string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient10s)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			t.Fatalf("waiting for %s %q: %v", channel, payload, err)
		}
		if n.Channel != channel {
			continue
		}
		if n.Payload != payload {
			t.Errorf("%s says %q, not %q", channel, n.Payload, payload)
		}
		return
	}
}
