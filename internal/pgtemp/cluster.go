package pgtemp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options says what kind of cluster to start. The zero value is a cluster in a
// temporary folder, durable, with Postgres's own settings.
type Options struct {
	BinDir   string            // folder of the server's binaries; default: what Find finds
	Dir      string            // folder of the cluster, an earlier one is taken up again; default: a new temporary folder
	Keep     bool              // Close leaves the folder behind
	Settings map[string]string // further lines of postgresql.conf; they win over Fast
	Logger   *slog.Logger      // default: silent

	WALSegment int // MB in a file of the write-ahead log, a power of two; default: 16, as Postgres has it

	// Fast turns off fsync, full_page_writes and synchronous_commit. Because of
	// the last, Kill and an Immediate stop may take the newest commits along.
	Fast bool
}

// StopMode is one of Postgres's three ways to shut down.
type StopMode int

// The ways to stop, from the most patient to the least.
const (
	Smart     StopMode = iota // waits until every client has left
	Fast                      // ends the clients, writes a checkpoint
	Immediate                 // ends at once; the next start recovers from the log
)

func (m StopMode) signal() syscall.Signal {
	return [...]syscall.Signal{Smart: syscall.SIGTERM, Fast: syscall.SIGINT, Immediate: syscall.SIGQUIT}[m]
}

const (
	startTimeout = 60 * time.Second
	closeTimeout = 20 * time.Second
	portAttempts = 5
)

// Cluster is one Postgres server and its data.
type Cluster struct {
	bin     string
	version int
	dir     string
	port    int
	options Options
	account *account
	log     *slog.Logger
	lock    *os.File // of a temporary folder
	server  *server  // nil while stopped
}

// Start makes a cluster and starts it, or takes up the one that is in
// Options.Dir. ctx limits the start only. A failed start leaves nothing behind
// but what was there before, or the folder with Options.Keep.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(c.data(), "PG_VERSION")); err == nil {
		if err := c.startOnFreePort(ctx); err != nil {
			return nil, err // not Close: the data is older than this call
		}
		return c, nil
	}
	err = c.create(ctx)
	if err == nil {
		err = c.startOnFreePort(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// prepare finds the binaries and makes the folder, with nothing in it.
func prepare(o Options) (*Cluster, error) {
	bin, err := Find(o.BinDir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, options: o, log: o.Logger}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.account, err = unprivileged(); err != nil {
		return nil, err
	}
	if err = c.makeDir(); err != nil {
		return nil, fmt.Errorf("make the cluster's folder: %w", err)
	}
	for _, sub := range []string{c.data(), c.run()} {
		if err := c.account.mkdir(sub); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	// Asked as the server's account and from the folder: whether these two can
	// be reached turns out before anything is made.
	ask := exec.Command(filepath.Join(bin, "postgres"), "--version")
	c.account.dress(ask, c.run())
	if c.version, err = majorVersion(ask); err != nil {
		return nil, errors.Join(c.account.explain(err, c.run()), c.Close())
	}
	return c, nil
}

// makeDir makes the cluster's folder. It is open to all, what is in it is not:
// the server's account must be able to pass.
func (c *Cluster) makeDir() (err error) {
	if c.options.Dir != "" {
		if c.dir, err = filepath.Abs(c.options.Dir); err != nil {
			return err
		}
		return os.MkdirAll(c.dir, 0o755)
	}
	sweep(os.TempDir())
	if c.dir, err = os.MkdirTemp("", tempPrefix); err != nil {
		return err
	}
	if !c.options.Keep {
		if c.lock, err = claim(c.dir); err != nil {
			return err
		}
	}
	return os.Chmod(c.dir, 0o755)
}

// create runs initdb. The locale C is the one that every system and version has.
func (c *Cluster) create(ctx context.Context) error {
	return c.tool(ctx, filepath.Join(c.bin, "initdb"), "-D", c.data(), "-U", "postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--wal-segsize="+strconv.Itoa(cmp.Or(c.options.WALSegment, 16)))
}

// startOnFreePort starts the server on a port that is free. Between finding the
// port and binding it someone else may take it: then the next one is tried.
func (c *Cluster) startOnFreePort(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		c.port = port
		err = c.Start(ctx)
		if err == nil || attempt == portAttempts || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
	}
}

// freePort returns a port from below those that the kernel gives to outgoing
// connections (32768 on Linux): while a cluster is stopped, none of these takes
// its port away.
func freePort(ctx context.Context) (int, error) {
	var last error
	for range 100 {
		port := 15000 + rand.IntN(15000)
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}

// Start starts a stopped cluster again, on the same port and data. It returns
// when the server answers.
func (c *Cluster) Start(ctx context.Context) error {
	if c.server != nil {
		return errors.New("start postgres: it is running")
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.configure(); err != nil {
		return err
	}
	began := time.Now()
	s, err := c.account.serve(filepath.Join(c.bin, "postgres"), c.data(), c.logPath())
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	c.server = s
	if err := c.ready(ctx); err != nil {
		// Not Kill: the lock files may be those of another server on this folder.
		c.server = nil
		return errors.Join(fmt.Errorf("start postgres: %w%s", err, s.said()), s.kill())
	}
	c.log.Debug("postgres started", "port", c.port, "version", c.version, "took", time.Since(began))
	return nil
}

// ready returns when the server answers.
func (c *Cluster) ready(ctx context.Context) error {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		err := c.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.server.done:
			return errors.New("the server ended")
		case <-ctx.Done():
			return err
		case <-retry.C:
		}
	}
}

// answers asks the server who it is: on the port there may be someone else, who
// took it first.
func (c *Cluster) answers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	var data string
	err = conn.QueryRow(ctx, "SHOW data_directory").Scan(&data)
	if err == nil && data != c.data() {
		err = fmt.Errorf("port %d is that of %s", c.port, data)
	}
	return errors.Join(err, conn.Close(ctx))
}

// URL is the connection string of a database for the superuser postgres.
func (c *Cluster) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}

