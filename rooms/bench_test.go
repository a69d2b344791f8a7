package rooms

import (
	"fmt"
	"testing"

	"rowcast/internal/snapshot"
)

// BenchmarkPublish is one event into a room, and all its members reading it.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("room_of_%d", n), func(b *testing.B) {
			f := setup(b, Options{})
			members := make([]*Subscriber, n)
			for i := range members {
				members[i] = f.member("a")
			}
			batch := Batch{Items: []Item{event(1, "a")}}
			buf := make([]Frame, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				f.xid++
				batch.Items[0].XID, batch.Snapshot = f.xid, snapshot.New(f.xid+1)
				f.hub.Publish(batch)
				for _, s := range members {
					if frames, err := s.take(buf[:0]); err != nil || len(frames) != 1 {
						b.Fatal(len(frames), err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}

// BenchmarkBehind is the same for members that do not read.
func BenchmarkBehind(b *testing.B) {
	f := setup(b, Options{QueueBytes: 1})
	for range 10_000 {
		f.member("a")
	}
	f.publish(2, "a")
	b.ReportAllocs()
	for b.Loop() {
		f.publish(1, "a")
	}
}

// BenchmarkJoinLeave is a join and a leave in a large room.
func BenchmarkJoinLeave(b *testing.B) {
	f := setup(b, Options{})
	for range 100_000 {
		f.member("a")
	}
	s := f.subscribe(Plain)
	r := JoinRequest{Topics: []string{"a"}}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Join(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		s.Leave(r.Topics)
	}
}

// BenchmarkReplay is a client that comes back to a history of 100,000 events of
// 100 topics, in which it missed the newest ten of its own.
func BenchmarkReplay(b *testing.B) {
	f := setup(b, Options{})
	for i := range 100_000 {
		f.publish(1, fmt.Sprint("topic_", i%100))
	}
	cursor := cursorAt(f.xid - 1000)
	r := JoinRequest{Topics: []string{"topic_7"}, Since: &cursor}
	var buf []Frame
	b.ReportAllocs()
	for b.Loop() {
		s, err := f.hub.Subscribe(SubscriberOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Join(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		if buf, err = s.Next(b.Context(), buf); err != nil || len(buf) != 10 {
			b.Fatal(len(buf), err)
		}
		s.Close(ErrClosed)
	}
}
