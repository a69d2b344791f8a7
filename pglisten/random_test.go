package pglisten

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
)

var (
	long = flag.Duration("long", 3*time.Second, "how long each randomized test runs")
	seed = flag.Uint64("seed", defaultSeed(), "of the randomized tests")
)

// defaultSeed is the one that make test has printed, or a new one.
func defaultSeed() uint64 {
	if given, err := strconv.ParseUint(os.Getenv("ROWCAST_TEST_SEED"), 10, 64); err == nil {
		return given
	}
	return uint64(time.Now().UnixNano())
}

// Many writers, savepoints, rollbacks, a long-open transaction, a log that takes
// turns all the time, three readers: nothing lost, nothing twice, each row's
// changes in order, and every resume cursor good for what follows it.
func TestSource_randomized(t *testing.T) {
	t.Parallel()
	t.Logf("-seed=%d", *seed)
	url := pgtest.Database(t)
	var sources []*Source
	var sinks []*record
	for range 3 {
		s, sink := run(t, Options{URL: url})
		sources, sinks = append(sources, s), append(sinks, sink)
	}
	turner := newTurner(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), *long)
	defer cancel()
	var writers sync.WaitGroup
	for n := range 12 {
		w := writer{rng: rand.New(rand.NewPCG(*seed, uint64(n))), conn: pgtest.Connect(t, url), long: n == 0}
		writers.Go(func() {
			for ctx.Err() == nil {
				if err := w.transaction(t.Context()); err != nil {
					t.Errorf("writer %d: %v", n, err)
					return
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(*seed, 99))
	for ctx.Err() == nil {
		pause(ctx, time.Duration(rng.Int64N(int64(40*time.Millisecond))))
		if rng.IntN(2) == 0 {
			turner.turn(t)
		} else {
			turner.rotate(t, sources)
		}
	}
	writers.Wait()

	logged := map[int64]bool{}
	rows, err := pgtest.Connect(t, url).Query(t.Context(), "SELECT id FROM rowcast.log UNION SELECT id FROM emptied")
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { logged[id] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for i, s := range sources {
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkDelivery(t, fmt.Sprintf("reader %d", i), sinks[i].all(), logged)
		if n := s.Stats().Gaps; n > 0 {
			t.Errorf("reader %d: %d gaps", i, n)
		}
	}
	t.Logf("%d changes; %+v; %d turns, %d slots emptied", len(logged), sources[0].Stats(), turner.turns, turner.emptied)
	if turner.emptied == 0 {
		t.Error("no slot was emptied: this run proved less than it should")
	}
	if !outOfOrder(sinks[0].all()) {
		t.Error("no transaction committed out of id order: this run proved nothing")
	}
}

// turner moves the log's turn on.
type turner struct {
	conn           *pgx.Conn
	turns, emptied int
}

func newTurner(t testing.TB, url string) *turner {
	t.Helper()
	conn := pgtest.Connect(t, url)
	execute(t, conn, "CREATE TABLE emptied (id bigint PRIMARY KEY)")
	return &turner{conn: conn}
}

// turn begins the next turn, empty its slot or not.
func (n *turner) turn(t testing.TB) {
	t.Helper()
	execute(t, n.conn, "SELECT setval('rowcast.log_id_seq', (greatest(rowcast.turn(), 0) + 1) * 10000000000)")
	n.turns++
}

// rotate does it as the daemon does, of what all sources have read.
func (n *turner) rotate(t testing.TB, sources []*Source) {
	t.Helper()
	seen := ask[string](t, n.conn, "SELECT pg_current_snapshot()::text")
	for _, s := range sources {
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, n.conn, "INSERT INTO emptied SELECT id FROM rowcast.log ON CONFLICT DO NOTHING")
	execute(t, n.conn, "UPDATE rowcast.mark SET at = at - interval '1 day'")
	if ask[string](t, n.conn, "SELECT rowcast.rotate($1::text::pg_snapshot)", seen) == "rotated" {
		n.emptied++
	}
}

// writer makes transactions of updates that count a key's value up.
type writer struct {
	rng  *rand.Rand
	conn *pgx.Conn
	long bool // stays open; has a key of its own
}

func (w *writer) transaction(ctx context.Context) error {
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after a commit it does nothing
	if w.rng.IntN(2) == 0 {
		if _, err := tx.Exec(ctx, "SELECT pg_current_xact_id()"); err != nil {
			return err
		}
		w.think(ctx, 8*time.Millisecond)
	}
	key := 1 + w.rng.IntN(36)
	for i := range 1 + w.rng.IntN(4) {
		k := key + i // ascending: no deadlocks
		if w.long {
			k = 40
		}
		if err := w.update(ctx, tx, k); err != nil {
			return err
		}
		w.think(ctx, 4*time.Millisecond)
	}
	if w.long {
		w.think(ctx, 2*time.Second)
	}
	if w.rng.IntN(5) == 0 {
		return tx.Rollback(ctx)
	}
	return tx.Commit(ctx)
}

func (w *writer) update(ctx context.Context, tx pgx.Tx, k int) error {
	end := [...]string{"", "", "RELEASE s", "ROLLBACK TO s"}[w.rng.IntN(4)]
	if end != "" {
		if _, err := tx.Exec(ctx, "SAVEPOINT s"); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "UPDATE counters SET v = v + 1 WHERE k = $1", k); err != nil {
		return err
	}
	if end != "" {
		if _, err := tx.Exec(ctx, end); err != nil {
			return err
		}
	}
	return nil
}

// think lets the transaction stand open for a while, at most d.
func (w *writer) think(ctx context.Context, d time.Duration) {
	pause(ctx, time.Duration(w.rng.Int64N(int64(d))))
}

// checkDelivery checks that got is exactly what the log held, that each key's
// values came in order and without a hole, and that no Resume would skip what
// came after it.
func checkDelivery(t *testing.T, who string, got []Change, logged map[int64]bool) {
	t.Helper()
	seen := map[int64]bool{}
	values := map[int]int64{}
	for _, c := range got {
		if seen[c.ID] {
			t.Errorf("%s: change %d came twice", who, c.ID)
		}
		if !logged[c.ID] {
			t.Errorf("%s: change %d was never committed", who, c.ID)
		}
		seen[c.ID] = true
		var row struct {
			K int
			V int64
		}
		if err := json.Unmarshal(c.New, &row); err != nil {
			t.Fatal(err)
		}
		if row.V != values[row.K]+1 {
			t.Errorf("%s: key %d went from %d to %d", who, row.K, values[row.K], row.V)
		}
		values[row.K] = row.V
	}
	if len(seen) != len(logged) {
		t.Errorf("%s: %d changes lost", who, len(logged)-len(seen))
	}
	checkResume(t, who, got)
}

// checkResume checks that what came after a change is not visible in its Resume.
func checkResume(t *testing.T, who string, got []Change) {
	t.Helper()
	lowest := make([]Change, 0, len(got)) // lowest[i]: a candidate for the lowest xid from i on
	for _, c := range slices.Backward(got) {
		for _, later := range lowest {
			if c.Resume.Visible(later.XID) {
				t.Errorf("%s: resuming after change %d would skip change %d", who, c.ID, later.ID)
			}
		}
		if len(lowest) < 40 {
			lowest = append(lowest, c)
		} else {
			lowest[c.ID%40] = c
		}
	}
}

// outOfOrder reports whether a change came after one with a higher id.
func outOfOrder(got []Change) bool {
	for i := 1; i < len(got); i++ {
		if got[i].ID < got[i-1].ID {
			return true
		}
	}
	return false
}

// The control: two transactions that commit against the order of their ids. A
// reader by id loses one; a Source does not.
func TestSource_commits_out_of_id_order(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	_, sink := run(t, Options{URL: url})
	first, second, other := pgtest.Connect(t, url), pgtest.Connect(t, url), pgtest.Connect(t, url)

	var byID []int64
	readByID := func() {
		last := int64(0)
		if n := len(byID); n > 0 {
			last = byID[n-1]
		}
		rows, err := other.Query(t.Context(), "SELECT id FROM rowcast.log WHERE id > $1 ORDER BY id", last)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			t.Fatal(err)
		}
		byID = append(byID, ids...)
	}
	tx1 := begin(t, first)
	execute(t, tx1, "INSERT INTO messages (topic_id, content) VALUES (7, 'one')")
	tx2 := begin(t, second)
	execute(t, tx2, "INSERT INTO messages (topic_id, content) VALUES (7, 'two')")
	commit(t, tx2)
	sink.until(t, "the second", func() bool { return len(sink.changes()) == 1 })
	readByID()
	commit(t, tx1)
	sink.until(t, "the first", func() bool { return len(sink.changes()) == 2 })
	readByID()

	if got := sink.all(); got[0].ID < got[1].ID {
		t.Errorf("ids %d, %d: the schedule was not forced", got[0].ID, got[1].ID)
	}
	if len(byID) != 1 {
		t.Errorf("a reader by id got %v: the control controls nothing", byID)
	}
}
