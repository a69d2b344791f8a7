package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/load"
)

// measureScenarios are those that end with a figure of time.
func measureScenarios() []scenario {
	return []scenario{
		{
			name: "dead-promise", fault: "kill -9 of the instance that had promised to look", alone: true,
			instances: 2, load: load.Options{Writers: 1, Pause: time.Hour}, // who writes is the scenario
			prepare: beginFollower, act: killPromiser,
		},
		{
			name: "late-commit", fault: "transactions that saw the promise commit when it is over", alone: true,
			load: load.Options{Writers: 1, Pause: time.Hour}, // who writes is the scenario
			act:  commitLate,
		},
		{
			name: "long-transaction", fault: "a transaction open throughout", alone: true,
			act: compareOpen,
		},
		deafScenario(),
	}
}

// Writers do not ring while the doorbell holds a promise. Who made it may be dead:
// then the other instance has to look, by itself, when the promise is over.
const (
	promise = 500 * time.Millisecond // that of a daemon
	tooLate = promise + time.Second  // what else makes an instance look comes every 10 s

	enough = 5                // attempts that prove something
	busy   = 40 * time.Second // after which one has to be enough

	fastPace   = 3 * time.Millisecond  // four rings within 50 ms make an instance promise
	steadyPace = 18 * time.Millisecond // and these do not; but one that has promised goes on
)

// follower is the application_name of the second instance.
const follower = "rowcast follower"

// beginFollower sends the clients to the second instance.
func beginFollower(_ context.Context, w *world) error {
	w.instances[1].database += "&application_name=" + strings.ReplaceAll(follower, " ", "%20")
	w.where = func(*rand.Rand) string { return w.instances[1].addr }
	return nil
}

// killPromiser kills the first instance while its promise lasts and the second
// sleeps, writes one event for which nobody rings, and takes the time from the
// kill to the last client that has it.
func killPromiser(ctx context.Context, w *world) (figure string, err error) {
	p := &promiser{world: w}
	if p.conn, err = pgx.Connect(ctx, w.writers()); err != nil {
		return "", err
	}
	defer p.conn.Close(ctx)
	longest, kills, err := proofs(func(int) (time.Duration, error) { return p.breakOne(ctx) })
	return fmt.Sprintf("all there %d ms after the kill at the latest, of %d kills", longest.Milliseconds(), kills), err
}

// proofs tries until enough attempts have proved something, on a busy machine at
// least one, and returns the longest delay.
func proofs(try func(n int) (time.Duration, error)) (longest time.Duration, proved int, err error) {
	began := time.Now()
	for n := 0; proved < enough && (proved == 0 || time.Since(began) < busy); n++ {
		delay, err := try(n)
		if errors.Is(err, errNoPromise) {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		longest, proved = max(longest, delay), proved+1
	}
	return longest, proved, nil
}

// errNoPromise is an attempt that proves nothing: no promise was left by the
// first instance, or the second had made one, too.
var errNoPromise = errors.New("no promise")

type promiser struct {
	*world
	conn *pgx.Conn
	made int // events
}

func (p *promiser) breakOne(ctx context.Context) (delay time.Duration, err error) {
	first, second := p.instances[0], p.instances[1]
	if !first.running() {
		if err := first.start(ctx); err != nil {
			return 0, err
		}
	}
	if err := p.emitFor(ctx, 100*time.Millisecond, fastPace, nil); err != nil {
		return 0, err
	}

	// Both have promised now. On a new connection the second begins anew, sets the
	// doorbell back and leaves it to the first, which promises again.
	connects, err := second.metric(ctx, "rowcast_source_connects_total")
	if err != nil {
		return 0, err
	}
	if _, err := p.conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1", follower); err != nil {
		return 0, err
	}
	err = p.emitFor(ctx, 5*time.Second, steadyPace, func() (bool, error) {
		now, err := second.metric(ctx, "rowcast_source_connects_total")
		return now > connects, err
	})
	if err != nil {
		return 0, err
	}
	promises, err := second.metric(ctx, "rowcast_source_promises_total")
	if err != nil {
		return 0, err
	}
	err = p.emitFor(ctx, 2*promise, steadyPace, func() (bool, error) {
		page, err := second.ask(ctx, "/metrics")
		if err != nil || !bytes.Contains(page, []byte("\nrowcast_source_state{state=\"asleep\"} 1\n")) {
			return false, err
		}
		left, err := p.left(ctx)
		return left > promise/2, err
	})
	if err != nil {
		return 0, err
	}
	if now, err := second.metric(ctx, "rowcast_source_promises_total"); err != nil || now != promises {
		return 0, cmp.Or(err, errNoPromise)
	}
	return p.kill(ctx)
}

// kill kills the first instance and writes the event.
func (p *promiser) kill(ctx context.Context) (delay time.Duration, err error) {
	first, second := p.instances[0], p.instances[1]
	rings, err := second.metric(ctx, "rowcast_source_wakeups_total")
	if err != nil {
		return 0, err
	}
	if err := first.kill(); err != nil {
		return 0, err
	}
	began := time.Now()
	left, err := p.left(ctx)
	if err != nil || left <= 0 {
		return 0, cmp.Or(err, errNoPromise)
	}
	if err := p.pass(ctx, time.Duration(p.rng.Int64N(int64(left/2)))); err != nil {
		return 0, err
	}
	key, err := p.emit(ctx)
	if err != nil {
		return 0, err
	}
	if left, err := p.left(ctx); err != nil || left <= 0 {
		return 0, cmp.Or(err, errNoPromise) // it was rung for
	}
	last, err := p.reached(ctx, key, tooLate)
	if err != nil {
		return 0, fmt.Errorf("nobody has looked after the kill: %w", err)
	}
	if now, err := second.metric(ctx, "rowcast_source_wakeups_total"); err != nil || now != rings {
		return 0, cmp.Or(err, errNoPromise) // somebody else rang
	}
	return last.Sub(began), nil
}

// left is how long the promise lasts that stands in the doorbell.
func (p *promiser) left(ctx context.Context) (time.Duration, error) {
	var ms int64
	err := p.conn.QueryRow(ctx, "SELECT pg_sequence_last_value('rowcast.doorbell') - (extract(epoch FROM clock_timestamp()) * 1000)::bigint").Scan(&ms)
	return time.Duration(ms) * time.Millisecond, err
}

// emit sends an event to everybody.
func (p *promiser) emit(ctx context.Context) (key string, err error) {
	p.made++
	return emitToAll(ctx, p.conn, fmt.Sprintf("promise.%d", p.made))
}

// emitFor sends events at this pace, for so long, or until it says so.
func (p *promiser) emitFor(ctx context.Context, long, pace time.Duration, until func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < long; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := p.emit(ctx); err != nil {
			return err
		}
		if until == nil {
			continue
		}
		if done, err := until(); done || err != nil {
			return err
		}
	}
	if until != nil {
		return errNoPromise
	}
	return nil
}
