package rooms

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestCursors lets everything happen in any order: transactions, readings in
// pieces that break off, evictions, clients that join, leave, stall, lose their
// connection and come to the other instance, a crash, a restart. In the end every
// client knows what is committed: it was sent it, or told to fetch. Some take what they
// get themselves, some have an outlet, which may take it all, or be congested by chance
// or for long.
func TestCursors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			w := newWorld(t, false)
			defer w.close()
			t.Repeat(w.actions(true))
			w.settle(t)
		})
	})
}

// TestCursorsLoseNothing is the same where nothing is lost, in a database that
// does not crash: no client is told to fetch.
func TestCursorsLoseNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) {
			w := newWorld(t, true)
			defer w.close()
			t.Repeat(w.actions(false))
			w.settle(t)
		})
	})
}

// world is two instances on a database, and their clients.
type world struct {
	db        *database
	instances []*instance
	clients   []*client
}

func newWorld(t *rapid.T, roomy bool) *world {
	w := &world{db: &database{next: 1, undone: map[uint64]bool{}}}
	o := Options{
		HistoryBytes: int64(rapid.IntRange(300, 6000).Draw(t, "history")),
		HistoryAge:   time.Duration(rapid.IntRange(1, 60).Draw(t, "age")) * time.Millisecond,
		Lookback:     time.Hour,
		QueueBytes:   int64(rapid.IntRange(1, 600).Draw(t, "queue")),
		Heartbeat:    10 * time.Millisecond,
	}
	if roomy {
		o.HistoryBytes, o.HistoryAge = 1<<20, 24*time.Hour
	}
	ledger := anyLedger
	if rapid.Bool().Draw(t, "forgetful") {
		ledger = roomFor(rapid.IntRange(1, 4).Draw(t, "ledger"))
	}
	for range 2 {
		i := &instance{db: w.db, options: o, ledger: ledger}
		i.start(0)
		w.instances = append(w.instances, i)
	}
	for n := range 3 {
		c := &client{name: string(rune('A' + n)), db: w.db, level: Library, eager: n == 0, strict: roomy, wants: map[string]*want{}}
		c.subject = rapid.SampledFrom([]string{"ann", "bob", ""}).Draw(t, "subject")
		c.guarded = rapid.IntRange(0, 3).Draw(t, "guarded") > 0
		if n == 2 {
			c.level = Stream
			c.wants["a"] = &want{known: map[uint64]bool{}}
			c.wants["b"] = &want{known: map[uint64]bool{}}
		}
		w.clients = append(w.clients, c)
	}
	return w
}

func (w *world) close() {
	for _, c := range w.clients {
		if c.conn != nil {
			c.disconnect()
		}
		for _, wire := range c.past {
			for synctest.Wait(); wire.await(); synctest.Wait() {
			}
			if _, ended := wire.take(); ended == nil {
				wire.t.Errorf("%s: an outlet did not end", c.name)
			}
		}
	}
}

func (w *world) actions(faults bool) map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"write":      w.write,
		"end":        w.end,
		"change":     w.change,
		"hand on":    w.handOn,
		"break off":  w.breakOff,
		"away":       w.away,
		"connect":    w.connect,
		"disconnect": w.disconnect,
		"join":       w.join,
		"join again": w.joinAgain,
		"judge":      w.judge,
		"leave":      w.leave,
		"read":       w.read,
		"read more":  w.read,
		"wait":       w.wait,
		"restart":    func(t *rapid.T) { w.restart(t, !faults) },
	}
	if faults {
		actions["crash"] = func(t *rapid.T) {
			if once(t, 20) {
				w.db.crash()
			}
		}
	}
	return actions
}

// once is true one time in n.
func once(t *rapid.T, n int) bool { return rapid.IntRange(1, n).Draw(t, "once in") == n }

func (w *world) write(t *rapid.T) {
	if len(w.db.running) == 0 || rapid.IntRange(0, 2).Draw(t, "begin") == 0 {
		w.db.begin()
	}
	w.rows(t, rapid.SampledFrom(w.db.running).Draw(t, "xid"))
}

func (w *world) rows(t *rapid.T, xid uint64) {
	for range rapid.IntRange(1, 4).Draw(t, "rows") {
		topics := rapid.SampledFrom([][]string{{"a"}, {"b"}, {"c"}, {"a", "b"}, {"b", "c"}, {"x"}}).Draw(t, "topics")
		w.db.write(xid, row{topics: topics})
		if rapid.IntRange(0, 5).Draw(t, "access") == 0 {
			w.access(t, xid)
		}
	}
	// Where no $resync may come from anywhere, the log holds none.
	if !w.clients[0].strict && rapid.IntRange(0, 7).Draw(t, "bulk") == 0 {
		w.db.write(xid, row{reason: Bulk, topics: rapid.SampledFrom([][]string{{"a"}, {"*"}}).Draw(t, "pattern")})
	}
}

// access changes somebody's access.
func (w *world) access(t *rapid.T, xid uint64) {
	a := &Access{Effect: rapid.SampledFrom([]Effect{Granted, Revoked, Revoked, Revoked, Unknown}).Draw(t, "effect")}
	a.Everyone = rapid.IntRange(0, 3).Draw(t, "everyone") == 0
	if !a.Everyone {
		a.Subject = rapid.SampledFrom([]string{"ann", "bob", ""}).Draw(t, "subject")
	}
	w.db.write(xid, row{access: a, topics: rapid.SampledFrom([][]string{{"a"}, {"b"}, {"a", "c"}, {"*"}}).Draw(t, "topics")})
}

// judge decides now what a client may join later.
func (w *world) judge(t *rapid.T) {
	if c := w.connected(t); c.conn != nil {
		c.conn.tenure.judge()
	}
}

