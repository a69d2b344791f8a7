package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/client"
	"rowcast/chaos/load"
)

// How a connection may end when its daemon is told to, and when it is killed.
var (
	told   = []string{"1012", client.EOF, "status 503", "unavailable"} // the last two: who came too late
	killed = []string{"*"}
)

// daemonScenarios are those in which the daemon is stopped, killed and halted.
func daemonScenarios() []scenario {
	return []scenario{
		{name: "kill", fault: "kill -9 and restart, twice", short: true, ends: killed, act: killAndStart},
		{name: "kill-two", fault: "kill -9 of two instances in turn, twice; the other takes over", instances: 2, clients: 9, ends: killed, act: killAndStart},
		{name: "term", fault: "SIGTERM and restart, twice", short: true, ends: told, act: termAndStart},
		{name: "rolling", fault: "three instances restarted in turn", short: true, instances: 3, clients: 12, ends: told, act: rolling},
		{name: "halt", fault: "SIGSTOP of one of two instances, 1 to 2 s", instances: 2, act: haltAndResume},
		{
			name: "term-busy", fault: "SIGTERM with a transaction of 5,000 rows in hand", largest: 100_000,
			heartbeat: 5 * time.Second, ends: told, act: termBusy,
		},
		{
			name: "term-slow", fault: "SIGTERM and restart, while clients do not read", heartbeat: 5 * time.Second,
			settings: append([]string{"--limits.replay_bytes=64MB"}, tight...), // the daemon waits for them, and much is written meanwhile
			load:     load.Options{Padding: 12 << 10}, habits: halting, ends: append([]string{client.Cut}, told...), act: termAndStart,
		},
		{
			name: "term-twice", fault: "a second SIGTERM while it shuts down", ends: killed,
			settings: []string{"--shutdown.drain_delay=10s"}, act: termTwice,
		},
		{
			name: "full-log", fault: "restarts with 16,000 rows in the log, a history of 3 MB", largest: 100_000,
			clients: 3, heartbeat: 5 * time.Second, load: load.Options{Pause: 50 * time.Millisecond},
			// The history that a start loads is cut at a transaction id. Who left while an
			// older transaction was open, be it in another database, is told to fetch:
			// so no other runs are on this server.
			ownCluster: true,
			settings:   []string{"--history.bytes=3MB"}, ends: told, act: restartFull,
		},
	}
}

// soon is up to 300 ms.
func (w *world) soon() time.Duration {
	return time.Duration(w.rng.Int64N(int64(300 * time.Millisecond)))
}

// killAndStart kills each instance, leaves it down for a moment, and starts it.
func killAndStart(ctx context.Context, w *world) (figure string, err error) {
	for range 2 {
		for _, i := range w.instances {
			if err := errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()), i.kill(), w.pass(ctx, w.soon()), i.start(ctx)); err != nil {
				return "", err
			}
		}
	}
	return "", w.pass(ctx, 500*time.Millisecond)
}

// termAndStart is the same, more politely.
func termAndStart(ctx context.Context, w *world) (figure string, err error) {
	for range 2 {
		for _, i := range w.instances {
			if err := errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()), i.term(ctx), w.pass(ctx, w.soon()), i.start(ctx)); err != nil {
				return "", err
			}
		}
	}
	return "", w.pass(ctx, 500*time.Millisecond)
}

// rolling replaces one instance after the other, as an upgrade does.
func rolling(ctx context.Context, w *world) (figure string, err error) {
	began := time.Now()
	for _, i := range w.instances {
		if err := errors.Join(w.pass(ctx, w.soon()), i.term(ctx), i.start(ctx)); err != nil {
			return "", err
		}
	}
	figure = fmt.Sprintf("replaced in %.1f s", time.Since(began).Seconds())
	return figure, w.pass(ctx, 500*time.Millisecond)
}

// haltAndResume stops an instance where it stands.
func haltAndResume(ctx context.Context, w *world) (figure string, err error) {
	i := w.instances[w.rng.IntN(len(w.instances))]
	long := time.Second + time.Duration(w.rng.Int64N(int64(time.Second)))
	return "", errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()), i.halt(), w.pass(ctx, long), i.resume(), w.pass(ctx, time.Second))
}

// termBusy sends the signal while the rows of a large transaction are being read
// and sent.
func termBusy(ctx context.Context, w *world) (figure string, err error) {
	i := w.instances[0]
	for n := range 2 {
		if err := w.burst(ctx, fmt.Sprintf("busy-%d", n), 5_000); err != nil {
			return "", err
		}
		wait := time.Duration(w.rng.Int64N(int64(100 * time.Millisecond)))
		if err := errors.Join(w.pass(ctx, wait), i.term(ctx), i.start(ctx), w.pass(ctx, w.soon())); err != nil {
			return "", err
		}
	}
	return "", w.pass(ctx, 500*time.Millisecond)
}

// impatience is how long a daemon may take after the second signal.
const impatience = time.Second

// termTwice sends the second signal while the daemon waits for its balancer.
func termTwice(ctx context.Context, w *world) (figure string, err error) {
	i := w.instances[0]
	if err := errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()), i.signal(syscall.SIGTERM),
		w.pass(ctx, 100*time.Millisecond+w.soon()), i.signal(syscall.SIGTERM)); err != nil {
		return "", err
	}
	began := time.Now()
	code, err := i.end(ctx)
	took := time.Since(began)
	if err == nil && (code != 1 || took > impatience) {
		err = fmt.Errorf("after the second signal it ended with code %d within %v, not 1 within %v", code, took, impatience)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("gone within %d ms", took.Milliseconds()), errors.Join(i.start(ctx), w.pass(ctx, time.Second))
}

// restartFull fills the log, so that a start finds more in it than the history
// holds, and restarts under load. Who was there a moment ago resumes.
//
// The history is several of the large transactions long: it begins at a
// transaction id, and whoever left while an older one was open, of this run or
// of one beside it, cannot be told from who missed something.
func restartFull(ctx context.Context, w *world) (figure string, err error) {
	for n := range 8 {
		if err := w.burst(ctx, fmt.Sprintf("full-%d", n), 2_000); err != nil {
			return "", err
		}
	}
	i := w.instances[0]
	var longest time.Duration
	for range 2 {
		if err := errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()), i.term(ctx)); err != nil {
			return "", err
		}
		began := time.Now()
		if err := i.start(ctx); err != nil {
			return "", err
		}
		longest = max(longest, time.Since(began))
	}
	return fmt.Sprintf("ready again within %.1f s", longest.Seconds()), w.pass(ctx, 500*time.Millisecond)
}

// burst writes so many rows in one transaction, beside the load. mutation is a
// name that no other statement has.
func (w *world) burst(ctx context.Context, mutation string, rows int) error {
	conn, err := pgx.Connect(ctx, w.writers())
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO oracle.tx (xid, began) VALUES (pg_current_xact_id(), pg_current_snapshot())`)
		if err == nil {
			_, err = tx.Exec(ctx, `SELECT set_config('rowcast.mutation_id', $1, true)`, mutation)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `INSERT INTO messages (topic_id, content) SELECT 1 + n % $1, $2 || n FROM generate_series(1, $3::int) n`,
				topics, mutation+":", rows)
		}
		return err
	})
	return errors.Join(err, conn.Close(ctx))
}
