package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/load"
	"rowcast/chaos/oracle"
	"rowcast/internal/pgtemp"
)

// whole is for clusters that crash: a server that is killed within a write may
// leave half a page, which only an image of the page in the log makes whole.
var whole = pgtemp.Options{Settings: map[string]string{"full_page_writes": "on"}}

// longFault is a load for faults of many seconds. What the clients find waiting
// when it is over must not keep them longer than the daemon waits for a pong.
var longFault = load.Options{Pause: 100 * time.Millisecond}

// crashes is what a client may be told that stays connected while Postgres
// crashes so many times: the log begins anew.
func crashes(n int) oracle.Budget { return oracle.Budget{"source_gap": n} }

// refetching is the heartbeat where clients refetch from a server that is only
// coming up: they read nothing meanwhile, and answer no ping.
const refetching = 5 * time.Second

// postgresScenarios are those in which Postgres is restarted, crashes and stands still.
func postgresScenarios() []scenario {
	return []scenario{
		{name: "pg-terminate", fault: "the daemon's backends terminated, ten times", short: true, act: terminateBackends},
		{name: "pg-restart", fault: "Postgres restarted (fast), twice", short: true, ownCluster: true, act: twice(restartPostgres)},
		{
			name: "pg-immediate", fault: "Postgres shut down without a checkpoint (immediate), twice", ownCluster: true, cluster: whole,
			heartbeat: refetching, budget: crashes(2), act: twice(crashPostgres(func(ctx context.Context, w *world) error { return w.pg.Stop(ctx, pgtemp.Immediate) })),
		},
		{
			name: "pg-kill", fault: "kill -9 of Postgres, twice", short: true, ownCluster: true, cluster: whole,
			heartbeat: refetching, budget: crashes(2), act: twice(crashPostgres(func(_ context.Context, w *world) error { return w.pg.Kill() })),
		},
		{
			name: "pg-backend-kill", fault: "kill -9 of one backend: Postgres restarts itself", ownCluster: true, cluster: whole,
			heartbeat: refetching, budget: crashes(2), act: twice(killBackend),
		},
		{name: "pg-freeze", fault: "SIGSTOP of Postgres, 1 to 2 s", short: true, ownCluster: true, act: freezePostgres(time.Second, 2*time.Second)},
		{
			name: "pg-standstill", fault: "SIGSTOP of Postgres, 9 to 15 s: readings are given up after 10 s", ownCluster: true,
			load: longFault, act: freezePostgres(9*time.Second, 15*time.Second),
		},
		{
			name: "pg-disk-full", fault: "no file of Postgres may grow, for 1 to 2 s", ownCluster: true,
			cluster: pgtemp.Options{WALSegment: 1}, load: load.Options{Padding: 8 << 10, Pause: 5 * time.Millisecond},
			act: fillDisk,
		},
		{
			name: "pg-promote", fault: "kill -9 of Postgres, a synchronous standby takes over", short: true, ownCluster: true, cluster: whole,
			instances: 2, budget: crashes(1), heartbeat: refetching, prepare: followPostgres, act: promoteStandby,
		},
	}
}

// twice does it under load, waits until the daemons read again, and does it again.
func twice(fault func(ctx context.Context, w *world) error) func(ctx context.Context, w *world) (string, error) {
	return func(ctx context.Context, w *world) (figure string, err error) {
		var longest time.Duration
		for range 2 {
			if err := errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()), fault(ctx, w)); err != nil {
				return "", err
			}
			began := time.Now()
			if err := w.reading(ctx); err != nil {
				return "", err
			}
			longest = max(longest, time.Since(began))
		}
		return fmt.Sprintf("read again within %.1f s", longest.Seconds()), w.pass(ctx, 500*time.Millisecond)
	}
}

// between is a time from least to most.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)))
}

