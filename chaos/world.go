package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rowcast/chaos/client"
	"rowcast/chaos/load"
	"rowcast/chaos/oracle"
	"rowcast/internal/pgtemp"
)

const (
	readyForWork = 60 * time.Second // until the clients are members of all their topics
	comeThrough  = 60 * time.Second // until everybody has got the last event
)

// world is one run: what a scenario's prepare and act play with. They may change
// what says so; they call its methods from their own goroutine.
type world struct {
	scenario  scenario
	rng       *rand.Rand
	pg        *pgtemp.Cluster
	ports     *ports
	database  string // the name of this run's
	dir       string // logs, kept when the run fails
	instances []*instance
	clients   []*client.Client
	options   map[*client.Client]client.Options
	load      *load.Load

	// What prepare may have made.
	standby *pgtemp.Cluster // it follows pg
	line    *proxy          // from the instances to Postgres
	doors   []*proxy        // from the clients to the instances

	// where returns host:port for a client's next connection. prepare may put
	// another one in its place. It is called by many goroutines.
	where func(rng *rand.Rand) string

	run     func(*client.Client)   // until the round ends
	url     atomic.Pointer[string] // of the database, for writers, refetches and the truth
	fetcher *fetcher
	undo    []func() error
}

// newWorld makes a fresh database and all that lives in it, not yet started.
func newWorld(ctx context.Context, r *runner, sc scenario, seed uint64, s *server, dir string) (*world, error) {
	w := &world{scenario: sc, rng: rand.New(rand.NewPCG(seed, 0)), pg: s.Cluster, ports: &r.ports, dir: dir, options: map[*client.Client]client.Options{}}
	var err error
	if w.database, err = s.clone(ctx); err != nil {
		return w, err
	}
	w.moveTo(s.Cluster)
	w.fetcher = newFetcher(w.writers)
	for n := range max(sc.instances, 1) {
		i, err := w.newInstance(ctx, r, n)
		if err != nil {
			return w, err
		}
		w.instances = append(w.instances, i)
	}
	w.where = func(rng *rand.Rand) string { return w.instances[rng.IntN(len(w.instances))].addr }
	o := sc.load
	o.URL, o.Seed, o.Topics = w.writers, w.rng.Uint64(), topics
	w.load = load.New(o)
	return w, nil
}

// newInstance makes an instance that is not started.
func (w *world) newInstance(ctx context.Context, r *runner, number int) (*instance, error) {
	addr, err := r.ports.take(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := r.ports.take(ctx)
	if err != nil {
		return nil, err
	}
	return &instance{
		number: number, bin: r.bin, addr: addr, admin: admin,
		database: asDaemon(w.writers()),
		log:      filepath.Join(w.dir, fmt.Sprintf("daemon-%d.log", number)),
		args: append([]string{
			"serve", "--http.addr=" + addr, "--admin.addr=" + admin, "--log.format=json", "--log.level=debug",
			"--heartbeat.interval=" + w.scenario.beat().String(), "--shutdown.spread=500ms",
			"--capture.poll_interval=60s", // a doorbell that nobody hears is then a delay of seconds, whatever else wakes the reader
			fmt.Sprintf("--limits.transaction_events=%d", w.scenario.transactionEvents()),
		}, w.scenario.settings...),
	}, nil
}

// begin lets a new client run, of some topics and of the kind whose turn it is.
// Its first connection is to this instance; nil: any.
func (w *world) begin(at *instance) {
	kinds := w.scenario.kinds
	if kinds == nil {
		kinds = []oracle.Kind{oracle.Library, oracle.Plain, oracle.Stream}
	}
	n := len(w.clients)
	kind, rng := kinds[n%len(kinds)], rand.New(rand.NewPCG(w.rng.Uint64(), 0))
	var c *client.Client
	o := client.Options{
		Name: fmt.Sprintf("%s %d", kind, n), Kind: kind, Topics: someTopics(w.rng), Seed: w.rng.Uint64(),
		Where: func() string {
			if at != nil && c.Connections() == 0 {
				return at.addr
			}
			return w.where(rng)
		},
		Fetch:     w.fetcher.snapshot,
		Heartbeat: w.scenario.beat(),
	}
	if w.scenario.habits != nil {
		o.Habits = w.scenario.habits(w.rng, n)
	}
	c = client.New(o)
	w.clients, w.options[c] = append(w.clients, c), o
	w.run(c)
}

// someTopics are at least two of those there are.
func someTopics(rng *rand.Rand) []string {
	names := slices.Clone(load.Names(topics))
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:2+rng.IntN(len(names)-1)]
}

