package oracle

import "strings"

// course is the order in which things came: of a connection, or of one replay.
// What may not come any more is what something that came already rests upon.
type course struct {
	horizon horizon
	last    map[uint64]*transactionCourse
	rows    map[string]int // the newest change of a row that came
	seen    []int          // all that came, to name the culprit
}

// transactionCourse is how far the statements of a transaction came. Within one
// statement there is no order, so the last statement's is not enough: of another
// one the newest is kept, too.
type transactionCourse struct {
	statement      string
	newest, before int64 // of this statement; of all others
}

func newCourse() *course {
	return &course{last: map[uint64]*transactionCourse{}, rows: map[string]int{}}
}

// allows says what the event n should have come before: "" if nothing that came.
func (c *course) allows(t *truth, n int) string {
	e := &t.owed[n]
	if c.horizon.sees(e.XID) {
		for _, other := range c.seen {
			if began, known := t.transactions[t.owed[other].XID]; known && began.Began.Sees(e.XID) {
				return t.name(other) + ", which began when that had been committed"
			}
		}
	}
	if l := c.last[e.XID]; l != nil {
		newest := l.newest
		if l.statement == statement(e.Key) {
			newest = l.before
		}
		if newest > e.Order {
			for _, other := range c.seen {
				if o := &t.owed[other]; o.XID == e.XID && o.Order == newest {
					return t.name(other) + ", a later statement of its transaction"
				}
			}
		}
	}
	if e.Row == "" {
		return ""
	}
	if other, known := c.rows[e.Row]; known && t.later(other, n) {
		return t.name(other) + ", a later change of its row"
	}
	return ""
}

// note follows the course.
func (c *course) note(t *truth, n int) {
	e := &t.owed[n]
	c.seen = append(c.seen, n)
	l, other := c.last[e.XID], statement(e.Key)
	switch {
	case l == nil:
		c.last[e.XID] = &transactionCourse{statement: other, newest: e.Order, before: -1 << 63}
		c.horizon.add(t.transactions[e.XID].Began)
	case l.statement == other:
		l.newest = max(l.newest, e.Order)
	case e.Order > l.newest:
		*l = transactionCourse{statement: other, newest: e.Order, before: l.newest}
	default:
		l.before = max(l.before, e.Order)
	}
	if e.Row == "" {
		return
	}
	if newest, known := c.rows[e.Row]; !known || t.later(n, newest) {
		c.rows[e.Row] = n
	}
}

// later is whether event a is of a later change of their row than b. A row that
// moved has two of one change.
func (t *truth) later(a, b int) bool {
	if va, vb := t.owed[a].Version, t.owed[b].Version; va != vb {
		return va > vb
	}
	return a > b
}

// statement is whose change it is: each statement has a mutation id of its own.
func statement(key string) string {
	id, _, _ := strings.Cut(key, "/")
	return id
}

// horizon is what at least one of several snapshots sees. All of them see nearly
// all that is older than themselves, so what none of them sees is a short list.
type horizon struct {
	xmax   uint64
	unseen map[uint64]struct{} // below xmax
}

func (h *horizon) sees(xid uint64) bool {
	_, unseen := h.unseen[xid]
	return xid < h.xmax && !unseen
}

func (h *horizon) add(s Snapshot) {
	for xid := range h.unseen {
		if s.Sees(xid) {
			delete(h.unseen, xid)
		}
	}
	for _, xid := range s.running {
		if xid >= h.xmax {
			if h.unseen == nil {
				h.unseen = map[uint64]struct{}{}
			}
			h.unseen[xid] = struct{}{}
		}
	}
	h.xmax = max(h.xmax, s.xmax)
}
