package pglisten

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
)

// BenchmarkWake measures, asleep, the time from a writer's INSERT to the news of
// it, by turns: by the shortest road there is (a notification, one SELECT by
// id), and by a Source.
func BenchmarkWake(b *testing.B) {
	roads := []struct {
		name string
		make func(b *testing.B, url string) <-chan time.Time
	}{{"bare", bareListener}, {"source", sourceListener}}
	writers, news := make([]*pgx.Conn, len(roads)), make([]<-chan time.Time, len(roads))
	for i, road := range roads {
		url := pgtest.Database(b)
		writers[i], news[i] = pgtest.Connect(b, url), road.make(b, url)
	}
	times := make([][]time.Duration, len(roads))
	quiet := time.NewTicker(20 * time.Millisecond)
	defer quiet.Stop()
	for b.Loop() {
		for i := range roads {
			<-quiet.C
			start := time.Now()
			execute(b, writers[i], insertMessage)
			select {
			case at := <-news[i]:
				times[i] = append(times[i], at.Sub(start))
			case <-time.After(patient10s):
				b.Fatalf("%s: no news", roads[i].name)
			}
		}
	}
	for i, road := range roads {
		slices.Sort(times[i])
		b.ReportMetric(float64(times[i][len(times[i])/2].Microseconds()), road.name+"-p50-µs")
	}
}

func bareListener(b *testing.B, url string) <-chan time.Time {
	news := make(chan time.Time, 1)
	conn := pgtest.Connect(b, url)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	b.Cleanup(func() { cancel(); <-done })
	execute(b, conn, "LISTEN rowcast")
	execute(b, conn, "SELECT setval('rowcast.doorbell', (extract(epoch FROM clock_timestamp()) * 1000)::bigint)")
	go func() {
		defer close(done)
		var last int64
		for {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return
			}
			rows, _ := conn.Query(ctx, "SELECT id, row_to_json(m.*)::text FROM messages m WHERE id > $1 ORDER BY id", last)
			var text string
			if _, err := pgx.ForEachRow(rows, []any{&last, &text}, func() error { return nil }); err != nil {
				return
			}
			news <- time.Now()
		}
	}()
	return news
}

func sourceListener(b *testing.B, url string) <-chan time.Time {
	sink := &newsSink{record: newRecord(), news: make(chan time.Time, 1)}
	s := runInto(b, Options{URL: url}, sink)
	state(b, s, "asleep")
	return sink.news
}

// newsSink says when a change came.
type newsSink struct {
	*record
	news chan time.Time
}

func (t *newsSink) Take(_ context.Context, b Batch) error {
	if len(b.Changes) > 0 {
		t.news <- time.Now()
	}
	return nil
}
