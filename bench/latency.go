package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"
)

// roads are three tables whose rows travel three ways.
const roads = `
CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic_id int NOT NULL, content text NOT NULL);
CREATE TABLE shortest (LIKE bare INCLUDING ALL);
CREATE TABLE rowcast (LIKE bare INCLUDING ALL);

CREATE FUNCTION notify_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('bench_bare', row_to_json(NEW)::text);
  RETURN NULL;
END $$;
CREATE TRIGGER bare AFTER INSERT ON bare FOR EACH ROW EXECUTE FUNCTION notify_row();

CREATE FUNCTION notify_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('bench_shortest', '');
  RETURN NULL;
END $$;
CREATE TRIGGER shortest AFTER INSERT ON shortest FOR EACH ROW EXECUTE FUNCTION notify_wake();

SELECT rowcast.watch('rowcast', 'topic_id');`

// pause lies between two samples: long enough that nobody stays awake.
const pause = 30 * time.Millisecond

// road is one way from a committed row to a client.
type road struct {
	name    string
	table   string
	arrived <-chan time.Time
	samples []time.Duration // of the round
	p50     []time.Duration // of each round
	p99     []time.Duration
}

// latency prints how long a row takes from COMMIT to a client that sleeps.
func (b *bench) latency(ctx context.Context, w io.Writer) error {
	return b.on(ctx, w, map[string]string{"fsync": "off"}, roads, b.latencies)
}

func (b *bench) latencies(ctx context.Context, w io.Writer, cluster *cluster, conn *pgx.Conn) error {
	bare, err := cluster.listen(ctx, "bench_bare") // a client of Postgres itself
	if err != nil {
		return err
	}
	shortest, err := cluster.shortestRoad(ctx)
	if err != nil {
		return err
	}
	whole, err := cluster.receive(ctx, "ws://"+cluster.daemonAddr+"/ws?topics=topic_1")
	if err != nil {
		return err
	}
	all := []*road{
		{name: "bare LISTEN client, row in the payload", table: "bare", arrived: bare},
		{name: "shortest road: LISTEN, one SELECT, websocket.Write", table: "shortest", arrived: shortest},
		{name: "rowcast", table: "rowcast", arrived: whole},
	}
	for round := range b.o.Rounds {
		b.progress("latency: round %d of %d", round+1, b.o.Rounds)
		for range b.o.Samples {
			for _, r := range all {
				if err := r.sample(ctx, conn); err != nil {
					return fmt.Errorf("%s: %w", r.name, err)
				}
			}
		}
		for _, r := range all {
			slices.Sort(r.samples)
			r.p50 = append(r.p50, r.samples[len(r.samples)/2])
			r.p99 = append(r.p99, r.samples[len(r.samples)*99/100])
			r.samples = r.samples[:0]
		}
	}
	base := median(all[1].p50)
	t := table{title: fmt.Sprintf("Latency asleep: COMMIT sent → client has the row; median of %d rounds of %d samples", b.o.Rounds, b.o.Samples)}
	t.add("road", "p50", "p99", "p50 / shortest road")
	for _, r := range all {
		p50 := median(r.p50)
		t.add(r.name, micros(p50), micros(median(r.p99)), ratio(float64(p50), float64(base)))
	}
	return t.print(w)
}

// sample writes one row and waits until the road has brought it.
func (r *road) sample(ctx context.Context, conn *pgx.Conn) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO "+r.table+" (topic_id, content) VALUES (1, 'a message of an ordinary length')"); err != nil {
		return err
	}
	committed := time.Now()
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	lost := time.NewTimer(10 * time.Second)
	defer lost.Stop()
	select {
	case at := <-r.arrived:
		r.samples = append(r.samples, at.Sub(committed))
	case <-lost.C:
		return errors.New("the row did not arrive within 10 s")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shortestRoad is the least a server between Postgres and a browser can do.
func (c *cluster) shortestRoad(ctx context.Context) (<-chan time.Time, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN bench_shortest"); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	accepted := make(chan *websocket.Conn, 1)
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		accepted <- ws
	})}
	c.group.Go(func() { _ = srv.Serve(ln) }) // until it is closed
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	arrived, err := c.receive(ctx, "ws://"+ln.Addr().String())
	if err != nil {
		return nil, err
	}
	ws := <-accepted
	c.cleanup(func() { _ = ws.CloseNow() })
	c.group.Go(func() {
		last := int64(0)
		for {
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return
			}
			var row []byte
			if err := conn.QueryRow(ctx, "SELECT id, row_to_json(s.*) FROM shortest s WHERE id > $1 ORDER BY id DESC LIMIT 1", last).Scan(&last, &row); err != nil {
				return
			}
			if err := ws.Write(ctx, websocket.MessageText, row); err != nil {
				return
			}
		}
	})
	return arrived, nil
}

// receive is a WebSocket client that tells when each message came.
func (c *cluster) receive(ctx context.Context, url string) (<-chan time.Time, error) {
	ws, _, err := websocket.Dial(ctx, url, nil) //nolint:bodyclose // nil or the connection's own
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", url, err)
	}
	arrived := make(chan time.Time, 1)
	c.cleanup(func() { _ = ws.CloseNow() })
	c.group.Go(func() {
		for {
			if _, _, err := ws.Read(ctx); err != nil {
				return
			}
			note(arrived)
		}
	})
	return arrived, nil
}
