package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/oracle"
	"rowcast/internal/pgtemp/pgtest"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// topics are those of all clients of the tests. A row is in one of them, and in
// messages, where nobody is who would get it there.
var topics = []string{"topic_1", "topic_2"}

// binary is the daemon's, built before the first test that needs it.
var binary string

func TestMain(m *testing.M) {
	pgtest.Main(m, func(ctx context.Context, url string) error {
		binary = filepath.Join(filepath.Dir(os.Args[0]), "rowcast.test-daemon") // go test clears that away
		if text, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "rowcast/cmd/rowcast").CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, text)
		}
		migrate := exec.CommandContext(ctx, binary, "migrate", "up")
		migrate.Env = []string{"DATABASE_URL=" + url}
		if text, err := migrate.CombinedOutput(); err != nil {
			return fmt.Errorf("migrate: %w\n%s", err, text)
		}
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, `
			CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic_id int NOT NULL, content text NOT NULL);
			SELECT rowcast.watch('messages', 'topic_id', topics => ARRAY['topic_{topic_id}', 'messages'])`)
		return err
	})
}

// world is a daemon on a database of its own, an application that writes to it,
// and the truth of what it wrote.
type world struct {
	t        *testing.T
	url      string
	addr     atomic.Pointer[string] // of the daemon
	admin    string
	stop     func() // the daemon
	settings []string
	load     *pgx.Conn
	truth    oracle.Truth

	fetching sync.Mutex // guards conn
	conn     *pgx.Conn
	clients  []*Client
}

// setup starts a daemon with these settings, beside those of all tests.
func setup(t *testing.T, settings ...string) *world {
	t.Helper()
	w := &world{t: t, url: pgtest.Database(t), settings: settings, truth: oracle.Truth{Transactions: map[uint64]oracle.Transaction{}}}
	w.load, w.conn = pgtest.Connect(t, w.url), pgtest.Connect(t, w.url)
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

// start starts the daemon.
func (w *world) start() {
	w.t.Helper()
	d := exec.Command(binary, append([]string{
		"serve", "--http.addr=127.0.0.1:0", "--admin.addr=127.0.0.1:0", "--log.format=json", "--heartbeat.interval=1s", "--shutdown.spread=100ms",
	}, w.settings...)...)
	d.Env = []string{"DATABASE_URL=" + pgtest.Daemon(w.t, w.url)}
	log, err := d.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.stop = sync.OnceFunc(func() {
		_ = d.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, log)
		if err := d.Wait(); err != nil {
			w.t.Errorf("the daemon ended with %v", err)
		}
	})
	var said struct{ Msg, HTTP, Admin string }
	for lines := bufio.NewScanner(log); said.Msg != "ready" && lines.Scan(); {
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			w.t.Errorf("the daemon says %q", lines.Text())
		}
	}
	if said.Msg != "ready" {
		w.stop()
		w.t.Fatal("the daemon does not start")
	}
	w.addr.Store(&said.HTTP)
	w.admin = said.Admin
}

// metric is one of the daemon's figures.
func (w *world) metric(name string) (count int) {
	w.t.Helper()
	response, err := http.Get("http://" + w.admin + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // what was needed is read
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), name+" %d", &count); err == nil {
			http.DefaultClient.CloseIdleConnections()
			return count
		}
	}
	w.t.Fatalf("there is no metric %s", name)
	return 0
}

// client runs a client until the test ends.
func (w *world) client(kind oracle.Kind, seed uint64, set func(*Client)) *Client {
	w.t.Helper()
	c := New(Options{
		Name: fmt.Sprintf("%s %d", kind, seed), Kind: kind, Topics: topics, Seed: seed,
		Where: func() string { return *w.addr.Load() },
		Fetch: w.fetch,
	})
	if set != nil {
		set(c)
	}
	w.clients = append(w.clients, c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); c.Run(ctx) }()
	w.t.Cleanup(func() { cancel(); <-ended })
	return c
}

func (w *world) fetch(ctx context.Context) (oracle.Snapshot, error) {
	w.fetching.Lock()
	defer w.fetching.Unlock()
	var text string
	if err := w.conn.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&text); err != nil {
		return oracle.Snapshot{}, err
	}
	return oracle.ParseSnapshot(text)
}

