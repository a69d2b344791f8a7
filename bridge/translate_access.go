package bridge

import (
	"errors"
	"strings"
	"time"

	"rowcast/pglisten"
	"rowcast/rooms"
)

var (
	errColumn = errors.New("subject or topic column is not in the row")
	errCut    = errors.New("subject or topic column is cut")
	errTopics = errors.New("no topics")
)

// isAccess reports whether a watch is one of access. What its rows say is about
// who may be in which topics, and no event.
func isAccess(w *pglisten.Watch) bool { return w != nil && w.SubjectColumn != "" }

// access translates a change of access. It has no part in the limits for events:
// a subject that lost its memberships loses all of them, however many. What
// cannot be understood is Unknown, for everyone it may be about.
func (t *translator) access(items []rooms.Item, c *pglisten.Change) []rooms.Item {
	if c.Err != nil {
		return t.misread(items, c, c.Err)
	}
	switch c.Op {
	case pglisten.Insert, pglisten.Update, pglisten.Delete:
		lost, got, err := t.memberships(c)
		if err != nil {
			return t.misread(items, c, err)
		}
		items = lost.append(items, rooms.Revoked, c.At)
		return got.append(items, rooms.Granted, c.At)
	case pglisten.Revoke:
		if len(c.Topics) == 0 {
			return t.misread(items, c, errTopics)
		}
		m := membership{subject: c.Type, everyone: c.Type == "", topics: t.revoked(c.Topics)}
		return m.append(items, rooms.Revoked, c.At)
	case pglisten.Truncate:
		all := membership{everyone: true, topics: t.plan(c.Watch).patterns}
		return all.append(items, rooms.Revoked, c.At)
	case pglisten.Bulk:
		return t.unknown(items, c)
	default:
		return t.misread(items, c, errOp)
	}
}

// dateAccess dates changes of access that have just been committed. Between the
// change and its commit a token may have been issued that knows nothing of it.
func (t *translator) dateAccess(items []rooms.Item) {
	now := t.now()
	for _, item := range items {
		if a := item.Access; a != nil && a.At.Before(now) {
			a.At = now
		}
	}
}

// misread tells of a change of access that nobody could understand.
func (t *translator) misread(items []rooms.Item, c *pglisten.Change, err error) []rooms.Item {
	t.unreadable(c, err)
	return t.unknown(items, c)
}

// unknown tells, once in a piece, that anybody's access to the topics of the
// change's watch may be another: who is judged after that sees all of the piece.
func (t *translator) unknown(items []rooms.Item, c *pglisten.Change) []rooms.Item {
	if t.unsure[c.Watch] {
		return items
	}
	t.unsure[c.Watch] = true
	all := membership{everyone: true, topics: everyTopic}
	if c.Watch != nil {
		all.topics = t.plan(c.Watch).patterns
	}
	return all.append(items, rooms.Unknown, c.At)
}

// revoked returns the names and patterns among the topics of a Revoke.
func (t *translator) revoked(topics []string) []string {
	var names []string
	for _, name := range topics {
		if rooms.ValidTopic(strings.ReplaceAll(name, "*", "x")) {
			names = appendOnce(names, name)
		} else {
			t.counts.badTopics.Add(1)
		}
	}
	return names
}

// membership is who may be in which topics, as a row of an access watch has it.
// The zero value is nobody in none.
type membership struct {
	subject  string
	everyone bool
	topics   []string
}

// append appends what becomes of the membership.
func (m membership) append(items []rooms.Item, effect rooms.Effect, at time.Time) []rooms.Item {
	if len(m.topics) == 0 {
		return items
	}
	return append(items, rooms.Item{
		Topics: m.topics,
		Access: &rooms.Access{Subject: m.subject, Everyone: m.everyone, Effect: effect, At: at},
	})
}

// memberships returns the one that was before a change of a row, and the one
// that is after it.
func (t *translator) memberships(c *pglisten.Change) (lost, got membership, err error) {
	p := t.plan(c.Watch)
	if err = t.read(p, c); err != nil {
		return lost, got, err
	}
	switch c.Op {
	case pglisten.Delete:
		lost, err = t.membership(p, t.row, c.NewCut)
		return lost, got, err
	case pglisten.Update:
		if lost, err = t.membership(p, t.old, c.OldCut); err != nil {
			return lost, got, err
		}
	}
	got, err = t.membership(p, t.row, c.NewCut)
	return lost, got, err
}

// membership reads a row. NULL is nobody, and makes no topic. A row without the
// column, which was renamed meanwhile, says nothing of the kind.
func (t *translator) membership(p *plan, r row, isCut bool) (m membership, err error) {
	for _, i := range p.routes {
		if r[i] == nil {
			return m, errColumn
		}
		if isCut && !survives(p.columns[i].typ) {
			return m, errCut
		}
	}
	if isNull(r[p.subject]) {
		return m, nil
	}
	var buf [64]byte
	m.subject = string(appendText(buf[:0], r[p.subject], p.columns[p.subject].typ))
	m.topics = t.topics(p, r)
	return m, nil
}

// survives reports whether a cut row's value still says whom it concerns. What has
// parts came as text, which is another. Text itself was cut to cutAt characters at
// the most, and longer is no subject and no topic: nobody loses by what is left.
func survives(t *pglisten.Type) bool {
	if t == nil {
		return false // since dropped or renamed
	}
	switch t.Kind {
	case pglisten.JSON, pglisten.Array, pglisten.Composite, pglisten.Bytes:
		return false
	default:
		return true
	}
}
