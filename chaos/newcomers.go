package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"rowcast/chaos/client"
)

const (
	arrivals = 30

	// linger is about how long a new client is drawn between its fetch and its
	// join. What is committed meanwhile the join has to bring.
	linger = 700 * time.Millisecond

	// oldEnough is how long a daemon runs until nobody's lookback is to before that.
	oldEnough = time.Second
)

// lingering are all clients but the six that are there from the start. They break
// off, too.
func lingering(drop time.Duration) func(*rand.Rand, int) client.Habits {
	return func(_ *rand.Rand, n int) client.Habits {
		if n < six {
			return client.Habits{}
		}
		return client.Habits{Linger: linger, Drop: drop}
	}
}

// newcomers begin one after the other, and stay.
func newcomers(ctx context.Context, w *world) (figure string, err error) {
	if err := w.pass(ctx, oldEnough); err != nil {
		return "", err
	}
	for range arrivals {
		w.begin(nil)
		if err := w.pass(ctx, w.between(50*time.Millisecond, 150*time.Millisecond)); err != nil {
			return "", err
		}
	}
	if err := w.pass(ctx, linger); err != nil {
		return "", err
	}
	ready := 0
	for _, c := range w.clients[six:] {
		select {
		case <-c.Ready():
			ready++
		default:
		}
	}
	if ready < arrivals/2 {
		err = fmt.Errorf("only %d came under load: this proves nothing", ready)
	}
	return fmt.Sprintf("%d came under load", ready), err
}

// newcomersAtStarts begin at instances that are away, or have just been started:
// who of them looks back is told that this is too far.
func newcomersAtStarts(ctx context.Context, w *world) (figure string, err error) {
	for n := range 3 {
		i := w.instances[n%len(w.instances)]
		if err := errors.Join(w.pass(ctx, oldEnough+w.soon()), i.kill(), w.come(ctx, i), i.start(ctx), w.come(ctx, i)); err != nil {
			return "", err
		}
	}
	return "", w.pass(ctx, oldEnough)
}

// come lets a few clients begin at an instance.
func (w *world) come(ctx context.Context, at *instance) error {
	for range 4 {
		w.begin(at)
		if err := w.pass(ctx, w.soon()/4); err != nil {
			return err
		}
	}
	return nil
}
