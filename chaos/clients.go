package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"rowcast/chaos/client"
	"rowcast/chaos/load"
	"rowcast/chaos/oracle"
)

// tight are queues that a client overflows who does not read for a moment.
var tight = []string{"--limits.event_bytes=16KB", "--limits.queue_bytes=32KB"}

// heavy is a load with much in each row, so that what the kernel holds for a
// client is soon full.
func heavy() load.Options { return load.Options{Padding: 12 << 10, Pause: 5 * time.Millisecond} }

// halting clients stop reading for half a second, long enough for their queues and
// too short to be taken for dead.
func halting(*rand.Rand, int) client.Habits {
	return client.Habits{Halt: 200 * time.Millisecond, HaltFor: 500 * time.Millisecond, ReceiveBuffer: 4 << 10}
}

// clientScenarios are those in which the clients, or their networks, are the trouble.
func clientScenarios() []scenario {
	return []scenario{
		{
			name: "clients-drop", fault: "connections break off, each every 400 ms", short: true,
			clients: 9,
			habits:  func(*rand.Rand, int) client.Habits { return client.Habits{Drop: 400 * time.Millisecond} },
			act:     dropped,
		},
		{
			name: "clients-churn", fault: "topics left and joined again, every 100 ms",
			clients: 9, kinds: []oracle.Kind{oracle.Library},
			habits: func(*rand.Rand, int) client.Habits {
				return client.Habits{Churn: 100 * time.Millisecond, Drop: 2 * time.Second}
			},
		},
		{
			name: "clients-halt", fault: "clients stop reading for 0.5 s; queues of 32 kB", short: true,
			settings: tight, heartbeat: 5 * time.Second, load: heavy(),
			habits: halting,
			act:    overflown,
		},
		{
			name: "clients-slow", fault: "the same, and a history of 512 kB",
			settings: append([]string{"--history.bytes=512KB"}, tight...), heartbeat: 5 * time.Second, load: heavy(),
			habits: halting,
			budget: oracle.Budget{"slow_consumer": 8}, // one for each time that it halts
			act:    overflown,
		},
		{
			name: "clients-deflate", fault: "connections break off; every other client has its events deflated", short: true,
			clients: 9, settings: []string{"--http.compression"}, load: load.Options{Padding: 4 << 10},
			habits: func(_ *rand.Rand, n int) client.Habits {
				return client.Habits{Drop: 500 * time.Millisecond, Deflate: n%2 == 0}
			},
			act: deflated,
		},
		{
			name: "clients-leave", fault: "clients stop reading for 0.5 s; topics left and joined again every 100 ms",
			clients: 9, kinds: []oracle.Kind{oracle.Library},
			settings: tight, heartbeat: 5 * time.Second, load: heavy(),
			habits: func(rng *rand.Rand, n int) client.Habits {
				habits := halting(rng, n)
				habits.Churn = 100 * time.Millisecond
				return habits
			},
			act: overflown,
		},
		{
			name: "clients-hop", fault: "connections break off; three instances, any is the next", short: true,
			instances: 3, clients: 9,
			habits: func(*rand.Rand, int) client.Habits { return client.Habits{Drop: 250 * time.Millisecond} },
			act:    dropped,
		},
		{
			name: "clients-begin", fault: "new clients come while rows are written", short: true,
			kinds:  []oracle.Kind{oracle.Library, oracle.Plain, oracle.Library, oracle.Stream},
			load:   load.Options{Open: 300 * time.Millisecond},
			habits: lingering(0),
			act:    newcomers,
		},
		{
			name: "clients-begin-anew", fault: "new clients come to an instance that is killed and restarted; another goes on",
			instances: 2, kinds: []oracle.Kind{oracle.Library}, ends: killed,
			habits: lingering(500 * time.Millisecond),
			budget: oracle.Budget{"history_gap": 1}, // who looks back to before the start
			act:    newcomersAtStarts,
		},
	}
}

// dropped makes sure that connections did break off.
func dropped(ctx context.Context, w *world) (figure string, err error) {
	if err := w.pass(ctx, 3*time.Second); err != nil {
		return "", err
	}
	connections := 0
	for _, c := range w.clients {
		connections += c.Connections()
	}
	if connections < 2*len(w.clients) {
		return "", fmt.Errorf("only %d connections of %d clients: this proves nothing", connections, len(w.clients))
	}
	return "", nil
}

// overflown makes sure that queues did overflow.
func overflown(ctx context.Context, w *world) (figure string, err error) {
	if err := w.pass(ctx, 3*time.Second); err != nil {
		return "", err
	}
	overflows, err := w.sum(ctx, "rowcast_queue_overflows_total")
	if err == nil && overflows == 0 {
		err = errors.New("no queue overflowed: this proves nothing")
	}
	return fmt.Sprintf("%.0f overflows", overflows), err
}

// deflated makes sure that some connections were deflated, and others not.
func deflated(ctx context.Context, w *world) (figure string, err error) {
	figure, err = dropped(ctx, w)
	all, deflated := 0, 0
	for _, c := range w.clients {
		all += c.Connections()
		deflated += c.Deflated()
	}
	if err == nil && (deflated == 0 || deflated == all) {
		err = fmt.Errorf("%d of %d connections were deflated: this proves nothing", deflated, all)
	}
	return figure, err
}
