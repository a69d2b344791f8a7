package bridge

import (
	"errors"
	"slices"

	"rowcast/pglisten"
	"rowcast/rooms"
)

var errType = errors.New("bad event type")

// draft is an event of a row, decided but not yet encoded.
type draft struct {
	typ     string
	topics  []string
	payload payload
}

// draft decides which events the change in t.row and t.old makes: t.drafts.
func (t *translator) draft(p *plan, c *pglisten.Change) {
	t.drafts = t.drafts[:0]
	switch c.Op {
	case pglisten.Insert:
		t.plain(p, c, p.created, t.topics(p, t.row), payload{row: t.row, show: p.all, changed: true, truncated: c.NewCut})
	case pglisten.Delete:
		show := p.gone
		if p.watch.IncludeOld {
			show = p.all
		}
		truncated := c.NewCut && p.watch.IncludeOld // else there is nothing to cut
		t.plain(p, c, p.deleted, t.topics(p, t.row), payload{row: t.row, show: show, changed: true, truncated: truncated})
	case pglisten.Update:
		t.update(p, c)
	}
}

// update decides about an update. A row that moved is told to have gone where
// it no longer is: who listens there never sees its new content.
func (t *translator) update(p *plan, c *pglisten.Change) {
	var changed bool
	t.changes, changed = p.compare(t.old, t.row, c.Changed, t.changes)
	// A cut row without the list of its changes cannot say that there are none.
	changed = changed || c.Changed == nil && (c.NewCut || c.OldCut)
	if !changed && !p.watch.Unchanged {
		return
	}
	topics := t.topics(p, t.row)
	if p.rerouted(t.changes) {
		left := slices.DeleteFunc(t.topics(p, t.old), func(name string) bool { return slices.Contains(topics, name) })
		t.add(p.deleted, left, payload{plan: p, row: t.old, show: p.key, changed: true, moved: true})
	}
	show := payload{
		row: t.row, show: p.all, truncated: c.NewCut,
		update: true, changed: changed, changes: t.changes,
		old: t.old, oldOf: p.key,
	}
	if p.watch.IncludeOld && !c.NewCut {
		show.oldOf = p.all
	}
	t.plain(p, c, p.updated, topics, show)
}

// plain adds the event of a change and, behind it, the derived ones.
func (t *translator) plain(p *plan, c *pglisten.Change, typ string, topics []string, show payload) {
	show.plan = p
	t.add(typ, topics, show)
	for i := range p.derived {
		d := &p.derived[i]
		if d.fires(c.Op, p.columns, t.row, show.changes) {
			show.fields = d.fields
			t.add(d.typ, topics, show)
		}
	}
}

// add adds a draft, if there is anyone to send it to.
func (t *translator) add(typ string, topics []string, show payload) {
	if len(topics) > 0 {
		t.drafts = append(t.drafts, draft{typ, topics, show})
	}
}

// emit translates an event an application emitted.
func (t *translator) emit(items []rooms.Item, c *pglisten.Change) []rooms.Item {
	fields, err := emitFields.read(c.New, t.row)
	if err == nil && !validType(c.Type) {
		err = errType
	}
	if err != nil {
		return append(items, t.poison(c, err))
	}
	t.row = fields
	topics := t.emitted(c.Topics)
	if len(topics) == 0 {
		return items
	}
	e := event{
		typ:        c.Type,
		topics:     topics,
		payload:    appendCompact(t.payload[:0], c.New),
		op:         c.Op,
		id:         eventID{t.o.Epoch, c.ID, 0},
		at:         c.At,
		mutationID: c.MutationID,
		cursor:     t.cursor(c.Resume),
	}
	t.frame = e.append(t.frame[:0])
	if c.NewCut || t.tooLong() {
		e.payload = appendTruncated(e.payload[:0], fields)
		t.frame = e.append(t.frame[:0])
	}
	t.payload = e.payload
	return append(items, t.item(&e, c.XID))
}

// emitted returns the names among the topics of an emitted event, each once.
func (t *translator) emitted(topics []string) []string {
	var names []string
	for _, name := range topics {
		if rooms.ValidTopic(name) {
			names = appendOnce(names, name)
		} else {
			t.counts.badTopics.Add(1)
		}
	}
	return names
}

// emitFields are the fields of an emitted payload that outlive its truncation.
var emitFields = columns{}.add("topic_id", nil, false)

// appendTruncated appends what is left of an emitted payload that was too large.
func appendTruncated(dst []byte, fields row) []byte {
	dst = append(dst, '{')
	if fields[0] != nil {
		dst = append(dst, `"topic_id":`...)
		dst = appendShown(dst, fields[0], nil, true)
		dst = append(dst, ',')
	}
	return append(dst, `"truncated":true}`...)
}