// listening are the clients to whom something is owed: all that are not deaf.
func (w *world) listening() []*client.Client {
	return slices.DeleteFunc(slices.Clone(w.clients), func(c *client.Client) bool { return w.options[c].Habits.Deaf })
}

// writers is the URL that writers, refetches and the truth go to.
func (w *world) writers() string { return *w.url.Load() }

// moveTo sends the writers to the same database on another cluster.
func (w *world) moveTo(c *pgtemp.Cluster) {
	url := c.URL(w.database)
	w.url.Store(&url)
}

// atEnd is done when the run has ended, the latest first.
func (w *world) atEnd(f func() error) { w.undo = append(w.undo, f) }

// pass lets time pass under load.
func (w *world) pass(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sum is a metric of all instances.
func (w *world) sum(ctx context.Context, metric string) (sum float64, err error) {
	for _, i := range w.instances {
		value, err := i.metric(ctx, metric)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

// play runs the scenario from the start of the instances to the moment when
// everybody has got the last event. The error is what broke of the suite itself;
// what the daemon broke is in the violations.
func (w *world) play(ctx context.Context) (figure string, stuck []oracle.Violation, err error) {
	if w.scenario.prepare != nil {
		if err := w.scenario.prepare(ctx, w); err != nil {
			return "", nil, fmt.Errorf("prepare: %w", err)
		}
	}
	if err := allAtOnce(w.instances, func(i *instance) error { return i.start(ctx) }); err != nil {
		return "", nil, err
	}
	return w.round(ctx)
}

// round is the life of new clients, to the moment when they have got the last
// event of the load.
func (w *world) round(ctx context.Context) (figure string, stuck []oracle.Violation, err error) {
	clients, disconnect := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer disconnect()
	w.run = func(c *client.Client) { wait.Go(func() { c.Run(clients) }) }
	for range cmp.Or(w.scenario.clients, six) {
		w.begin(nil)
	}
	if late := w.members(ctx); late != nil {
		return "", late, ctx.Err()
	}
	if figure, err = w.work(ctx); err != nil {
		return figure, nil, err
	}
	stuck, err = w.settle(ctx)
	return figure, stuck, err
}

// members waits until every client is a member of its topics.
func (w *world) members(ctx context.Context) (late []oracle.Violation) {
	ctx, cancel := context.WithTimeout(ctx, readyForWork)
	defer cancel()
	for _, c := range w.clients {
		select {
		case <-c.Ready():
		case <-ctx.Done():
			late = append(late, oracle.Violation{Client: c.Journal().Name(), Rule: "stuck", Text: "it never became a member of its topics"})
		}
	}
	return late
}

// work lets the application write while act does its worst.
func (w *world) work(ctx context.Context) (figure string, err error) {
	writing, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { w.load.Run(writing) })
	least := time.NewTimer(atWork)
	defer least.Stop()
	if w.scenario.act != nil {
		figure, err = w.scenario.act(ctx, w)
	}
	if err == nil {
		select {
		case <-least.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	stop()
	wait.Wait()
	return figure, err
}

// settle waits until each client has come through: it is a member of all its
// topics and has got the last event there is.
func (w *world) settle(ctx context.Context) (stuck []oracle.Violation, err error) {
	soon, cancel := context.WithTimeout(ctx, comeThrough)
	defer cancel()
	var mu sync.Mutex
	say := func(c *client.Client, text string) {
		mu.Lock()
		defer mu.Unlock()
		stuck = append(stuck, oracle.Violation{Client: c.Journal().Name(), Rule: "stuck", Text: text})
	}
	_ = allAtOnce(w.listening(), func(c *client.Client) error {
		if err := c.Settle(soon); err != nil {
			say(c, fmt.Sprintf("it did not get back into its topics within %v: %v", comeThrough, err))
		}
		return nil
	})
	key, xid, err := w.load.Fin(ctx)
	if err != nil {
		return stuck, fmt.Errorf("the last event: %w", err)
	}
	_ = allAtOnce(w.listening(), func(c *client.Client) error {
		for {
			changed := c.Journal().Changed()
			if c.Journal().Through(key, xid, w.options[c].Topics) {
				return nil
			}
			select {
			case <-changed:
			case <-soon.Done():
				say(c, fmt.Sprintf("the last event (%s) did not come to all its topics within %v", key, comeThrough))
				return nil
			}
		}
	})
	return stuck, nil
}

// end takes down what is left, and undoes what prepare did.
func (w *world) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	var errs []error
	for _, i := range w.instances {
		if i.running() {
			errs = append(errs, i.kill())
		}
	}
	for _, f := range slices.Backward(w.undo) {
		errs = append(errs, f())
	}
	if w.fetcher != nil {
		w.fetcher.close(ctx)
	}
	return errors.Join(errs...)
}
