package main

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"rowcast/chaos/client"
	"rowcast/chaos/load"
	"rowcast/chaos/oracle"
	"rowcast/internal/pgtemp"
)

// scenario is an application at work, and what goes wrong meanwhile. What is left
// open is one instance, six clients, two of each kind, and a load that lasts as
// long as act does, but at least atWork.
type scenario struct {
	name  string
	fault string // what goes wrong, in a few words, for the table

	instances int
	clients   int
	kinds     []oracle.Kind                             // taken in turns; default: all three
	habits    func(rng *rand.Rand, n int) client.Habits // of the client with this number; nil: none
	load      load.Options                              // URL, Seed and Topics are the runner's
	settings  []string                                  // further flags of serve; they win
	heartbeat time.Duration                             // heartbeat.interval; 0: 1 s
	largest   int                                       // limits.transaction_events; 0: 1000
	budget    oracle.Budget                             // the most $resync by reason that one client may get
	ends      []string                                  // how connections may end, besides those that their client ended; "*": anyhow
	short     bool                                      // part of make test
	alone     bool                                      // no other run beside it: it takes times
	prepare   func(ctx context.Context, w *world) error // before the instances start: proxies, w.databaseOf, w.where
	act       func(ctx context.Context, w *world) (figure string, err error)

	// A cluster of its own may be stopped, killed and promoted. One that answers
	// when a run has ended serves the next one, too.
	ownCluster bool
	cluster    pgtemp.Options
}

// six clients are there where the scenario does not say how many.
const six = 6

// topics are how many the application has; a client joins some of them.
const topics = 8

// atWork is how long the load lasts at least.
const atWork = 2 * time.Second

// scenarios are all there are, in the order in which they run.
func scenarios() []scenario {
	return slices.Concat(
		loadScenarios(),
		clientScenarios(),
		daemonScenarios(),
		postgresScenarios(),
		networkScenarios(),
		everythingScenarios(),
		crowdScenarios(),
		measureScenarios(),
	)
}

// transactionEvents is what limits.transaction_events is set to.
func (sc scenario) transactionEvents() int { return cmp.Or(sc.largest, 1000) }

// beat is what heartbeat.interval is set to. A client that is silent for two of
// them is closed.
func (sc scenario) beat() time.Duration { return cmp.Or(sc.heartbeat, time.Second) }
