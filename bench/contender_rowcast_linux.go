package bench

import (
	"context"
	"net/http"

	"golang.org/x/sync/errgroup"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
	"rowcast/rooms/auth"
	"rowcast/rooms/ws"
)

// fanOut is the daemon's half behind the translation: hub, gate and endpoint, with
// the daemon's defaults. Its events have cursors and are kept for replay.
type fanOut struct {
	*ws.Handler
	arrived func()
	hub     *rooms.Hub
	events  *events
	running errgroup.Group
	stop    context.CancelFunc
}

func newRowcast(ctx context.Context, arrived func()) (contender, error) {
	c := &fanOut{arrived: arrived, hub: rooms.New(rooms.Options{}), events: newEvents()}
	gate, err := auth.New(auth.Options{Mode: auth.None, Hub: c.hub})
	if err != nil {
		return nil, err
	}
	c.Handler = ws.New(c.hub, gate, ws.Options{})
	seen := snapshot.New(c.events.xid)
	c.hub.Reset(rooms.Reset{Epoch: epoch, Snapshot: seen, Floor: seen})
	ctx, c.stop = context.WithCancel(ctx)
	c.running.Go(func() error { return c.hub.Run(ctx) })
	c.running.Go(func() error { return gate.Run(ctx) })
	return c, nil
}

// ServeHTTP implements http.Handler. Who is shaken hands with is in the room.
func (c *fanOut) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.Handler.ServeHTTP(w, r)
	c.arrived()
}

func (c *fanOut) publisher(_ context.Context, k, waves int) func() error {
	batches := make([]rooms.Batch, waves)
	for i := range batches {
		for range k {
			batches[i].Items = append(batches[i].Items, c.events.next().Item)
		}
		batches[i].Snapshot = snapshot.New(c.events.xid)
	}
	return func() error {
		c.hub.Publish(batches[0])
		batches = batches[1:]
		return nil
	}
}

func (c *fanOut) close(ctx context.Context) error {
	err := c.Shutdown(ctx)
	c.stop()
	_ = c.running.Wait() // it was told to end
	return err
}
