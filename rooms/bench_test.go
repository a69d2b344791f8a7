package rooms

import (
	"fmt"
	"testing"
	"time"

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
					if frames, _, err := s.take(buf[:0]); err != nil || len(frames) != 1 {
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
		s.Leave(nil, r.Topics)
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

// BenchmarkRevoke is one of 100,000 memberships that is revoked, and joined
// again.
func BenchmarkRevoke(b *testing.B) {
	f := setup(b, Options{})
	subs := make([]*Subscriber, 100_000)
	for i := range subs {
		subs[i] = f.guest(Library, fmt.Sprint("subject_", i), "a")
	}
	topics, buf := []string{"a"}, make([]Frame, 0, 8)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		s := subs[n%len(subs)]
		n++
		f.access(Revoked, s.subject, topics...)
		f.join(s, JoinRequest{Topics: topics, Mark: f.hub.Mark()})
		for {
			frames, _, err := s.take(buf[:0])
			if err != nil {
				b.Fatal(err)
			}
			if len(frames) == 0 {
				break
			}
		}
	}
}

// BenchmarkRevokeAbsent is the deletion of a membership nobody here makes use
// of, when the ledger is full.
func BenchmarkRevokeAbsent(b *testing.B) {
	f := setup(b, Options{})
	item := Item{Topics: []string{"a"}, Access: &Access{Effect: Revoked, At: time.Now()}}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		item.Access.Subject = fmt.Sprint("subject_", n)
		f.hub.Publish(Batch{Items: []Item{item}, Partial: true})
	}
}

// BenchmarkEveryone is a large room that loses all its members at once: the time
// in which the hub does nothing else.
func BenchmarkEveryone(b *testing.B) {
	for _, effect := range []Effect{Revoked, Unknown} {
		b.Run(fmt.Sprint("effect_", effect), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				f := setup(b, Options{})
				for i := range 100_000 {
					f.guest(Library, fmt.Sprint("subject_", i), "a")
				}
				b.StartTimer()
				f.access(effect, "*", "a")
			}
		})
	}
}
