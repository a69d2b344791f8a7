package bridge

import (
	"cmp"
	"log/slog"
	"sync/atomic"
	"time"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
	"rowcast/rooms"
)

// The defaults of the translator's limits.
const (
	DefaultEventBytes        = 256 << 10
	DefaultTransactionEvents = 10_000
)

// translatorOptions say how changes become events.
type translatorOptions struct {
	Epoch             string
	EventBytes        int       // a longer event is truncated; DefaultEventBytes
	TransactionEvents int       // a transaction of more changes is announced only; DefaultTransactionEvents
	Channels          []Channel // the NOTIFY channels whose notifications become events
	Logger            *slog.Logger
}

// translator turns row changes into items for the rooms: events, encoded once,
// and resyncs where there is no event to send. It is not safe for concurrent
// use, but for its counts.
//
// Whatever a row holds, translating it cannot fail: what cannot be understood
// becomes a resync, and where it may have been about access, an Unknown.
//
// What its methods return is good until the next of them is called: the memory of
// the items' Data is used again. The hub has copied it by then.
type translator struct {
	o        translatorOptions
	log      *slog.Logger
	now      func() time.Time // of notifications and losses
	channels map[string]*channel
	counts   translatorCounts

	plans  map[int32]*plan
	large  []*largeTransaction      // of this batch, unannounced
	unsure map[*pglisten.Watch]bool // whose access changes of this piece are Unknown already

	lastSnapshot snapshot.Snapshot // whose cursor is lastCursor
	lastCursor   string

	// Memory that is used again for every change.
	row, old row
	changes  []bool
	drafts   []draft
	payload  []byte
	frame    []byte
	frames   frames // that the items hold
}

// translatorCounts are the translator's counters. Anyone may read them.
type translatorCounts struct {
	events    atomic.Int64 // encoded
	resyncs   atomic.Int64
	truncated atomic.Int64 // over limits.event_bytes
	poison    atomic.Int64 // changes nobody could understand
	badTopics atomic.Int64 // names that templates made and that are none
}

func newTranslator(o translatorOptions) *translator {
	o.EventBytes = cmp.Or(o.EventBytes, DefaultEventBytes)
	o.TransactionEvents = cmp.Or(o.TransactionEvents, DefaultTransactionEvents)
	t := &translator{o: o, log: o.Logger, now: time.Now, channels: newChannels(o.Channels)}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.reset(o.Epoch)
	return t
}

// reset begins an epoch: what was kept of an unfinished batch is void.
func (t *translator) reset(epoch string) {
	t.o.Epoch = epoch
	t.plans = make(map[int32]*plan)
	t.large = nil
	t.unsure = make(map[*pglisten.Watch]bool)
	t.lastCursor = ""
}

// batch translates a piece of a batch.
func (t *translator) batch(b pglisten.Batch) rooms.Batch {
	items := t.items(b.Changes, !b.Partial)
	t.dateAccess(items)
	return rooms.Batch{Items: items, Snapshot: b.Snapshot, Partial: b.Partial}
}

// history translates what the log held when an epoch began.
func (t *translator) history(changes []pglisten.Change) []rooms.Item {
	return t.items(changes, true)
}

// loss tells that something may have been missed.
func (t *translator) loss(l pglisten.Loss) []rooms.Item {
	if l.Watch == nil {
		c := t.channels[l.Channel]
		if c == nil {
			return nil
		}
		return []rooms.Item{t.resync(rooms.SourceGap, c.patterns)}
	}
	patterns := t.plan(l.Watch).patterns
	if isAccess(l.Watch) {
		return membership{everyone: true, topics: patterns}.append(nil, rooms.Unknown, t.now())
	}
	// Who resumes from what had been read by then has to be told as well. No
	// cursor given out so far sees the next transaction.
	item := t.resync(rooms.SourceGap, patterns)
	item.XID = l.At.Xmax()
	item.Cursor = t.cursor(l.At)
	return []rooms.Item{item}
}

// items translates changes, the last ones of a batch or not.
func (t *translator) items(changes []pglisten.Change, final bool) []rooms.Item {
	items := make([]rooms.Item, 0, len(changes))
	t.frames.empty()
	clear(t.unsure)
	for i := range changes {
		c := &changes[i]
		last := final && i == len(changes)-1
		if last {
			items = t.announceAll(items, c.XID)
		}
		switch {
		case c.Op == pglisten.Revoke || isAccess(c.Watch):
			items = t.access(items, c)
			continue
		case c.Op != pglisten.Emit && c.Watch == nil:
			items = t.unknown(items, c) // it may have been of access
		}
		if l := t.largeTransaction(c); l != nil {
			t.collect(l, c)
			if last || l.left <= 0 {
				l.resume = c.Resume
				items = t.announce(items, l)
			}
			continue
		}
		items = t.change(items, c)
	}
	if final {
		items = t.announceAll(items, 0)
	}
	return items
}

