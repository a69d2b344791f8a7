package rooms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rowcast/internal/snapshot"
)

// The world of the property tests: a database with its log, and instances that
// read it into hubs. What is naive here is the oracle: nothing is ever dropped.

// row is a line of the log.
type row struct {
	epoch  int
	id     uint64
	xid    uint64
	topics []string
	reason Reason
	access *Access
}

// in reports whether the members of the topic are to know of the row.
func (r *row) in(topic string) bool {
	return r.access == nil && (slices.Contains(r.topics, topic) || r.reason != "" && slices.Contains(r.topics, "*"))
}

// changes reports whether the row changes the subject's access to the topic.
func (r *row) changes(subject, topic string) bool {
	return r.access != nil && (r.access.Everyone || r.access.Subject == subject) &&
		(slices.Contains(r.topics, topic) || slices.Contains(r.topics, "*"))
}

// database is a Postgres in which transactions come and go.
type database struct {
	epoch   int
	next    uint64 // xid
	running []uint64
	undone  map[uint64]bool // rolled back
	rows    []*row
}

func (d *database) begin() {
	d.running = append(d.running, d.next)
	d.next++
}

func (d *database) write(xid uint64, r row) {
	r.epoch, r.id, r.xid = d.epoch, uint64(len(d.rows)+1), xid
	d.rows = append(d.rows, &r)
}

func (d *database) end(xid uint64, undo bool) {
	d.running = slices.DeleteFunc(d.running, func(x uint64) bool { return x == xid })
	if undo {
		d.undone[xid] = true
	}
}

// crash ends an epoch: what ran is rolled back, and the log begins anew.
func (d *database) crash() {
	for _, xid := range slices.Clone(d.running) {
		d.end(xid, true)
	}
	d.epoch++
	d.next++
}

func (d *database) snapshot() snapshot.Snapshot { return snapshot.New(d.next, d.running...) }

func (d *database) epochName() string { return fmt.Sprintf("e%d", d.epoch) }

// visible are the rows of this epoch that now sees and before does not.
func (d *database) visible(now, before snapshot.Snapshot) []*row {
	var rows []*row
	for _, r := range d.rows {
		if r.epoch == d.epoch && !d.undone[r.xid] && now.Visible(r.xid) && !before.Visible(r.xid) {
			rows = append(rows, r)
		}
	}
	return rows
}

// committed are the rows that a client who fetches the topic has seen.
func (d *database) committed(topic string) []*row {
	var rows []*row
	for _, r := range d.rows {
		if !d.undone[r.xid] && !slices.Contains(d.running, r.xid) && r.in(topic) {
			rows = append(rows, r)
		}
	}
	return rows
}

// instance is a daemon: a reader and its hub.
type instance struct {
	db      *database
	options Options
	ledger  int64 // its limit
	hub     *Hub
	epoch   int
	away    bool              // the database is, for this instance
	seen    snapshot.Snapshot // the reader's cursor
	handed  map[uint64]bool   // rows handed on since the cursor moved
	reading *reading

	tenures   []*tenure      // of the connections; some have ended
	resets    int            // epochs that ended
	published []*row         // in the hub's order, the history loaded at start first
	place     map[uint64]int // a row's index in published
}

// reading is a batch on its way.
type reading struct {
	snapshot snapshot.Snapshot
	rest     []*row
}

var errAway = errors.New("database away")

// start makes the instance begin, with the log's rows from xid oldest on in
// memory.
func (i *instance) start(oldest uint64) {
	o := i.options
	o.Refresh = func(context.Context) error { return i.refresh() }
	i.hub = New(o)
	i.published, i.place, i.tenures = nil, map[uint64]int{}, nil
	i.hub.ledger.limit = i.ledger
	now := i.db.snapshot()
	floor := now.Below(oldest)
	loaded := i.db.visible(now, floor)
	for _, r := range i.db.visible(now, snapshot.Snapshot{}) {
		i.place[r.id] = len(i.published)
		i.published = append(i.published, r)
	}
	var items []Item
	for n, r := range loaded {
		next := now.Xmax()
		for _, later := range loaded[n+1:] {
			next = min(next, later.xid)
		}
		items = append(items, i.item(r, now.Below(next)))
	}
	i.takeOver(now)
	i.hub.Reset(Reset{Epoch: i.db.epochName(), Snapshot: now, Floor: floor, History: items})
}

func (i *instance) takeOver(now snapshot.Snapshot) {
	i.epoch, i.seen, i.handed, i.reading = i.db.epoch, now, map[uint64]bool{}, nil
}

func (i *instance) item(r *row, cursor snapshot.Snapshot) Item {
	item := Item{
		Topics: r.topics, Reason: r.reason, Access: r.access, XID: r.xid,
		Cursor: snapshot.Cursor{Epoch: i.db.epochName(), Snapshot: cursor}.Encode(),
	}
	if r.reason == "" && r.access == nil {
		item.Data = fmt.Appendf(nil, `{"type":"t","id":"%d","x":"%s"}`, r.id, strings.Repeat("x", int(r.id%5)*20))
	}
	return item
}

// look begins a reading; after a crash, an epoch.
func (i *instance) look() {
	now := i.db.snapshot()
	if i.epoch != i.db.epoch {
		i.takeOver(now)
		i.resets++
		for _, n := range i.tenures {
			n.reset()
		}
		for _, r := range i.db.visible(now, snapshot.Snapshot{}) {
			i.place[r.id] = len(i.published)
			i.published = append(i.published, r)
		}
		i.hub.Reset(Reset{Epoch: i.db.epochName(), Snapshot: now, Floor: now, Restart: true})
		return
	}
	i.reading = &reading{snapshot: now}
	for _, r := range i.db.visible(now, i.seen) {
		if !i.handed[r.id] {
			i.reading.rest = append(i.reading.rest, r)
		}
	}
}

// handOn publishes the next n rows of the reading.
func (i *instance) handOn(n int) {
	b := Batch{Snapshot: i.reading.snapshot, Partial: n < len(i.reading.rest)}
	for _, r := range i.reading.rest[:min(n, len(i.reading.rest))] {
		cursor := i.seen
		if len(i.reading.rest) == 1 {
			cursor = i.reading.snapshot
		}
		b.Items = append(b.Items, i.item(r, cursor))
		i.reading.rest = i.reading.rest[1:]
		i.handed[r.id] = true
		for _, n := range i.tenures {
			n.change(r)
		}
		i.place[r.id] = len(i.published)
		i.published = append(i.published, r)
	}
	i.hub.Publish(b)
	if !b.Partial {
		i.takeOver(i.reading.snapshot)
	}
}

// refresh is Options.Refresh: a whole reading that begins now.
func (i *instance) refresh() error {
	if i.away {
		return errAway
	}
	for i.reading != nil && i.epoch == i.db.epoch { // a crash breaks it off
		i.handOn(3)
	}
	i.look()
	for i.reading != nil {
		i.handOn(3)
	}
	return nil
}
