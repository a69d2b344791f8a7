package bridge

import (
	"context"
	"runtime"
	"sync"

	"rowcast/pglisten"
	"rowcast/rooms"
)

// sink carries what the source reads over to the hub. The source calls it from
// one goroutine; the hub never makes it wait for a client.
type sink struct {
	hub        *rooms.Hub
	translator *translator

	begin sync.Once
	began chan struct{} // closed when the hub has its first cursor
}

func newSink(hub *rooms.Hub, t *translator) *sink {
	return &sink{hub: hub, translator: t, began: make(chan struct{})}
}

// Reset implements pglisten.Sink.
func (s *sink) Reset(_ context.Context, r pglisten.Reset) error {
	s.translator.reset(r.Epoch)
	s.hub.Reset(rooms.Reset{
		Epoch:    r.Epoch,
		Snapshot: r.Snapshot,
		Floor:    r.Floor,
		History:  s.translator.history(r.History),
		Restart:  r.Restart,
	})
	s.begin.Do(func() { close(s.began) })
	return nil
}

// Take implements pglisten.Sink.
func (s *sink) Take(_ context.Context, b pglisten.Batch) error {
	s.hub.Publish(s.translator.batch(b))
	runtime.Gosched() // the writers that were woken first: the source has no haste
	return nil
}

// Notified implements pglisten.Sink. The hub's cursor stays where it is: nothing
// was read from the log.
func (s *sink) Notified(_ context.Context, n pglisten.Notification) error {
	s.hub.Publish(rooms.Batch{Items: s.translator.notification(n), Partial: true})
	return nil
}

// Lost implements pglisten.Sink.
func (s *sink) Lost(_ context.Context, l pglisten.Loss) error {
	s.hub.Publish(rooms.Batch{Items: s.translator.loss(l), Partial: true})
	return nil
}
