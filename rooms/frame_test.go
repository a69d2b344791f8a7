package rooms

import (
	"bytes"
	"slices"
	"sync"
	"testing"
)

// TestDeflated: what is deflated is made once for all who get the frame, live or in a
// replay, and kept only where it is shorter.
func TestDeflated(t *testing.T) {
	t.Parallel()
	f := setup(t, Options{})
	one, two := f.member("a"), f.subscribe(Library)
	f.join(two, JoinRequest{Topics: []string{"a"}})
	since := f.hub.Cursor()
	f.publish(2, "a")
	f.join(two, JoinRequest{Topics: []string{"a"}, Since: &since})

	made := 0
	half := func(data []byte) []byte { made++; return data[:len(data)/2] }
	framed := func(s *Subscriber) (events, others [][]byte) {
		for {
			frames, idle, err := s.take(nil)
			if idle || err != nil {
				return events, others
			}
			for _, frame := range frames {
				if frame.Kind == Event {
					events = append(events, frame.Deflated(half))
					continue
				}
				if others = append(others, frame.Deflated(half)); &others[len(others)-1][0] != &frame.Framed[0] {
					t.Errorf("deflated: %s", frame.Data)
				}
			}
		}
	}
	want, _ := framed(one)
	got, own := framed(two) // $joined, both, both again, $joined
	if len(want) != 2 || len(got) != 4 || len(own) != 2 || made != 2 {
		t.Fatalf("%d events, %d with those replayed, %d control frames; %d were deflated", len(want), len(got), len(own), made)
	}
	for i, frame := range got {
		if data := event(uint64(1+i%2), "a").Data; &frame[0] != &want[i%2][0] || frame[0] != 0xC1 || !bytes.Equal(frame[2:], data[:len(data)/2]) {
			t.Errorf("event %d: %q", i, frame)
		}
	}
}

// TestDeflated_longer: nor is it tried again.
func TestDeflated_longer(t *testing.T) {
	t.Parallel()
	f := setup(t, Options{})
	s := f.member("a")
	f.publish(1, "a")
	frames, _, _ := s.take(nil)
	tried := 0
	for range 2 {
		got := frames[0].Deflated(func(data []byte) []byte { tried++; return slices.Clone(data) })
		if &got[0] != &frames[0].Framed[0] {
			t.Errorf("%q", got)
		}
	}
	if tried != 1 {
		t.Errorf("tried %d times", tried)
	}
}

// TestDeflated_race: when two make it at once, both send the same.
func TestDeflated_race(t *testing.T) {
	t.Parallel()
	f := setup(t, Options{})
	s := f.member("a")
	f.publish(1, "a")
	frames, _, _ := s.take(nil)
	var made, sent sync.WaitGroup
	made.Add(2)
	var got [2][]byte
	for i := range got {
		sent.Go(func() {
			got[i] = frames[0].Deflated(func(data []byte) []byte {
				made.Done()
				made.Wait()
				return data[:1]
			})
		})
	}
	sent.Wait()
	if &got[0][0] != &got[1][0] {
		t.Error("each sends its own")
	}
}
