package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"rowcast/chaos/client"
	"rowcast/chaos/load"
)

// networkScenarios are those in which a network is the trouble, on either side of
// the daemon.
func networkScenarios() []scenario {
	return []scenario{
		{name: "net-pg-delay", fault: "20 to 60 ms to Postgres, each way", short: true, prepare: throughProxy(delayed(40*time.Millisecond, 20*time.Millisecond))},
		{name: "net-pg-trickle", fault: "what comes from Postgres comes in pieces of 10 to 30 bytes", prepare: throughProxy(trickled(20, 50*time.Microsecond))},
		{name: "net-pg-cut", fault: "the line to Postgres cut, every 200 ms", short: true, prepare: throughProxy(delayed(2*time.Millisecond, time.Millisecond)), act: cutLine},
		{name: "net-pg-reject", fault: "connections to Postgres are reset, for 1 s", prepare: throughProxy(), act: rejectLine},
		{name: "net-pg-frozen", fault: "the line to Postgres half open for 1 to 2 s, then cut", prepare: throughProxy(), act: freezeLine(time.Second, 2*time.Second)},
		{
			name: "net-pg-dead", fault: "the same for 11 to 14 s: the daemon has to notice by itself", prepare: throughProxy(),
			load: longFault, act: freezeLine(11*time.Second, 14*time.Second),
		},
		{name: "net-delay", fault: "20 to 60 ms to the clients, each way", short: true, clients: 9, prepare: behindProxies(delayed(40*time.Millisecond, 20*time.Millisecond))},
		{name: "net-trickle", fault: "the clients get pieces of 20 to 60 bytes", clients: 9, prepare: behindProxies(trickled(40, 50*time.Microsecond))},
		{
			// What waits in the line before it delays the daemon's pings by more than
			// the two heartbeats that it waits for an answer.
			name: "net-thin", fault: "1 MB/s to each client; queues of 32 kB", clients: 9, ends: []string{"*"},
			settings: tight, load: load.Options{Padding: 12 << 10, Pause: 50 * time.Millisecond},
			prepare: behindProxies(thin(1000)), act: overflows,
		},
		{name: "net-cut", fault: "all lines to the clients cut, every 300 ms", short: true, clients: 9, ends: lineCut, prepare: behindProxies(), act: cutClients},
		{name: "net-dead", fault: "half of the clients' connections half open for good", clients: 9, ends: append(lineCut, client.Silent), prepare: behindProxies(), act: freezeClients},
	}
}

// throughProxy puts a proxy between the daemons and Postgres.
func throughProxy(weather ...toxic) func(ctx context.Context, w *world) error {
	return func(ctx context.Context, w *world) error {
		u, err := url.Parse(asDaemon(w.writers()))
		if err != nil {
			return err
		}
		if w.line, err = w.newProxy(ctx, u.Host, weather...); err != nil {
			return err
		}
		u.Host = w.line.addr
		for _, i := range w.instances {
			i.database = u.String()
		}
		return nil
	}
}

// cutLine cuts it again and again.
func cutLine(ctx context.Context, w *world) (figure string, err error) {
	for range 15 {
		if err := errors.Join(w.pass(ctx, w.between(50*time.Millisecond, 350*time.Millisecond)), w.line.cut()); err != nil {
			return "", err
		}
	}
	return w.reconnected(ctx)
}

// rejectLine lets each attempt fail as soon as the daemon says something.
func rejectLine(ctx context.Context, w *world) (figure string, err error) {
	if err := errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()), w.line.turn(rejected()), w.pass(ctx, time.Second), w.line.turn()); err != nil {
		return "", err
	}
	return w.reconnected(ctx)
}

// freezeLine leaves it half open for so long, then cuts it.
func freezeLine(least, most time.Duration) func(ctx context.Context, w *world) (string, error) {
	return func(ctx context.Context, w *world) (string, error) {
		if err := errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()), w.line.freeze(ctx),
			w.pass(ctx, w.between(least, most)), w.line.cut()); err != nil {
			return "", err
		}
		return w.reconnected(ctx)
	}
}

// reconnected makes sure that the daemon did lose its connection to the log.
func (w *world) reconnected(ctx context.Context) (figure string, err error) {
	if err := errors.Join(w.reading(ctx), w.pass(ctx, 500*time.Millisecond)); err != nil {
		return "", err
	}
	connects, err := w.sum(ctx, "rowcast_source_connects_total")
	if err == nil && connects < 2 {
		err = errors.New("the daemon's connection held: this proves nothing")
	}
	return fmt.Sprintf("%.0f connections to the log", connects), err
}
