package oracle

import (
	"fmt"
	"slices"
	"strconv"

	"pgregory.net/rapid"
)

// world is what the judge judges, in small: a database, a daemon that does what
// docs/protocol.md says and has endless queues, and careful clients.
type world struct {
	next    uint64 // transaction id
	running []*transaction
	number  int64 // of the next change
	rows    map[string]*row
	truth   Truth
	unread  []int // committed, not published; numbers of truth.Owed
	log     []int // published
	clients []*client
}

type transaction struct {
	Transaction
	writes []Owed
	locked []*row
}

type row struct {
	name  string
	topic string
	by    *transaction // who has it locked
}

var worldTopics = []string{"t0", "t1", "t2"}

func newWorld(t *rapid.T) *world {
	w := &world{next: 3, rows: map[string]*row{}, truth: Truth{Transactions: map[uint64]Transaction{}}}
	for n := range 3 {
		name := fmt.Sprintf("messages/%d", n)
		w.rows[name] = &row{name: name, topic: worldTopics[n]}
	}
	for n, kind := range []Kind{Library, Library, Plain, Stream} {
		c := &client{world: w, library: kind == Library, journal: NewJournal(strconv.Itoa(n), kind), since: map[string]int{}, cursor: -1}
		c.topics = rapid.SampledFrom([][]string{{"t0"}, {"t0", "t1"}, {"t1", "all"}, worldTopics}).Draw(t, "topics")
		w.clients = append(w.clients, c)
	}
	return w
}

func (w *world) snapshot() Snapshot {
	s := Snapshot{xmin: w.next, xmax: w.next}
	for _, tx := range w.running {
		s.running = append(s.running, tx.XID)
	}
	slices.Sort(s.running)
	if len(s.running) > 0 {
		s.xmin = s.running[0]
	}
	return s
}

func (w *world) begin(*rapid.T) {
	if len(w.running) < 4 {
		w.running = append(w.running, &transaction{Transaction: Transaction{w.next, w.snapshot()}})
		w.next++
	}
}