// Dir returns the cluster's folder.
func (c *Cluster) Dir() string { return c.dir }

// Port returns the TCP port on 127.0.0.1, the same from the first start to Close.
func (c *Cluster) Port() int { return c.port }

// Version returns Postgres's major version.
func (c *Cluster) Version() int { return c.version }

// Bin returns the folder of the server's binaries.
func (c *Cluster) Bin() string { return c.bin }

// Stop shuts the server down and keeps the data. It does nothing to a stopped
// cluster. When ctx ends first, the server is still on its way down.
func (c *Cluster) Stop(ctx context.Context, mode StopMode) error {
	if c.server == nil {
		return nil
	}
	if err := c.server.signal(mode.signal()); err != nil {
		return fmt.Errorf("stop postgres: %w", err)
	}
	select {
	case <-c.server.done:
		c.server = nil
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop postgres: %w", ctx.Err())
	}
}

// Kill ends the server and all its children at once with SIGKILL: a crash. The
// data stays; Start recovers it.
func (c *Cluster) Kill() error {
	if c.server == nil {
		return nil
	}
	if err := c.server.kill(); err != nil {
		return fmt.Errorf("kill postgres: %w", err)
	}
	c.server = nil
	// The lock files name a process that is gone. Postgres would see that,
	// unless by now another server has got the same process id.
	socket := filepath.Join(c.run(), ".s.PGSQL."+strconv.Itoa(c.port))
	for _, path := range []string{filepath.Join(c.data(), "postmaster.pid"), socket, socket + ".lock"} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("kill postgres: %w", err)
		}
	}
	return nil
}

// Freeze halts the server and all its children where they are: it keeps its
// connections and answers nothing, as a machine that is paused or a disk that
// hangs. It does nothing to a stopped cluster. Whoever called Freeze calls Thaw:
// a frozen server does not hear that its parent died.
func (c *Cluster) Freeze() error {
	if c.server == nil {
		return nil
	}
	if _, err := c.server.freeze(); err != nil {
		return fmt.Errorf("freeze postgres: %w", err)
	}
	return nil
}

// Thaw lets a frozen server go on.
func (c *Cluster) Thaw() error {
	if c.server == nil {
		return nil
	}
	if err := c.server.thaw(); err != nil {
		return fmt.Errorf("thaw postgres: %w", err)
	}
	return nil
}

// Close stops the server and, unless Options.Keep, removes the cluster and then
// the folder, if nothing else is in it. A second Close does nothing.
func (c *Cluster) Close() error {
	mode := Immediate
	if c.options.Keep {
		mode = Fast
	}
	if c.server != nil {
		err := c.server.signal(mode.signal())
		if err := errors.Join(err, c.server.thaw()); err != nil {
			return fmt.Errorf("stop postgres: %w", err)
		}
		select {
		case <-c.server.done:
			c.server = nil
		case <-time.After(closeTimeout):
			if err := c.Kill(); err != nil {
				return err
			}
		}
	}
	if c.options.Keep {
		return nil
	}
	for _, path := range []string{c.data(), c.run(), c.logPath(), filepath.Join(c.dir, lockName)} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the cluster: %w", err)
		}
	}
	_ = os.Remove(c.dir) // fails where someone else keeps things in it
	_ = c.lock.Close()   // nil, or closed before
	return nil
}

// tool runs a program as the server's account. What it printed last becomes the
// error.
func (c *Cluster) tool(ctx context.Context, path string, args ...string) error {
	cmd := exec.CommandContext(ctx, path, args...)
	c.account.dress(cmd, c.run())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w%s", filepath.Base(path), cmp.Or(ctx.Err(), err), tail(out))
	}
	return nil
}

func (c *Cluster) data() string    { return filepath.Join(c.dir, "data") }
func (c *Cluster) run() string     { return filepath.Join(c.dir, "run") }
func (c *Cluster) logPath() string { return filepath.Join(c.dir, "postgres.log") }
