package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"rowcast/chaos/client"
)

// How a connection may end when its line is cut: whatever had been sent, its
// client sees the end of it or a reset.
var lineCut = []string{client.EOF, client.Cut}

// behindProxies puts two proxies before each instance; a client takes any.
func behindProxies(weather ...toxic) func(ctx context.Context, w *world) error {
	return func(ctx context.Context, w *world) error {
		for range 2 {
			for _, i := range w.instances {
				p, err := w.newProxy(ctx, i.addr, weather...)
				if err != nil {
					return err
				}
				w.doors = append(w.doors, p)
			}
		}
		w.where = func(rng *rand.Rand) string { return w.doors[rng.IntN(len(w.doors))].addr }
		return nil
	}
}

// cutClients cuts off all clients, again and again.
func cutClients(ctx context.Context, w *world) (figure string, err error) {
	for range 10 {
		err := errors.Join(w.pass(ctx, w.between(100*time.Millisecond, 500*time.Millisecond)), allAtOnce(w.doors, (*proxy).cut))
		if err != nil {
			return "", err
		}
	}
	return dropped(ctx, w)
}

// notice is how long a client may need to see that nobody is there: the heartbeat,
// 3 s of patience, and what it takes.
const notice = 6 * time.Second

// freezeClients leaves half of the lines half open. Who comes back through one of
// them waits in vain, and comes again.
func freezeClients(ctx context.Context, w *world) (figure string, err error) {
	dead := w.doors[:len(w.doors)/2]
	if err := errors.Join(w.pass(ctx, 500*time.Millisecond+w.soon()),
		allAtOnce(dead, func(p *proxy) error { return p.freeze(ctx) }), w.pass(ctx, notice)); err != nil {
		return "", err
	}
	connections, err := w.sum(ctx, "rowcast_connections")
	if err == nil && int(connections) > len(w.clients) {
		err = fmt.Errorf("%.0f connections of %d clients", connections, len(w.clients))
	}
	return fmt.Sprintf("%.0f connections left", connections), err
}

// overflows is how often queues did overflow, if they did.
func overflows(ctx context.Context, w *world) (figure string, err error) {
	if err := w.pass(ctx, 3*time.Second); err != nil {
		return "", err
	}
	n, err := w.sum(ctx, "rowcast_queue_overflows_total")
	return fmt.Sprintf("%.0f overflows", n), err
}
