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
// it: by the shortest road possible (a notification, one SELECT) and by a
// Source, in rounds that alternate.
func BenchmarkWake(b *testing.B) {
	url := pgtest.Database(b)
	writer := pgtest.Connect(b, url)
	bare, source := newBareListener(b, url), newTakes()
	runInto(b, Options{URL: url}, source)
	source.until(b, "first Reset", func() bool { return len(source.resets) > 0 })
	roads := map[string]<-chan time.Time{"bare": bare, "source": source.at}
	times := map[string][]time.Duration{}
	pause := time.NewTicker(20 * time.Millisecond) // asleep
	defer pause.Stop()
	for b.Loop() {
		start := time.Now()
		if _, err := writer.Exec(b.Context(), "INSERT INTO messages (topic_id, content) VALUES (7, 'hi')"); err != nil {
			b.Fatal(err)
		}
		for name, at := range roads {
			times[name] = append(times[name], (<-at).Sub(start))
		}
		<-pause.C
	}
	for name, all := range times {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds()), name+"-p50-µs")
	}
}

func newBareListener(b *testing.B, url string) <-chan time.Time {
	at := make(chan time.Time, 100)
	conn := pgtest.Connect(b, url)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	b.Cleanup(func() { cancel(); <-done })
	if _, err := conn.Exec(ctx, "LISTEN rowcast"); err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(done)
		var last int64
		for {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return
			}
			rows, _ := conn.Query(ctx, "SELECT id, row_to_json(m.*)::text FROM messages m WHERE id > $1 ORDER BY id", last)
			var text string
			_, err := pgx.ForEachRow(rows, []any{&last, &text}, func() error { at <- time.Now(); return nil })
			if err != nil {
				return
			}
		}
	}()
	return at
}

type takes struct {
	*record
	at chan time.Time
}

func newTakes() *takes { return &takes{record: newRecord(), at: make(chan time.Time, 100)} }

func (t *takes) Take(_ context.Context, b Batch) error {
	for range b.Changes {
		t.at <- time.Now()
	}
	return nil
}