// write inserts a row and notes that it is owed.
func (w *world) write(content string) (key string, xid uint64) {
	w.t.Helper()
	n := len(w.truth.Owed)
	name, topic := fmt.Sprintf("m%d", n), n%2+1
	var began, id string
	w.transaction(func(tx pgx.Tx) error {
		if err := tx.QueryRow(w.t.Context(), "SELECT pg_current_xact_id()::text::bigint, pg_current_snapshot()::text, set_config('rowcast.mutation_id', $1, true)", name).
			Scan(&xid, &began, nil); err != nil {
			return err
		}
		return tx.QueryRow(w.t.Context(), "INSERT INTO messages (topic_id, content) VALUES ($1, $2) RETURNING id::text", topic, content).Scan(&id)
	})
	key = name + "/message_created/" + id
	w.owe(began, oracle.Owed{
		XID: xid, Key: key, Topics: []string{fmt.Sprintf("topic_%d", topic), "messages"}, Row: "messages/" + id, Version: 1, Value: content,
	})
	return key, xid
}

func (w *world) transaction(do func(pgx.Tx) error) {
	w.t.Helper()
	if err := pgx.BeginFunc(w.t.Context(), w.load, do); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) owe(began string, o oracle.Owed) {
	w.t.Helper()
	snapshot, err := oracle.ParseSnapshot(began)
	if err != nil {
		w.t.Fatal(err)
	}
	w.truth.Transactions[o.XID] = oracle.Transaction{XID: o.XID, Began: snapshot}
	w.truth.Owed = append(w.truth.Owed, o)
}

// writeUntil writes small rows until something is so.
func (w *world) writeUntil(what string, done func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !done(); w.write("small") {
		if time.Now().After(end) {
			w.t.Fatalf("waiting for %s: it never came", what)
		}
	}
}

// writeUntilReady writes until all clients are in their topics.
func (w *world) writeUntilReady() {
	w.t.Helper()
	for _, c := range w.clients {
		w.writeUntil(c.o.Name+" in its topics", func() bool { return closed(c.Ready()) })
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// judge has the clients settle, sends them one last event in each topic, and
// judges when they have got it.
func (w *world) judge(b oracle.Budget) oracle.Verdict {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for _, c := range w.clients {
		if err := c.Settle(ctx); err != nil {
			w.t.Fatalf("%s does not settle: %v", c.o.Name, err)
		}
	}
	for range 2 {
		key, xid := w.write("fin")
		for _, c := range w.clients {
			w.through(ctx, c, key, xid)
		}
	}
	var journals []*oracle.Journal
	for _, c := range w.clients {
		journals = append(journals, c.Journal())
	}
	v := oracle.Judge(w.truth, journals, b)
	for _, violation := range v.Violations {
		w.t.Errorf("%+v", violation)
	}
	if v.Owed < len(w.clients) {
		w.t.Errorf("only %d events were owed", v.Owed)
	}
	return v
}

func (w *world) through(ctx context.Context, c *Client, key string, xid uint64) {
	w.t.Helper()
	topics := w.truth.Owed[len(w.truth.Owed)-1].Topics[:1] // nobody is in messages
	for {
		changed := c.Journal().Changed()
		if c.Journal().Through(key, xid, topics) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			w.t.Fatalf("%s does not come through; its connections ended so: %v", c.o.Name, c.Journal().Ends())
		}
	}
}

// tap puts a relay before the daemon that counts what it sends.
func (w *world) tap(needles ...string) map[string]*atomic.Int64 {
	w.t.Helper()
	counts := map[string]*atomic.Int64{}
	for _, n := range needles {
		counts[n] = new(atomic.Int64)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	daemon := *w.addr.Load()
	addr := l.Addr().String()
	w.addr.Store(&addr)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", daemon)
			if err != nil {
				_ = client.Close()
				continue
			}
			running.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
			running.Go(func() { _, _ = io.Copy(counter{client, counts}, server); _ = client.Close() })
		}
	})
	w.t.Cleanup(func() { _ = l.Close(); running.Wait() })
	return counts
}

// counter counts what is written whole.
type counter struct {
	net.Conn
	counts map[string]*atomic.Int64
}

func (c counter) Write(p []byte) (int, error) {
	for needle, n := range c.counts {
		n.Add(int64(bytes.Count(p, []byte(needle))))
	}
	return c.Conn.Write(p)
}
