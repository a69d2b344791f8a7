package pglisten

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
)

// A batch that breaks again and again, while transactions with lower ids commit
// in between: nothing is lost, nothing comes twice.
func TestSource_broken_batch(t *testing.T) {
	t.Parallel()
	t.Logf("-seed=%d", *seed)
	url := pgtest.Database(t)
	wire := newWire(t, pgtest.Daemon(t, url))
	s, sink := run(t, Options{Config: wire.config})
	state(t, s, "asleep")

	// Ids and commits crossed: early ids that commit later, before the end, and
	// so many that a batch breaks again before it is where the last one broke.
	const few = 600
	const insertMany = "INSERT INTO messages (topic_id, content) SELECT 7, repeat('x', 100) FROM generate_series(1, $1)"
	var early []pgx.Tx
	for range 4 {
		tx := begin(t, pgtest.Connect(t, url))
		execute(t, tx, insertMany, few)
		early = append(early, tx)
	}
	rng := rand.New(rand.NewPCG(*seed, 7))
	const rows = 8_000 // some 2 MB
	for range 5 {
		wire.allow(200_000 + rng.IntN(400_000))
	}
	conn := pgtest.Connect(t, url)
	execute(t, conn, insertMany, rows)
	for _, tx := range early {
		connects := s.Stats().Connects
		eventually(t, "a break", func() bool { return s.Stats().Connects > connects })
		commit(t, tx)
	}
	want := rows + few*len(early)
	sink.until(t, "all", func() bool { return len(sink.changes()) >= want })
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, c := range sink.all() {
		if seen[c.ID] {
			t.Fatalf("change %d came twice", c.ID)
		}
		seen[c.ID] = true
		if c.TxChanges != few && c.TxChanges != rows {
			t.Errorf("change %d: transaction of %d", c.ID, c.TxChanges)
		}
	}
	if len(seen) != want || len(sink.resets) != 1 {
		t.Errorf("%d changes, %d resets", len(seen), len(sink.resets))
	}
	checkResume(t, "reader", sink.all())
	t.Logf("%d connections", s.Stats().Connects)
}

// Failures wear off: after a good reading the next standstill is noticed as soon
// as the first.
func TestSource_standstill(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	var refuse atomic.Int32
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if refuse.Add(-1) >= 0 {
			return nil, errors.New("refused")
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	s := unattended(Options{Config: config, PollInterval: 50 * time.Millisecond})
	s.tempo.standstill = 250 * time.Millisecond
	start(t, s, newRecord())
	state(t, s, "asleep")
	refuse.Store(4)
	conn := pgtest.Connect(t, url)
	execute(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rowcast'")
	eventually(t, "the refusals", func() bool { return refuse.Load() < 0 })
	state(t, s, "asleep")

	tx := begin(t, conn)
	execute(t, tx, "LOCK TABLE rowcast.log")
	locked := time.Now()
	eventually(t, "the disconnect", func() bool { return !s.Stats().Connected })
	if d := time.Since(locked); d > 3*time.Second {
		t.Errorf("noticed after %v", d)
	}
	commit(t, tx)
	state(t, s, "asleep")
}

// wire leads to a server and breaks when told.
type wire struct {
	config *pgx.ConnConfig
	mu     sync.Mutex
	limits []int // of the next connections, in bytes from the server
}

// allow lets a connection through up to n bytes, after those told before.
func (w *wire) allow(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits = append(w.limits, n)
}

func newWire(t *testing.T, url string) *wire {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{config: config}
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &brittle{Conn: c, w: w}, err
	}
	return w
}

// brittle is a connection that counts once it carries more than small talk.
type brittle struct {
	net.Conn
	w      *wire
	read   int
	broken bool
}

func (b *brittle) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	b.read += n
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if !b.broken && len(b.w.limits) > 0 && b.read > b.w.limits[0] {
		b.w.limits, b.broken = b.w.limits[1:], true
		return 0, errors.Join(io.ErrUnexpectedEOF, b.Close())
	}
	return n, err
}
