package client

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/oracle"
)

// each runs a client of each kind, the library's in each way.
func (w *world) each(set func(*Client)) {
	for _, way := range ways {
		w.client(oracle.Library, uint64(way), func(c *Client) {
			c.way = way
			if set != nil {
				set(c)
			}
		})
	}
	w.client(oracle.Plain, 10, set)
	w.client(oracle.Stream, 11, set)
}

func (w *world) connections() (count int) {
	for _, c := range w.clients {
		count += c.Connections()
	}
	return count
}

func TestClient_misses_nothing_while_it_begins(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.writeUntil("a beginning", func() bool { return len(w.truth.Owed) == 10 })
	w.each(nil)
	w.writeUntilReady()
	v := w.judge(nil)
	if v.Connections != len(w.clients) || v.Refetches != 0 {
		t.Errorf("%d connections and %d refetches, want %d and none", v.Connections, v.Refetches, len(w.clients))
	}
}

func TestClient_resumes_when_it_dropped_its_connection(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.each(func(c *Client) { c.o.Habits.Drop = 50 * time.Millisecond })
	w.writeUntilReady()
	for _, c := range w.clients {
		w.writeUntil("drops", func() bool { return c.Connections() > 5 })
	}
	w.judge(nil)
	for _, c := range w.clients {
		if ends := c.Journal().Ends(); ends[Dropped] < 5 || len(ends) > 1 {
			t.Errorf("%s: connections ended so: %v", c.o.Name, ends)
		}
	}
}

func TestClient_resumes_at_another_daemon(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.each(nil)
	w.writeUntilReady()
	w.stop()
	w.write("while nobody runs")
	w.start()
	w.judge(nil)
	for _, c := range w.clients {
		want := "1012"
		if c.o.Kind == oracle.Stream {
			want = EOF
		}
		if ends := c.Journal().Ends(); ends[want] != 1 || len(ends) > 1 {
			t.Errorf("%s: connections ended so: %v, want %s", c.o.Name, ends, want)
		}
	}
}

func TestClient_joins_again_from_where_it_left(t *testing.T) {
	t.Parallel()
	w := setup(t)
	count := w.tap(`{"type":"$left"`, `"recovered":true`)
	for seed := range uint64(3) {
		w.client(oracle.Library, seed, func(c *Client) {
			c.o.Habits = Habits{Churn: 30 * time.Millisecond, Drop: 300 * time.Millisecond}
		})
	}
	w.writeUntilReady()
	w.writeUntil("leaves and joins", func() bool {
		return count[`{"type":"$left"`].Load() > 20 && count[`"recovered":true`].Load() > 20 && w.connections() > 6
	})
	w.judge(nil)
}

func TestClient_gets_all_though_it_does_not_read_for_a_while(t *testing.T) {
	t.Parallel()
	w := setup(t, slow...)
	w.each(func(c *Client) {
		c.o.Heartbeat, c.o.Habits = 5*time.Second, Habits{Halt: 20 * time.Millisecond, HaltFor: 50 * time.Millisecond, ReceiveBuffer: 256 << 10}
	})
	w.writeUntilReady()
	large := strings.Repeat("x", 30_000)
	for range 100 {
		w.write(large)
	}
	w.judge(nil)
	if w.metric("rowcast_queue_overflows_total") == 0 {
		t.Error("no queue was full: they do read all the time")
	}
}

// slow is a daemon that soon gives up on those who do not read. It gives them
// time to pong: what is before a ping in the socket's buffers takes seconds.
var slow = []string{"--limits.event_bytes=40kB", "--limits.queue_bytes=80kB", "--limits.write_timeout=1s", "--heartbeat.interval=5s"}

func TestClient_is_cut_off_when_it_is_deaf(t *testing.T) {
	t.Parallel()
	w := setup(t, slow...)
	w.each(func(c *Client) {
		c.o.Heartbeat, c.o.Habits = 5*time.Second, Habits{Deaf: true, ReceiveBuffer: 256 << 10}
	})
	w.writeUntilReady()
	large := strings.Repeat("x", 30_000)
	for range 200 { // more than the sockets hold
		w.write(large)
	}
	w.writeUntil("the daemon's patience to end", func() bool { return w.metric("rowcast_connections") == 0 })
	w.judge(nil)
	for _, c := range w.clients {
		if c.Connections() < 2 {
			t.Errorf("%s has one connection still", c.o.Name)
		}
	}
}

func TestClient_fetches_what_a_resync_names(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.each(nil)
	w.writeUntilReady()
	w.bulk()
	v := w.judge(nil)
	if v.Refetches != len(w.clients) || v.Resyncs["bulk"] != len(w.clients) {
		t.Errorf("%d refetches and %v resyncs, want %d", v.Refetches, v.Resyncs, len(w.clients))
	}
}

// bulk writes rows that are owed as a $resync.
func (w *world) bulk() {
	w.t.Helper()
	var began string
	var xid uint64
	w.transaction(func(tx pgx.Tx) error {
		if err := tx.QueryRow(w.t.Context(), "SELECT pg_current_xact_id()::text::bigint, pg_current_snapshot()::text").Scan(&xid, &began); err != nil {
			return err
		}
		_, err := tx.Exec(w.t.Context(), "SELECT rowcast.bulk('messages'); INSERT INTO messages (topic_id, content) SELECT 1, 'bulk' FROM generate_series(1, 10)")
		return err
	})
	w.owe(began, oracle.Owed{XID: xid, Key: fmt.Sprintf("bulk%d", xid), Topics: []string{"topic_*", "messages"}, Notice: true})
}
