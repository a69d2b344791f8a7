package main

import (
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
			name: "long-transaction", fault: "a transaction open throughout", alone: true,
			act: compareOpen,
		},
	}
}

// Writers do not ring while the doorbell holds a promise. Who made it may be dead:
// then the other instance has to look, by itself, when the promise is over.
const (
	promise = 500 * time.Millisecond // that of a daemon
	tooLate = 2 * time.Second        // what else makes an instance look comes every 10 s

	promised   = 5 // promises to be broken
	attempts   = 25
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
	var longest time.Duration
	broken := 0
	for range attempts {
		delay, err := p.breakOne(ctx)
		if errors.Is(err, errNoPromise) {
			continue
		}
		if err != nil {
			return "", err
		}
		longest = max(longest, delay)
		if broken++; broken == promised {
			return fmt.Sprintf("all there %d ms after the kill at the latest, of %d kills", longest.Milliseconds(), broken), nil
		}
	}
	return "", fmt.Errorf("only %d promises were broken in %d attempts: this proves nothing", broken, attempts)
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

	// Both have promised now. On a new connection the second begins anew, and
	// leaves it to the first.
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
	before, err := second.metric(ctx, "rowcast_source_promises_total")
	if err != nil {
		return 0, err
	}
	if err := p.emitFor(ctx, promise, steadyPace, nil); err != nil {
		return 0, err
	}
	after, err := second.metric(ctx, "rowcast_source_promises_total")
	if err != nil {
		return 0, err
	}
	if left, err := p.left(ctx); err != nil || left < promise/5 || after != before {
		return 0, errors.Join(errNoPromise, err)
	}
	return p.kill(ctx)
}

// kill kills the first instance and writes the event.
func (p *promiser) kill(ctx context.Context) (delay time.Duration, err error) {
	if err := p.instances[0].kill(); err != nil {
		return 0, err
	}
	began := time.Now()
	left, err := p.left(ctx)
	if err != nil || left < promise/10 {
		return 0, errors.Join(errNoPromise, err)
	}
	if err := p.pass(ctx, time.Duration(p.rng.Int64N(int64(left/2)))); err != nil {
		return 0, err
	}
	key, err := p.emit(ctx)
	if err != nil {
		return 0, err
	}
	last, err := p.reached(ctx, key, tooLate)
	if err != nil {
		return 0, fmt.Errorf("nobody has looked after the kill: %w", err)
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

// emitFor sends events at this pace, for so long, or until enough says so.
func (p *promiser) emitFor(ctx context.Context, long, pace time.Duration, enough func() (bool, error)) error {
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
		if enough == nil {
			continue
		}
		if done, err := enough(); done || err != nil {
			return err
		}
	}
	if enough != nil {
		return errNoPromise
	}
	return nil
}