func (w *world) end(t *rapid.T) {
	if len(w.db.running) > 0 {
		w.db.end(rapid.SampledFrom(w.db.running).Draw(t, "xid"), rapid.IntRange(0, 5).Draw(t, "undo") == 0)
	}
}

// change is a transaction that an instance sees at once.
func (w *world) change(t *rapid.T) {
	w.db.begin()
	xid := w.db.next - 1
	w.rows(t, xid)
	w.db.end(xid, false)
	if i := w.instance(t); !i.away {
		_ = i.refresh()
	}
}

func (w *world) instance(t *rapid.T) *instance {
	return w.instances[rapid.IntRange(0, 1).Draw(t, "instance")]
}

func (w *world) handOn(t *rapid.T) {
	i := w.instance(t)
	if i.reading == nil || i.epoch != w.db.epoch {
		i.look()
	}
	if i.reading != nil {
		i.handOn(rapid.IntRange(1, 4).Draw(t, "rows"))
	}
}

func (w *world) breakOff(t *rapid.T) {
	w.instance(t).reading = nil
}

func (w *world) away(t *rapid.T) {
	w.instance(t).away = once(t, 3)
}

// restart makes an instance begin anew with some of the log, or with all.
func (w *world) restart(t *rapid.T, all bool) {
	i := w.instance(t)
	if !once(t, 5) {
		return
	}
	for _, c := range w.clients {
		if c.conn != nil && c.conn.instance == i {
			c.disconnect()
		}
	}
	oldest := uint64(0)
	if !all {
		oldest = rapid.Uint64Range(0, w.db.next).Draw(t, "oldest")
	}
	i.start(oldest)
}

func (w *world) client(t *rapid.T) *client {
	return w.clients[rapid.IntRange(0, 2).Draw(t, "client")]
}

// connected is a client with a connection, if that did not end at once.
func (w *world) connected(t *rapid.T) *client {
	c := w.client(t)
	if c.conn == nil {
		c.connect(t, w.instance(t))
	}
	return c
}

func (w *world) connect(t *rapid.T) {
	for _, c := range w.clients {
		if c.conn == nil {
			c.connect(t, w.instance(t))
		}
	}
}

func (w *world) disconnect(t *rapid.T) {
	if c := w.client(t); c.conn != nil {
		c.disconnect()
	}
}

func (w *world) topic(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "topic")
}

// join wants a topic more, in one of the three ways.
func (w *world) join(t *rapid.T) {
	c, topic := w.connected(t), w.topic(t)
	if c.level == Stream || c.conn == nil {
		return
	}
	switch got := c.wants[topic]; {
	case got == nil:
	case got.out && got.joined: // left, and did not hear it yet
		c.join(t, topic)
		return
	case got.joined || got.requests > 0:
		return
	case !got.out || rapid.Bool().Draw(t, "goes on"):
		c.join(t, topic) // it was refused, left, or waits to be asked for
		return
	}
	n := &want{known: map[uint64]bool{}}
	c.wants[topic] = n
	switch rapid.SampledFrom([]string{"plain", "since", "lookback"}).Draw(t, "way") {
	case "since":
		n.since = c.conn.instance.hub.Cursor()
		c.fetch(topic)
	case "lookback":
		if c.strict {
			break // an instance that began a moment ago has lost, rightly
		}
		n.look = new(time.Now())
		c.fetch(topic)
	}
	if rapid.Bool().Draw(t, "at once") {
		c.join(t, topic)
	}
}

// joinAgain asks for a replay of a topic that is joined.
func (w *world) joinAgain(t *rapid.T) {
	c, topic := w.connected(t), w.topic(t)
	got := c.wants[topic]
	if c.level == Stream || c.conn == nil || got == nil || !got.joined || got.since == "" {
		return
	}
	c.join(t, topic)
}

func (w *world) leave(t *rapid.T) {
	if c := w.client(t); c.level != Stream {
		c.leave(rapid.SampledFrom([][]string{{"a"}, {"b"}, {"c"}, {"a", "b"}, {"a", "b", "c"}}).Draw(t, "topics")...)
	}
}

func (w *world) read(t *rapid.T) {
	c := w.connected(t)
	if c.conn != nil && rapid.Bool().Draw(t, "receive") {
		c.receive(t)
	}
	c.read(t, rapid.IntRange(0, 5).Draw(t, "frames"))
}

func (w *world) wait(t *rapid.T) {
	<-time.After(time.Duration(rapid.IntRange(1, 20).Draw(t, "ms")) * time.Millisecond)
	for _, i := range w.instances {
		i.hub.sweep()
	}
}

// settle lets everything come to its end, and judges.
func (w *world) settle(t *rapid.T) {
	for _, xid := range slices.Clone(w.db.running) {
		w.db.end(xid, false)
	}
	for _, i := range w.instances {
		i.away = false
		if err := i.refresh(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range w.clients {
		c.read(t, 1<<30)
		for c.conn == nil { // it was sent away, or loses the connection by what it comes upon
			c.connect(t, w.instance(t))
			c.read(t, 1<<30)
		}
		c.conn.tenure.verdict = nil
		for _, topic := range slices.Sorted(maps.Keys(c.wants)) {
			if want := c.wants[topic]; !want.joined && want.requests == 0 {
				c.join(t, topic)
			}
		}
		c.read(t, 1<<30)
		if c.unanswered() {
			t.Fatal("a join without an answer")
		}
		c.conn.tenure.over(t, nil)
		for topic, want := range c.wants {
			for _, r := range w.db.committed(topic) {
				if !want.known[r.id] {
					t.Fatalf("%s skipped row %d of %q", c.name, r.id, topic)
				}
			}
		}
	}
}
