package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"

	"rowcast/bench/load"
	"rowcast/internal/pgtemp"
	"rowcast/migrations"
)

const (
	crowdMost = 5 * time.Second // until the last one of a crowd is live

	others = 10                    // clients that are there already, in one room
	every  = 10 * time.Millisecond // an event comes for them
	quiet  = 3 * time.Second       // is measured before the storm
	early  = time.Second           // is not: nobody is warm yet

	// statementsMost are what the daemon asks by itself in the time of a storm: its
	// canary goes the whole road.
	statementsMost = 30
)

// storm prints what it takes a daemon to have many clients come at once, and what
// those notice who are there.
func (b *bench) storm(ctx context.Context, w io.Writer) error {
	if err := enoughFiles(b.o.Clients + others); err != nil {
		return err
	}
	db, err := b.postgres(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	t := table{title: fmt.Sprintf("Connect storm: %d clients of rowcast.v1 at once, each joins a room; COMMIT → client of %d others, one event each %v", b.o.Clients, others, every)}
	t.add("clients", "while", "half are live after", "all", "server's CPU for each", "statements", "others' p50 quiet", "p99", "p50 in the storm", "p99")
	must := newTargets()
	for _, resume := range []bool{false, true} {
		for _, busy := range []bool{false, true} {
			b.progress("storm: with cursors %t, others %t", resume, busy)
			r, err := newStorm(ctx, db, b.o.Clients, resume, busy)
			if err != nil {
				return err
			}
			r.tell(&t, must)
		}
	}
	if err := t.print(w); err != nil {
		return err
	}
	return must.print(w)
}

// postgres starts a throw-away Postgres with the schema installed.
func (b *bench) postgres(ctx context.Context) (*pgtemp.Cluster, error) {
	db, err := pgtemp.Start(ctx, pgtemp.Options{BinDir: b.o.BinDir, Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		return nil, err
	}
	if err := migrations.Up(ctx, db.URL("postgres"), migrations.Options{}); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// stormResult is what a storm was like.
type stormResult struct {
	crowd        int
	resume, busy bool
	half, all    time.Duration
	cpu          time.Duration // each
	statements   int
	quiet, storm []time.Duration // of the others' events, ascending
}

func (r *stormResult) tell(t *table, must *targets) {
	what := "new"
	if r.resume {
		what = "with cursors, missed an event each"
	}
	row := []string{what, "nobody writes", seconds(r.half), seconds(r.all), figure("%.0f µs", micro(r.cpu)), fmt.Sprint(r.statements), "–", "–", "–", "–"}
	if r.busy {
		row[1] = "others are sent events"
		row[5] = "–" // the events' own
		row = append(row[:6], micros(at(r.quiet, 50)), micros(at(r.quiet, 99)), micros(at(r.storm, 50)), micros(at(r.storm, 99)))
	} else {
		must.add(fmt.Sprintf("%d clients at once (%s): all live within %v", r.crowd, what, crowdMost), seconds(r.all), r.all <= crowdMost)
		must.add(fmt.Sprintf("no query to Postgres for them (%s); the canary's are up to %d", what, statementsMost), fmt.Sprint(r.statements), r.statements <= statementsMost)
	}
	t.add(row...)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// at returns a percentile of what is sorted.
func at(d []time.Duration, percent int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[(len(d)-1)*percent/100]
}

// newStorm has a storm over a daemon of its own.
func newStorm(ctx context.Context, db *pgtemp.Cluster, crowd int, resume, busy bool) (r *stormResult, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r = &stormResult{crowd: crowd, resume: resume, busy: busy}
	conn, err := pgx.Connect(ctx, db.URL("postgres"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s, err := startServer(ctx, daemon, logged(db.URL("postgres")))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	clients, err := load.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, clients.Close()) }()

	dial := load.Dial{
		Address: s.addr, Paths: []string{"/ws"}, Protocol: "rowcast.v1", Say: roomPaths(`{"type":"join","ref":1,"topics":["room_%d"]}`),
		Controls: 2, Connections: crowd, AtOnce: crowd,
	}
	if resume {
		cursor, err := cursorOf(ctx, s.addr)
		if err != nil {
			return nil, err
		}
		dial.Say = roomPaths(`{"type":"join","ref":1,"topics":["room_%d"],"since":"` + cursor + `"}`)
		if _, err := conn.Exec(ctx, "SELECT rowcast.emit('missed', '{}', ARRAY['room_' || i]) FROM generate_series(0, $1) i", someRooms-1); err != nil {
			return nil, err
		}
	}
	var paced *pacer
	if busy {
		if paced, err = startPacer(ctx, conn, s.addr); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, paced.close()) }()
	}
	if err := pass(ctx, early); err != nil { // also for the events that were missed
		return nil, err
	}
	if busy {
		if err := pass(ctx, quiet); err != nil {
			return nil, err
		}
	}

	asked, err := statements(db)
	if err != nil {
		return nil, err
	}
	used, err := s.usage()
	if err != nil {
		return nil, err
	}
	began := load.Now()
	g, err := clients.Dial(dial)
	if err != nil {
		return nil, err
	}
	ended := load.Now()
	now, err := statements(db)
	if err != nil {
		return nil, err
	}
	r.statements = now - asked
	r.half, r.all = at(g.Live, 50), g.Took
	if busy {
		if err := paced.stop(); err != nil {
			return nil, err
		}
		r.quiet, r.storm, err = paced.delays(began-quiet, began, ended)
		if err != nil {
			return nil, err
		}
	}
	after, err := s.usage()
	r.cpu = (after.CPU - used.CPU) / time.Duration(crowd)
	return r, errors.Join(err, g.Close())
}

func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// logged is the URL of a server that logs each statement of whoever connects by it.
func logged(url string) string {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	return url + separator + "log_statement=all"
}

// statements are those that have been logged so far. Nothing counts more honestly:
// pg_stat_database is late.
func statements(db *pgtemp.Cluster) (count int, err error) {
	log, err := os.Open(filepath.Join(db.Dir(), "postgres.log"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }() // it was read only
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if _, said, found := strings.Cut(lines.Text(), "LOG:  "); found && (strings.HasPrefix(said, "statement: ") || strings.HasPrefix(said, "execute ")) {
			count++
		}
	}
	return count, lines.Err()
}

// cursorOf returns the cursor with which a daemon welcomes.
func cursorOf(ctx context.Context, addr string) (string, error) {
	ws, _, err := websocket.Dial(ctx, "ws://"+addr+"/ws", &websocket.DialOptions{Subprotocols: []string{"rowcast.v1"}}) //nolint:bodyclose // nil or the connection's own
	if err != nil {
		return "", err
	}
	defer func() { _ = ws.CloseNow() }()
	_, data, err := ws.Read(ctx)
	if err != nil {
		return "", err
	}
	var welcome struct{ Payload struct{ Cursor string } }
	err = json.Unmarshal(data, &welcome)
	return welcome.Payload.Cursor, err
}

// pacer writes an event now and then for a few clients, and knows when each came.
type pacer struct {
	client    *load.Client
	group     *load.Group
	cancel    context.CancelFunc
	ended     chan error
	published []time.Duration
}

func startPacer(ctx context.Context, conn *pgx.Conn, addr string) (*pacer, error) {
	client, err := load.Start(ctx)
	if err != nil {
		return nil, err
	}
	p := &pacer{client: client, ended: make(chan error, 1)}
	if p.group, err = client.Dial(load.Dial{Address: addr, Paths: []string{"/ws?topics=paced"}, Connections: others, Times: true}); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	ctx, p.cancel = context.WithCancel(ctx)
	go func() { p.ended <- p.run(ctx, conn) }()
	return p, nil
}

func (p *pacer) run(ctx context.Context, conn *pgx.Conn) error {
	pace := time.NewTicker(every)
	defer pace.Stop()
	always := context.WithoutCancel(ctx) // or an event might be sent that was not noted
	for {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil
		}
		p.published = append(p.published, load.Now())
		if _, err := conn.Exec(always, "SELECT rowcast.emit('paced', '{}', ARRAY['paced'])"); err != nil {
			return err
		}
	}
}

// stop returns when nothing is published any more and everybody has everything.
func (p *pacer) stop() error {
	p.cancel()
	if err := <-p.ended; err != nil {
		return err
	}
	if err := p.group.Expect(len(p.published), 1); err != nil {
		return err
	}
	return p.group.Wait()
}

// delays are those of the events that were published in the two stretches.
func (p *pacer) delays(from, storm, end time.Duration) (before, during []time.Duration, err error) {
	arrivals, err := p.group.Arrivals()
	if err != nil {
		return nil, nil, err
	}
	for _, times := range arrivals {
		for i, published := range p.published {
			switch delay := times[i] - published; {
			case published < from || published >= end:
			case published < storm:
				before = append(before, delay)
			default:
				during = append(during, delay)
			}
		}
	}
	slices.Sort(before)
	slices.Sort(during)
	return before, during, nil
}

func (p *pacer) close() error {
	p.cancel()
	return p.client.Close()
}
