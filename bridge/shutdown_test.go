package bridge

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"
)

// received is what a client got until its connection ended.
type received struct {
	ids   map[string]int // of events, how often each
	final frame          // the last frame
}

// drainAll reads until the end.
func (c *client) drainAll() received {
	o := received{ids: map[string]int{}}
	for f := range c.frames {
		switch {
		case f.ID != "":
			o.ids[f.ID]++
			c.cursor = f.Cursor
		case f.Type == "$ping" || f.Type == "$joined":
			c.cursor = f.Payload.Cursor
		}
		o.final = f
	}
	return o
}

// A transaction that is being read at SIGTERM: what the hub had by then is sent
// before the connections are closed, and the rest to who comes back.
func TestShutdown_batch_in_hand(t *testing.T) {
	t.Parallel()
	const rows = 10_000
	url, conn := application(t)
	roomy := func(o *Options) {
		o.TransactionEvents, o.Hub.ReplayBytes, o.Hub.HistoryBytes = 2*rows, 1<<30, 1<<30
	}
	d := launch(t, url, roomy)
	library := dial(t, d.http, "")
	library.join("topic_7", "")
	kinds := map[string]*client{
		"library": library, "plain": dial(t, d.http, "topics=topic_7"), "sse": stream(t, d.http, "topics=topic_7"),
	}
	first := map[string]received{}
	var mu sync.Mutex
	var reading sync.WaitGroup
	for kind, c := range kinds {
		reading.Go(func() {
			o := c.drainAll()
			mu.Lock()
			defer mu.Unlock()
			first[kind] = o
		})
	}
	exec(t, conn, fmt.Sprintf(`INSERT INTO messages (topic_id) SELECT 7 FROM generate_series(1, %d)`, rows))
	poll(t, func() bool { return d.hub.Stats().Published > 0 })
	if err := d.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	reading.Wait()
	handed := int(d.hub.Stats().Published)
	t.Logf("%d of %d rows were handed on", handed, rows)
	if f := first["library"].final; f.Type != "$bye" || f.Payload.Code != 1012. {
		t.Errorf("the library's last frame: %v", f)
	}
	for kind, c := range kinds {
		if n := len(first[kind].ids); n != handed {
			t.Errorf("%s got %d events of %d", kind, n, handed)
		}
		for id, n := range first[kind].ids {
			if n > 1 {
				t.Errorf("%s got %s %d times", kind, id, n)
			}
		}
		if code := websocket.CloseStatus(c.end); c.conn != nil && code != websocket.StatusServiceRestart {
			t.Errorf("%s: %v", kind, c.end)
		}
	}

	again := launch(t, url, roomy)
	for kind, c := range kinds {
		var back *client
		switch kind {
		case "library":
			back = dial(t, again.http, "")
			back.send(map[string]any{"type": "join", "ref": 1, "topics": []string{"topic_7"}, "since": c.cursor})
		case "plain":
			back = dial(t, again.http, "topics=topic_7&since="+c.cursor)
		case "sse":
			back = stream(t, again.http, "topics=topic_7&since="+c.cursor)
		}
		exec(t, conn, fmt.Sprintf(`SELECT rowcast.emit('fin', '{"to":%q}', '{topic_7}')`, kind))
		ids := first[kind].ids
		for f := back.next(); f.Type != "fin"; f = back.next() {
			if f.ID != "" {
				ids[f.ID]++
			}
			if f.Type == "$resync" || f.Type == "$error" {
				t.Fatalf("%s: %v", kind, f)
			}
		}
		if len(ids) != rows {
			t.Errorf("%s has %d rows of %d", kind, len(ids), rows)
		}
		for id, n := range ids {
			if n > 2 {
				t.Errorf("%s got %s %d times", kind, id, n)
			}
		}
		back.close()
	}
}

// One that never reads holds nobody up, and the exit no longer than is allowed. Who
// comes meanwhile is told to go elsewhere.
func TestShutdown_deaf(t *testing.T) {
	t.Parallel()
	const allowed = 3 * time.Second
	url, conn := application(t)
	d := launch(t, url, func(o *Options) {
		o.ShutdownTimeout = allowed
		o.WS.WriteTimeout, o.SSE.WriteTimeout = time.Hour, time.Hour
	})
	for _, ask := range []string{"GET /sse?topics=topic_7 HTTP/1.1\r\nHost: x\r\n\r\n", plainUpgrade} {
		deaf := reach(t, d.http)
		deaf.write([]byte(ask))
	}
	library := dial(t, d.http, "")
	library.join("topic_7", "")
	plain, sse := dial(t, d.http, "topics=topic_7"), stream(t, d.http, "topics=topic_7")
	poll(t, func() bool { return d.hub.Stats().Memberships == 5 })
	exec(t, conn, `INSERT INTO messages (topic_id, content) SELECT 7, repeat('x', 10000) FROM generate_series(1, 200)`)
	for _, c := range []*client{library, plain, sse} {
		for range 200 {
			c.want("message_created")
		}
	}

	begin := time.Now()
	d.stop()
	library.want("$bye")
	library.ended()
	plain.ended()
	sse.ended()
	if took := time.Since(begin); took > allowed/2 {
		t.Errorf("the others were held up for %v", took)
	}
	if c, res := knock(t, d.http, "topics=topic_7", nil); c != nil || res.StatusCode != 503 {
		t.Errorf("a newcomer got %v", res.Status)
	}
	late := stream(t, d.http, "topics=topic_7")
	if f := late.want("$error"); f.Payload.Code != "unavailable" {
		t.Errorf("a new stream got %v", f)
	}
	late.ended()
	err := d.end(t)
	if took := time.Since(begin); took < allowed/2 || took > allowed+closePatience {
		t.Errorf("it ended after %v", took)
	}
	if err == nil || !strings.Contains(err.Error(), "sessions") {
		t.Errorf("who was cut off is not told: %v", err)
	}
	d.done = make(chan error, 1) // judged here
	d.done <- nil
}

