package bridge

import (
	"testing"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
	"rowcast/rooms"
)

// Only the log moves the hub's cursor, and only at the end of a batch.
func TestSinkMovesTheCursor(t *testing.T) {
	t.Parallel()
	hub := rooms.New(rooms.Options{})
	s := newSink(hub, newTranslator(translatorOptions{Channels: []Channel{{Name: "c", Type: "t", Topics: []string{"x"}}}}))
	cursor := func(xmax uint64) string {
		return snapshot.Cursor{Epoch: "abcd", Snapshot: snapshot.New(xmax)}.Encode()
	}
	steps := []struct {
		name string
		do   func() error
		want string
	}{
		{"reset", func() error {
			return s.Reset(t.Context(), pglisten.Reset{Epoch: "abcd", Snapshot: snapshot.New(100), Floor: snapshot.New(90)})
		}, cursor(100)},
		{"notification", func() error {
			return s.Notified(t.Context(), pglisten.Notification{Channel: "c", Payload: "{}"})
		}, cursor(100)},
		{"loss", func() error { return s.Lost(t.Context(), pglisten.Loss{Channel: "c"}) }, cursor(100)},
		{"piece", func() error {
			return s.Take(t.Context(), pglisten.Batch{Snapshot: snapshot.New(110), Partial: true})
		}, cursor(100)},
		{"batch", func() error { return s.Take(t.Context(), pglisten.Batch{Snapshot: snapshot.New(110)}) }, cursor(110)},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := hub.Cursor(); got != step.want {
			t.Errorf("after %s the cursor is %s, want %s", step.name, got, step.want)
		}
	}
}
