package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"rowcast/chaos/client"
	"rowcast/chaos/oracle"
	"rowcast/internal/pgtemp"
)

// everythingScenarios are those in which several things go wrong at once.
func everythingScenarios() []scenario {
	return []scenario{{
		name: "everything", fault: "up to four faults at once, drawn by the seed", short: true, ownCluster: true, cluster: whole,
		instances: 3, clients: 12, ends: []string{"*"}, habits: restless, prepare: allThroughProxies, act: everything,
		// Who hops between instances meets some that have learned of a crash, and
		// some that have not.
		budget: oracle.Budget{"source_gap": 3, "cursor_foreign": 3 * topics},
	}}
}

// restless are clients of which some break off, and some hop between topics.
func restless(_ *rand.Rand, n int) client.Habits {
	return []client.Habits{{}, {Drop: 700 * time.Millisecond}, {Churn: 300 * time.Millisecond}, {}}[n%4]
}

// allThroughProxies puts proxies on both sides of the daemons.
func allThroughProxies(ctx context.Context, w *world) error {
	return errors.Join(throughProxy()(ctx, w), behindProxies(delayed(3*time.Millisecond, 2*time.Millisecond))(ctx, w))
}

// fault is something that goes wrong for a while.
type fault struct {
	name    string
	begin   func(ctx context.Context, w *world) error
	end     func(ctx context.Context, w *world) error
	crashes bool // the log begins anew
}

// faults are all there are: of each place, one at a time. The daemons come last:
// they start only when all else works.
func faults() [][]fault {
	downPostgres := func(mode pgtemp.StopMode) func(context.Context, *world) error {
		return func(ctx context.Context, w *world) error { return w.pg.Stop(ctx, mode) }
	}
	startPostgres := func(ctx context.Context, w *world) error { return w.pg.Start(ctx) }
	cutLine := func(_ context.Context, w *world) error { return w.line.cut() }
	startDaemon := func(n int) func(context.Context, *world) error {
		return func(ctx context.Context, w *world) error { return w.instances[n].start(ctx) }
	}
	return [][]fault{
		{
			{name: "Postgres restarts", begin: downPostgres(pgtemp.Fast), end: startPostgres},
			{name: "Postgres crashes", begin: downPostgres(pgtemp.Immediate), end: startPostgres, crashes: true},
			{
				name:  "Postgres stands still",
				begin: func(_ context.Context, w *world) error { return w.pg.Freeze() },
				end:   func(_ context.Context, w *world) error { return w.pg.Thaw() },
			},
		},
		{
			{name: "the line to Postgres is cut", begin: cutLine, end: cutLine},
			{name: "the line to Postgres is half open", begin: func(ctx context.Context, w *world) error { return w.line.freeze(ctx) }, end: cutLine},
			{
				name:  "the line to Postgres is down",
				begin: func(_ context.Context, w *world) error { w.line.down(); return nil },
				end:   func(_ context.Context, w *world) error { return w.line.up() },
			},
		},
		{
			{
				name: "half of the lines to clients are half open",
				begin: func(ctx context.Context, w *world) error {
					return allAtOnce(w.doors[:3], func(p *proxy) error { return p.freeze(ctx) })
				},
				end: func(_ context.Context, w *world) error { return allAtOnce(w.doors[:3], (*proxy).cut) },
			},
			{
				name: "all lines to clients are down",
				begin: func(_ context.Context, w *world) error {
					return allAtOnce(w.doors, func(p *proxy) error { p.down(); return nil })
				},
				end: func(_ context.Context, w *world) error { return allAtOnce(w.doors, (*proxy).up) },
			},
		},
		{
			{name: "a daemon is killed", begin: func(_ context.Context, w *world) error { return w.instances[0].kill() }, end: startDaemon(0)},
			{name: "a daemon is stopped", begin: func(ctx context.Context, w *world) error { return w.instances[1].term(ctx) }, end: startDaemon(1)},
			{
				name:  "a daemon is halted",
				begin: func(_ context.Context, w *world) error { return w.instances[2].halt() },
				end:   func(_ context.Context, w *world) error { return w.instances[2].resume() },
			},
		},
	}
}

// everything draws a fault of most places, begins one after the other while those
// before go on, and ends them.
func everything(ctx context.Context, w *world) (figure string, err error) {
	var drawn []fault
	for _, place := range faults() {
		if w.rng.IntN(4) > 0 {
			drawn = append(drawn, place[w.rng.IntN(len(place))])
		}
	}
	var names []string
	crashed := false
	for _, n := range w.rng.Perm(len(drawn)) {
		if err := errors.Join(w.pass(ctx, w.soon()), drawn[n].begin(ctx, w)); err != nil {
			return "", err
		}
		names, crashed = append(names, drawn[n].name), crashed || drawn[n].crashes
	}
	if !crashed {
		w.scenario.budget = nil
	}
	for _, f := range drawn {
		if err := errors.Join(w.pass(ctx, 2*w.soon()), f.end(ctx, w)); err != nil {
			return "", err
		}
	}
	return strings.Join(names, ", "), errors.Join(w.reading(ctx), w.pass(ctx, 500*time.Millisecond))
}
