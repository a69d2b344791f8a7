package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// await waits until the author has so many rows.
func (w *world) await(author string, rows int) {
	w.Helper()
	w.until(fmt.Sprintf("%d rows of %s", rows, author), func() bool {
		return value[int](w, "SELECT count(*) FROM messages WHERE author = $1", author) >= rows
	})
}

func order(author, topic string, count, perSecond int) string {
	return fmt.Sprintf(`{"topic_id":%q,"count":%d,"per_second":%d,"author":%q}`, topic, count, perSecond, author)
}

func TestBurst_writes_that_many_each_in_its_own_transaction(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.run()
	w.ask("POST /api/burst", order("Storm", "7", 50, 1000)).expect(t, "burst", 202, order("Storm", "7", 50, 1000))
	w.await("Storm", 50)
	if n := value[int](w, "SELECT count(DISTINCT xid::text) FROM rowcast.log WHERE op = 'I'"); n != 50 {
		t.Errorf("%d transactions", n)
	}
	if last := value[string](w, "SELECT content FROM messages ORDER BY id DESC LIMIT 1"); last != "50 of 50" {
		t.Errorf("the last is %q", last)
	}
}

func TestBurst_is_one_at_a_time_in_a_topic(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.run()
	long := order("Storm", "7", 2000, 1)
	w.ask("POST /api/burst", long).expect(t, "first", 202, long)
	w.ask("POST /api/burst", long).expect(t, "second", 409, `{"error":"this topic has a burst already"}`)
	short := order("Breeze", "1", 1, 1000)
	w.ask("POST /api/burst", short).expect(t, "other topic", 202, short)
	w.await("Breeze", 1)
	w.until("the topic is free again", func() bool { return w.ask("POST /api/burst", short).status == 202 })
}

// TestRun_ends_with_its_bursts ends one that a lock holds up in the middle.
func TestRun_ends_with_its_bursts(t *testing.T) {
	t.Parallel()
	w := setup(t)
	stop := w.run()
	w.ask("POST /api/burst", order("Storm", "7", 2000, 200))
	w.await("Storm", 3)
	w.exec("BEGIN; LOCK TABLE messages")
	w.blocked("messages")
	stop()
	if busy := len(w.api.busy); busy != 0 {
		t.Errorf("%d bursts go on", busy)
	}
	w.api.db.Close() // nobody holds a connection, and the statement that waits is cancelled
	rows := value[int](w, "SELECT count(*) FROM messages WHERE author = 'Storm'")
	w.exec("COMMIT")
	if later := value[int](w, "SELECT count(*) FROM messages WHERE author = 'Storm'"); later != rows {
		t.Errorf("%d rows after the end", later-rows)
	}
	if w.log.String() != "" {
		t.Errorf("logged:\n%s", w.log)
	}
}

func TestBurst_is_refused_once_Run_has_ended(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.run()()
	for range 2 { // the first has let go of its topic
		w.ask("POST /api/burst", order("Storm", "7", 1, 1)).expect(t, "too late", 503, `{"error":"shutting down"}`)
	}
}

func TestPace_keeps_time(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		slow time.Duration // the third call
		want []time.Duration
	}{
		"in time": {0, []time.Duration{100, 200, 300, 400, 500}},
		"late":    {250, []time.Duration{100, 200, 300, 550, 550}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var got []time.Duration
				err := pace(t.Context(), 5, 10, func(n int) error {
					got = append(got, time.Since(began)/time.Millisecond)
					if n == 3 {
						<-time.After(tt.slow * time.Millisecond)
					}
					return nil
				})
				if err != nil || !slices.Equal(got, tt.want) {
					t.Errorf("at %d, %v", got, err)
				}
			})
		})
	}
}

func TestPace_ends_early(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		calls := 0
		err := pace(ctx, 5, 10, func(int) error { calls++; return nil })
		if calls != 2 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d calls, %v", calls, err)
		}
		broken := errors.New("broken")
		if err := pace(t.Context(), 5, 10, func(int) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	})
}