const plainUpgrade = "GET /ws?topics=topic_7 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// freezer leads to the database, until nothing comes through any more, and nothing
// is closed either.
type freezer struct {
	frozen chan struct{}
	ctx    context.Context //nolint:containedctx // the test's
	conns  sync.WaitGroup
}

func freezable(t *testing.T) *freezer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	f := &freezer{frozen: make(chan struct{}), ctx: ctx}
	t.Cleanup(func() {
		cancel()
		f.conns.Wait()
	})
	return f
}

// lead makes a daemon go through it.
func (f *freezer) lead(t *testing.T, o *Options) {
	t.Helper()
	config, err := pgx.ParseConfig(o.Source.URL)
	if err != nil {
		t.Fatal(err)
	}
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		there, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		ours, daemons := net.Pipe()
		f.conns.Go(func() { f.carry(there, ours) })
		f.conns.Go(func() { f.carry(ours, there) })
		return daemons, nil
	}
	o.Source.Config = config
}

// carry carries bytes until one end closes, or the freeze ends with the test.
func (f *freezer) carry(to, from net.Conn) {
	defer to.Close()   //nolint:errcheck // a proxy's end
	defer from.Close() //nolint:errcheck // a proxy's end
	stop := context.AfterFunc(f.ctx, func() { _ = from.Close() })
	defer stop()
	piece := make([]byte, 4<<10)
	for {
		n, err := from.Read(piece)
		select {
		case <-f.frozen:
			<-f.ctx.Done()
			return
		default:
		}
		if err != nil {
			return
		}
		if _, err := to.Write(piece[:n]); err != nil {
			return
		}
	}
}

// A database that answers no more keeps nobody from a proper end.
func TestShutdown_frozen(t *testing.T) {
	t.Parallel()
	const allowed = 10 * time.Second
	join := func(t *testing.T, c *client, topic, since string) {
		c.send(map[string]any{"type": "join", "ref": 1, "topics": []string{topic}, "since": since})
		c.send(map[string]any{"type": "ping", "ref": 2})
		c.want("$pong") // the join is being looked at, or will be
	}
	tests := map[string]struct {
		interval time.Duration
		open     bool // nobody is asked who may join
		before   func(t *testing.T, url string, conn *pgx.Conn, c *client)
		after    func(t *testing.T, url string, conn *pgx.Conn, c *client)
	}{
		"while it listens": {},
		"while it reads":   {interval: time.Millisecond},
		"while it is asked who somebody is": {
			after: func(t *testing.T, _ string, _ *pgx.Conn, c *client) {
				c.send(map[string]any{"type": "auth", "token": "s3cret"})
			},
		},
		"while it is asked who may join": {
			before: func(t *testing.T, _ string, _ *pgx.Conn, c *client) { join(t, c, "slow", "") },
		},
		"while a join waits to be read for": {
			open: true,
			after: func(t *testing.T, url string, conn *pgx.Conn, c *client) {
				ahead := dial(t, launch(t, url).http, "topics=topic_7")
				exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
				join(t, c, "topic_8", ahead.want("message_created").Cursor)
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, conn := application(t)
			exec(t, conn, private)
			f := freezable(t)
			d := launch(t, url, func(o *Options) {
				if !tt.open {
					asking(o)
				}
				f.lead(t, o)
				o.ShutdownTimeout, o.Functions.Timeout, o.Source.PollInterval = allowed, time.Minute, tt.interval
			})
			library := visit(t, d.http, "s3cret")
			library.join("topic_7", "")
			plain, _ := knock(t, d.http, "topics=topic_7", own(d))
			exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
			library.want("message_created")
			plain.want("message_created")
			if tt.before != nil {
				tt.before(t, url, conn, library)
			}
			close(f.frozen)
			if tt.after != nil {
				tt.after(t, url, conn, library)
			}
			begin := time.Now()
			if err := d.end(t); err != nil {
				t.Errorf("Run: %v\n%s", err, d.log)
			}
			if took := time.Since(begin); took > allowed/2 {
				t.Errorf("it took %v", took)
			}
			for f := library.next(); f.Type != "$bye"; f = library.next() { // an answer, perhaps
			}
			if code := library.ended(); code != websocket.StatusServiceRestart {
				t.Errorf("library: %v", library.end)
			}
			if code := plain.ended(); code != websocket.StatusServiceRestart {
				t.Errorf("plain: %v", plain.end)
			}
		})
	}
}

// own is what a page of the daemon's own sends along.
func own(d *running) http.Header {
	return http.Header{"Cookie": {"session=s3cret"}, "Origin": {"http://" + d.http}}
}
