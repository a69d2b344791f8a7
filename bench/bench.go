package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/bridge"
	"rowcast/internal/pgtemp"
	"rowcast/migrations"
	"rowcast/pglisten"
	"rowcast/rooms/auth"
)

// The defaults of Options.
const (
	DefaultRounds     = 5
	DefaultSamples    = 100
	DefaultTime       = 4 * time.Second
	DefaultDeliveries = 20_000
	DefaultClients    = 10_000
)

// ErrNoPgbench is returned when the Postgres binaries come without pgbench.
var ErrNoPgbench = errors.New("pgbench not found beside the Postgres binaries (Debian: apt-get install postgresql)")

// Options say what to measure and how long.
type Options struct {
	Only       string        // one of Parts; all when empty
	Rounds     int           // interleaved rounds, of which the median counts; default 5
	Samples    int           // rows or events a round for latency; default 100
	Time       time.Duration // of each pgbench run; default 4 s
	BinDir     string        // Postgres binaries; found when empty
	Rooms      []int         // sizes of rooms for fanout; default 1, 10, 100, 1,000 and 10,000
	Events     []int         // at a time, for fanout; default 1, 4, 16 and 64
	Clients    int           // for rooms, memory and storm; default 10,000
	Deliveries int           // of a contender's round for fanout, at least; default 20,000
	Progress   io.Writer     // one line a step; none when nil
}

type bench struct{ o Options }

// parts are what can be measured.
var parts = []struct {
	name string
	run  func(*bench, context.Context, io.Writer) error
}{
	{"latency", (*bench).latency},
	{"tax", (*bench).tax},
	{"fanout", (*bench).fanout},
	{"rooms", (*bench).rooms},
	{"memory", (*bench).memory},
	{"storm", (*bench).storm},
}

// Parts returns the names of what can be measured.
func Parts() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// Run measures and prints Markdown tables to w. It starts and removes its own
// Postgres.
func Run(ctx context.Context, w io.Writer, o Options) error {
	if o.Rounds <= 0 {
		o.Rounds = DefaultRounds
	}
	if o.Samples <= 0 {
		o.Samples = DefaultSamples
	}
	if o.Time <= 0 {
		o.Time = DefaultTime
	}
	if o.Clients <= 0 {
		o.Clients = DefaultClients
	}
	if o.Deliveries <= 0 {
		o.Deliveries = DefaultDeliveries
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if len(o.Rooms) == 0 {
		o.Rooms = []int{1, 10, 100, 1000, 10_000}
	}
	if len(o.Events) == 0 {
		o.Events = []int{1, 4, 16, 64}
	}
	b := &bench{o}
	if _, err := fmt.Fprintf(w, "%s: %d cores, %s, %s\n", processor(), runtime.NumCPU(), runtime.GOOS, runtime.Version()); err != nil {
		return err
	}
	for _, p := range parts {
		if o.Only != "" && o.Only != p.name {
			continue
		}
		if err := p.run(b, ctx, w); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// processor names this machine's, where the kernel does.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, found := strings.CutPrefix(line, "model name"); found {
			return strings.Trim(name, " \t\n:")
		}
	}
	return runtime.GOARCH
}

// on runs measure on a cluster of its own, with these settings and tables.
func (b *bench) on(ctx context.Context, w io.Writer, settings map[string]string, tables string,
	measure func(context.Context, io.Writer, *cluster, *pgx.Conn) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := b.start(ctx, settings)
	if err != nil {
		return err
	}
	defer c.close()
	defer cancel() // first, for close waits for what runs
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, tables); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	return measure(ctx, w, c, conn)
}

func (b *bench) progress(format string, args ...any) {
	_, _ = fmt.Fprintf(b.o.Progress, format+"\n", args...) // nobody looks: go on
}

// cluster is a throw-away Postgres with the schema installed and a daemon on it.
type cluster struct {
	url        string
	bin        string
	scratch    string
	daemonAddr string
	group      sync.WaitGroup
	undo       []func()
}

func (b *bench) start(ctx context.Context, settings map[string]string) (_ *cluster, err error) {
	c := &cluster{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.bin, err = pgtemp.Find(b.o.BinDir); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(c.bin, "pgbench")); err != nil {
		return nil, ErrNoPgbench
	}
	if c.scratch, err = os.MkdirTemp("", "rowcast-bench-"); err != nil {
		return nil, err
	}
	c.cleanup(func() { _ = os.RemoveAll(c.scratch) })
	pg, err := pgtemp.Start(ctx, pgtemp.Options{BinDir: c.bin, Settings: settings})
	if err != nil {
		return nil, err
	}
	c.cleanup(func() { _ = pg.Close() })
	c.url = pg.URL("postgres")
	if err := migrations.Up(ctx, c.url, migrations.Options{}); err != nil {
		return nil, err
	}
	return c, c.startDaemon(ctx)
}

// cleanup adds a step to close; the last added runs first.
func (c *cluster) cleanup(f func()) { c.undo = append(c.undo, f) }

// close waits for what still runs, whose context must have ended, and undoes
// everything.
func (c *cluster) close() {
	c.group.Wait()
	for _, f := range slices.Backward(c.undo) {
		f()
	}
}

// connect returns a connection, given back at close.
func (c *cluster) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, c.url)
	if err == nil {
		c.cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) })
	}
	return conn, err
}

// listen returns when each notification on channel came, until ctx ends.
func (c *cluster) listen(ctx context.Context, channel string) (<-chan time.Time, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return nil, err
	}
	arrived := make(chan time.Time, 1)
	c.group.Go(func() {
		for {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return
			}
			note(arrived)
		}
	})
	return arrived, nil
}

// note tells that something came just now; it never waits.
func note(arrived chan<- time.Time) {
	select {
	case arrived <- time.Now():
	default: // nobody waits for this one
	}
}

// startDaemon runs a daemon on the cluster, as serve does, until ctx ends.
func (c *cluster) startDaemon(ctx context.Context) error {
	ready := make(chan string, 1)
	ended := make(chan error, 1)
	d, err := bridge.New(bridge.Options{
		HTTPAddr:        "127.0.0.1:0",
		Source:          pglisten.Options{URL: c.url},
		Gate:            auth.Options{Mode: auth.None},
		ShutdownTimeout: 5 * time.Second,
		Ready:           func(public, _ net.Addr) { ready <- public.String() },
	})
	if err != nil {
		return err
	}
	c.group.Go(func() { ended <- d.Run(ctx) })
	select {
	case c.daemonAddr = <-ready:
		return nil
	case err := <-ended:
		return fmt.Errorf("start daemon: %w", cmp.Or(err, ctx.Err()))
	}
}