// change translates one change.
func (t *translator) change(items []rooms.Item, c *pglisten.Change) []rooms.Item {
	if c.Err != nil {
		return append(items, t.poison(c, c.Err))
	}
	if c.Op == pglisten.Emit {
		return t.emit(items, c)
	}
	if c.Watch == nil {
		return append(items, t.poison(c, errWatch))
	}
	p := t.plan(c.Watch)
	switch c.Op {
	case pglisten.Insert, pglisten.Update, pglisten.Delete:
		if err := t.read(p, c); err != nil {
			return append(items, t.poison(c, err))
		}
		t.draft(p, c)
		return t.encode(items, c)
	case pglisten.Truncate:
		return append(items, t.resyncChange(c, rooms.Truncated, p.patterns))
	case pglisten.Bulk:
		return append(items, t.resyncChange(c, rooms.Bulk, p.patterns))
	default:
		return append(items, t.poison(c, errOp))
	}
}

// plan returns the watch's plan.
func (t *translator) plan(w *pglisten.Watch) *plan {
	p := t.plans[w.ID]
	if p == nil || p.watch != w {
		p = newPlan(w)
		t.plans[w.ID] = p
	}
	return p
}

// read cuts the change's rows into t.row and t.old.
func (t *translator) read(p *plan, c *pglisten.Change) (err error) {
	if p.err != nil {
		return p.err
	}
	if t.row, err = p.columns.read(c.New, t.row, nil); err != nil {
		return err
	}
	if c.Op != pglisten.Update {
		return nil
	}
	t.old, err = p.columns.read(c.Old, t.old, t.row)
	return err
}

// topics returns the topic names of a row. The list is not to be changed.
func (t *translator) topics(p *plan, r row) []string {
	if p.watch.Hidden {
		return p.watch.Templates // no topic's name, which clients could join
	}
	return p.templates.names(p.columns, r, t.refuse)
}

// refuse counts a bad topic name and logs the first one of a template. The name
// itself is of a row, and not for logs.
func (t *translator) refuse(faulty *template) {
	t.counts.badTopics.Add(1)
	if !faulty.warned {
		faulty.warned = true
		t.log.Warn("template makes a bad topic name", "topic", faulty.text)
	}
}

// encode turns the drafts of a change into items.
func (t *translator) encode(items []rooms.Item, c *pglisten.Change) []rooms.Item {
	for n := range t.drafts {
		d := &t.drafts[n]
		resume := c.Resume
		if n < len(t.drafts)-1 {
			resume = before(c)
		}
		e := t.event(c, n, resume)
		e.typ, e.topics = d.typ, d.topics
		t.payload = d.payload.append(t.payload[:0])
		t.write(&e)
		if !e.hidden && t.tooLong() {
			d.payload.cut = true
			t.payload = d.payload.append(t.payload[:0])
			t.write(&e)
		}
		items = append(items, t.item(&e, c.XID))
	}
	return items
}

// event begins the change's n-th event, after which a client resumes where told.
func (t *translator) event(c *pglisten.Change, n int, resume snapshot.Snapshot) event {
	return event{
		op:         c.Op,
		id:         eventID{t.o.Epoch, c.ID, n},
		at:         c.At,
		mutationID: c.MutationID,
		cursor:     t.cursor(resume),
		hidden:     c.Watch != nil && c.Watch.Hidden,
	}
}

// write writes the event, with the payload in t.payload, to t.frame.
func (t *translator) write(e *event) {
	e.payload = t.payload
	t.frame = e.append(t.frame[:0])
}

// tooLong reports, and counts, that the frame is over limits.event_bytes.
func (t *translator) tooLong() bool {
	if len(t.frame) <= t.o.EventBytes {
		return false
	}
	t.counts.truncated.Add(1)
	return true
}

// item makes an item of the event that t.frame holds.
func (t *translator) item(e *event, xid uint64) rooms.Item {
	if !e.hidden {
		t.counts.events.Add(1)
	}
	return rooms.Item{Topics: e.topics, Data: t.frames.keep(t.frame), Cursor: e.cursor, XID: xid, Hidden: e.hidden}
}

// before returns where a client resumes that got some of a change's events, but
// not the last: the change is still to come, all before it is not.
func before(c *pglisten.Change) snapshot.Snapshot {
	if !c.Resume.Visible(c.XID) {
		return c.Resume
	}
	return snapshot.New(c.Resume.Xmax(), append([]uint64{c.XID}, c.Resume.InProgress()...)...)
}

// cursor encodes the snapshot, most often the one before it again.
func (t *translator) cursor(s snapshot.Snapshot) string {
	if t.lastCursor == "" || !s.Equal(t.lastSnapshot) {
		t.lastSnapshot = s
		t.lastCursor = snapshot.Cursor{Epoch: t.o.Epoch, Snapshot: s}.Encode()
	}
	return t.lastCursor
}
