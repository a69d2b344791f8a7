package rooms

import (
	"encoding/json"
	"slices"
	"testing"

	"rowcast/internal/snapshot"
)

// FuzzSince: whatever cursor a client brings, it gets just the events that the
// cursor does not see, in their order, or is told that it does not. The hub is
// one whose history has begun to be forgotten, and of transactions that ended in
// another order than they began.
func FuzzSince(f *testing.F) {
	f.Add("", "e1", uint64(5), uint64(2), uint64(3))
	f.Add("", "e1", uint64(9), uint64(0), uint64(0))
	f.Add("", "e1", uint64(8), uint64(6), uint64(7))
	f.Add("", "e2", uint64(9), uint64(0), uint64(0))
	f.Add("", "e1", uint64(1)<<63, uint64(1), uint64(7))
	f.Add("no cursor", "", uint64(0), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, text, epoch string, xmax, one, other uint64) {
		if text == "" && len(epoch) <= 32 {
			text = snapshot.Cursor{Epoch: epoch, Snapshot: snapshot.New(xmax, one, other)}.Encode()
		}
		w := setup(t, Options{})
		w.hub.Publish(Batch{Items: []Item{event(1, "a"), event(3, "b"), event(4, "a")}, Snapshot: snapshot.New(5, 2)})
		w.hub.Publish(Batch{Items: []Item{event(2, "a"), event(6, "a", "b")}, Snapshot: snapshot.New(7, 5)})
		w.hub.Publish(Batch{Items: []Item{event(5, "b"), event(7, "a")}, Snapshot: snapshot.New(8)})
		w.hub.history.limit = w.hub.history.bytes - 1 // the oldest goes
		w.hub.sweep()
		s, err := w.hub.Subscribe(SubscriberOptions{Level: Library})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(ErrClosed)
		if err := s.Join(t.Context(), JoinRequest{Topics: []string{"a"}, Since: &text}); err != nil {
			t.Fatal(err)
		}
		var got []string
		frames, _, err := s.take(nil)
		for ; err == nil && len(frames) > 0; frames, _, err = s.take(nil) {
			for _, frame := range frames {
				if !json.Valid(frame.Data) {
					t.Fatalf("no JSON: %q", frame.Data)
				}
				got = append(got, word(t, frame))
			}
		}
		want := []string{"joined(a replayed=0 recovered=false)", "resync(a cursor_foreign)"}
		if c, err := snapshot.DecodeCursor(text); err == nil && c.Epoch == "e1" {
			want = answerOf(c.Snapshot)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, want %q", text, got, want)
		}
	})
}

// answerOf is what a member of a is owed who has seen what s sees. Of the first
// batch the history has lost an event, so it can answer those who saw all of it.
func answerOf(s snapshot.Snapshot) []string {
	switch {
	case !snapshot.New(5, 2).Within(s):
		return []string{"joined(a replayed=0 recovered=false)", "resync(a cursor_expired)"}
	case !s.Within(snapshot.New(8)): // it has seen what never was
		return []string{"joined(a replayed=0 recovered=false)", "resync(a cursor_foreign)"}
	}
	var want []string
	for _, e := range []struct {
		xid  uint64
		name string
	}{{1, "1"}, {4, "4"}, {2, "2"}, {6, "6"}, {7, "7"}} {
		if !s.Visible(e.xid) {
			want = append(want, e.name)
		}
	}
	return append(want, "joined(a replayed="+string(rune('0'+len(want)))+" recovered=true)")
}