func (w *world) write(t *rapid.T) {
	if len(w.running) == 0 {
		return
	}
	tx := rapid.SampledFrom(w.running).Draw(t, "transaction")
	id := fmt.Sprintf("m%d", w.number)
	switch rapid.IntRange(0, 9).Draw(t, "statement") {
	case 0:
		tx.add(w, Owed{Key: id + "/bulk/", Notice: true, Topics: rapid.SampledFrom([][]string{{"t*"}, {"t1"}, {"*"}}).Draw(t, "patterns")})
	case 1, 2:
		tx.add(w, Owed{Key: id + "/note/", Value: id, Topics: []string{rapid.SampledFrom(worldTopics).Draw(t, "topic"), "all"}})
	default:
		var names []string
		for name := range w.rows {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names[:rapid.IntRange(1, len(names)).Draw(t, "rows")] {
			w.update(tx, id, w.rows[name], rapid.SampledFrom(worldTopics).Draw(t, "topic"))
		}
	}
}

// update writes a row, unless another transaction does.
func (w *world) update(tx *transaction, id string, r *row, topic string) {
	if r.by != nil && r.by != tx {
		return
	}
	r.by = tx
	tx.locked = append(tx.locked, r)
	version := w.number
	if r.topic != topic {
		tx.add(w, Owed{Key: id + "/message_deleted/" + r.name, Row: r.name, Version: version, Topics: []string{r.topic}})
		r.topic = topic // also if it is rolled back: nobody here cares
	}
	tx.add(w, Owed{Key: id + "/message_updated/" + r.name, Row: r.name, Version: version, Topics: []string{topic, "all"}, Value: id})
}

func (tx *transaction) add(w *world, o Owed) {
	o.XID, o.Order = tx.XID, w.number
	w.number++
	tx.writes = append(tx.writes, o)
}

func (w *world) end(t *rapid.T) {
	if len(w.running) == 0 {
		return
	}
	n := rapid.IntRange(0, len(w.running)-1).Draw(t, "transaction")
	tx := w.running[n]
	w.running = slices.Delete(w.running, n, n+1)
	for _, r := range tx.locked {
		r.by = nil
	}
	if rapid.IntRange(0, 5).Draw(t, "undo") == 0 {
		return
	}
	w.truth.Transactions[tx.XID] = tx.Transaction
	for _, o := range tx.writes {
		w.unread = append(w.unread, len(w.truth.Owed))
		w.truth.Owed = append(w.truth.Owed, o)
	}
}

// publish is one reading of the log.
func (w *world) publish(*rapid.T) {
	slices.SortFunc(w.unread, func(a, b int) int { return int(w.truth.Owed[a].Order - w.truth.Owed[b].Order) })
	for _, n := range w.unread {
		w.log = append(w.log, n)
		for _, c := range w.clients {
			if c.connected {
				c.queue = append(c.queue, c.frames(n, len(w.log), c.in)...)
			}
		}
	}
	w.unread = nil
}

func (w *world) client(t *rapid.T) *client { return rapid.SampledFrom(w.clients).Draw(t, "client") }

func (w *world) actions() map[string]func(*rapid.T) {
	do := func(f func(*client, *rapid.T)) func(*rapid.T) { return func(t *rapid.T) { f(w.client(t), t) } }
	return map[string]func(*rapid.T){
		"begin": w.begin, "write": w.write, "write more": w.write, "end": w.end, "publish": w.publish,
		"connect": do((*client).connect), "cut": do((*client).cut), "read": do((*client).read), "read more": do((*client).read),
		"leave": do((*client).leave), "join": do((*client).joinAgain), "overflow": do((*client).overflow),
	}
}

// settle brings everything that is committed to everybody.
func (w *world) settle(t *rapid.T) {
	for len(w.running) > 0 {
		w.end(t)
	}
	w.publish(t)
	for _, c := range w.clients {
		c.readAll()
		c.connect(t)
		c.joinAgain(t)
		c.readAll()
	}
}

// frame is something that waits in a connection's queue.
type frame struct {
	act       act
	n         int // event: of the truth
	cursor    int // how much of the log the client has with it
	topics    []string
	reason    string
	replayed  int
	recovered *bool
}

type client struct {
	*world
	library bool
	journal *Journal
	topics  []string // that it wants

	connected bool
	queue     []frame
	in        []string // as the daemon sees it
	cursor    int      // -1: none yet
	asks      int      // without an answer
	leaving   bool
	since     map[string]int // of topics that are not joined, or being joined: where to go on; -1: nowhere
	debts     []string
}

// frames are what an item of the log is for somebody in these topics.
func (c *client) frames(n, cursor int, topics []string) []frame {
	o := c.truth.Owed[n]
	mine := slices.DeleteFunc(slices.Clone(topics), func(topic string) bool {
		return !slices.ContainsFunc(o.Topics, func(p string) bool { return matches(p, topic) })
	})
	switch {
	case len(mine) == 0:
		return nil
	case o.Notice:
		return []frame{{act: resync, topics: mine, reason: "bulk", cursor: cursor}}
	}
	return []frame{{act: event, n: n, cursor: cursor}}
}

func (c *client) replay(since int, topics []string) (list []frame) {
	for i := since; i < len(c.log); i++ {
		list = append(list, c.frames(c.log[i], i+1, topics)...)
	}
	return list
}

func (c *client) connect(t *rapid.T) {
	if c.connected {
		return
	}
	c.connected, c.queue, c.in, c.asks = true, nil, nil, 0
	c.journal.Opened()
	if c.library {
		c.join(t, c.topics)
		return
	}
	c.journal.Asked(c.topics, false)
	c.in = c.topics
	if c.cursor >= 0 {
		c.queue = c.replay(c.cursor, c.topics)
		return
	}
	s := c.snapshot()
	c.journal.Fetched(c.topics, s)
	c.journal.Member(c.topics, s)
}

// join asks for topics, those together that go on from the same place.
func (c *client) join(t *rapid.T, topics []string) {
	groups := map[int][]string{}
	for _, topic := range topics {
		since, known := c.since[topic]
		if !known {
			since = c.cursor
		}
		c.since[topic] = since
		groups[since] = append(groups[since], topic)
	}
	for since := -1; since <= len(c.log); since++ {
		if group := groups[since]; group != nil {
			c.joinSince(t, since, group)
		}
	}
}

func (c *client) joinSince(t *rapid.T, since int, group []string) {
	c.asks++
	c.journal.Asked(group, since >= 0)
	for _, topic := range group {
		if !slices.Contains(c.in, topic) {
			c.in = append(slices.Clip(c.in), topic)
		}
	}
	answer := frame{act: joined, topics: group, cursor: len(c.log)}
	if since < 0 {
		c.queue = append(c.queue, answer)
		return
	}
	recovered := rapid.IntRange(0, 4).Draw(t, "recovered") > 0
	answer.recovered = &recovered
	if !recovered {
		c.queue = append(c.queue, answer, frame{act: resync, topics: group, reason: "cursor_expired", cursor: len(c.log)})
		return
	}
	for _, f := range c.replay(since, group) {
		if f.act == event {
			answer.replayed++
		}
		c.queue = append(c.queue, f)
	}
	c.queue = append(c.queue, answer)
}

// joinAgain asks again for what was left.
func (c *client) joinAgain(t *rapid.T) {
	if !c.connected || !c.library || c.leaving {
		return
	}
	var topics []string
	for _, topic := range c.topics {
		if !slices.Contains(c.in, topic) || rapid.IntRange(0, 5).Draw(t, "again") == 0 && c.asks == 0 {
			topics = append(topics, topic)
		}
	}
	c.join(t, topics)
}

func (c *client) leave(t *rapid.T) {
	if !c.connected || !c.library || c.asks > 0 || c.leaving || len(c.in) == 0 {
		return
	}
	topic := rapid.SampledFrom(c.in).Draw(t, "topic")
	c.in = slices.DeleteFunc(slices.Clone(c.in), func(other string) bool { return other == topic })
	c.since[topic] = c.cursor // from here on, not from $left: what came in between may be of others only
	c.leaving = true
	c.queue = append(c.queue, frame{act: left, topics: []string{topic}})
}

// overflow loses what waits, and says so.
func (c *client) overflow(*rapid.T) {
	if c.asks == 0 && !c.leaving && len(c.queue) > 0 && len(c.in) > 0 {
		c.queue = []frame{{act: resync, topics: c.in, reason: "slow_consumer", cursor: len(c.log)}}
	}
}

func (c *client) cut(*rapid.T) {
	if !c.connected {
		return
	}
	c.connected, c.leaving, c.queue = false, false, nil
	c.journal.Closed("cut")
	if c.debts != nil {
		c.journal.Fetched(c.debts, c.snapshot())
		c.debts = nil
	}
}

func (c *client) readAll() {
	for len(c.queue) > 0 {
		c.read(nil)
	}
}

func (c *client) read(*rapid.T) {
	if !c.connected || len(c.queue) == 0 {
		return
	}
	f := c.queue[0]
	c.queue = c.queue[1:]
	switch f.act {
	case event:
		o := c.truth.Owed[f.n]
		c.journal.Event(Event{Key: o.Key, ID: strconv.Itoa(f.n), Value: o.Value, Topics: o.Topics})
	case resync:
		c.journal.Resync(f.topics, f.reason)
		c.journal.Fetched(f.topics, c.snapshot())
		c.debts = nil
	case left:
		c.journal.Left(f.topics)
		c.leaving = false
		return
	case joined:
		c.asks--
		c.journal.Joined(f.topics, f.replayed, f.recovered)
		for _, topic := range f.topics {
			if c.since[topic] < 0 {
				c.journal.Member([]string{topic}, c.snapshot())
			}
			delete(c.since, topic)
		}
		if f.recovered != nil && !*f.recovered {
			c.debts = f.topics
		}
	}
	if c.asks == 0 {
		c.cursor = f.cursor
	}
}