// terminateBackends ends the daemons' connections, at times before they read again.
func terminateBackends(ctx context.Context, w *world) (figure string, err error) {
	conn, err := pgx.Connect(ctx, w.writers())
	if err != nil {
		return "", err
	}
	ended := 0
	for round := 0; err == nil && round < 10; round++ {
		var n int
		err = errors.Join(w.pass(ctx, w.soon()), conn.QueryRow(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND usename = $1`, daemonRole).Scan(&n))
		if err == nil && w.rng.IntN(2) == 0 {
			err = w.reading(ctx)
		}
		ended += n
	}
	return fmt.Sprintf("%d backends ended", ended), errors.Join(err, conn.Close(ctx), w.reading(ctx), w.pass(ctx, 500*time.Millisecond))
}

// reading returns when each instance has read its log once more: then it has told
// its clients what there was to tell. Writers at work wake it.
func (w *world) reading(ctx context.Context) error {
	return allAtOnce(w.instances, func(i *instance) error {
		const readings = "rowcast_source_polls_total"
		before, err := i.metric(ctx, readings)
		for now := before; err == nil && now == before; now, err = i.metric(ctx, readings) {
			if err := w.pass(ctx, 20*time.Millisecond); err != nil {
				return err
			}
		}
		return err
	})
}

// restartPostgres shuts it down as an upgrade does, and leaves it down for a moment.
func restartPostgres(ctx context.Context, w *world) error {
	return errors.Join(w.pg.Stop(ctx, pgtemp.Fast), w.pass(ctx, w.soon()), w.pg.Start(ctx))
}

// crashPostgres ends it like this, and leaves it down for a moment.
func crashPostgres(end func(ctx context.Context, w *world) error) func(ctx context.Context, w *world) error {
	return func(ctx context.Context, w *world) error {
		return errors.Join(end(ctx, w), w.pass(ctx, w.soon()), w.pg.Start(ctx))
	}
}

// killBackend kills the process of one connection. Its server takes shared memory
// for damaged, ends all others, and recovers.
func killBackend(ctx context.Context, w *world) error {
	victim, err := pgx.Connect(ctx, w.writers())
	if err != nil {
		return err
	}
	other, err := pgx.Connect(ctx, w.writers())
	if err == nil {
		err = syscall.Kill(int(victim.PgConn().PID()), syscall.SIGKILL)
	}
	if err == nil {
		_, _ = other.WaitForNotification(ctx) // until it is ended, too
		err = errors.Join(other.Close(ctx), w.answers(ctx))
	}
	_ = victim.Close(ctx) // broken
	return err
}

// answers returns when Postgres does.
func (w *world) answers(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, w.writers())
		if err == nil {
			return conn.Close(ctx)
		}
		if err := w.pass(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// freezePostgres halts all of its processes where they stand.
func freezePostgres(least, most time.Duration) func(ctx context.Context, w *world) (string, error) {
	return func(ctx context.Context, w *world) (string, error) {
		long := w.between(least, most)
		err := errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()), w.pg.Freeze(), w.pass(ctx, long), w.pg.Thaw())
		return fmt.Sprintf("still for %.1f s", long.Seconds()), errors.Join(err, w.reading(ctx), w.pass(ctx, time.Second))
	}
}

// fillDisk lets no file grow beyond 1 MB, which those of the write-ahead log do
// not need here and tables do at once.
func fillDisk(ctx context.Context, w *world) (figure string, err error) {
	if err := w.pass(ctx, 500*time.Millisecond+w.soon()); err != nil {
		return "", err
	}
	before, err := w.refusals()
	err = errors.Join(err, w.pg.LimitFiles(ctx, 1<<20))
	after := before
	for range 200 { // a slow machine takes its time to fill 1 MB
		if err != nil || after > before {
			break
		}
		if err = w.pass(ctx, 100*time.Millisecond); err == nil {
			after, err = w.refusals()
		}
	}
	if err == nil && after == before {
		err = errors.New("no write was refused: this proves nothing")
	}
	err = errors.Join(err, w.pass(ctx, w.between(time.Second, 2*time.Second)), w.pg.LimitFiles(ctx, 0))
	after, fault := w.refusals()
	return fmt.Sprintf("%d writes refused", after-before), errors.Join(err, fault, w.pass(ctx, time.Second))
}

// refusals are how often this server found its disk full.
func (w *world) refusals() (int, error) {
	log, err := os.ReadFile(filepath.Join(w.pg.Dir(), "postgres.log"))
	return bytes.Count(log, []byte("could not extend file")), err
}
