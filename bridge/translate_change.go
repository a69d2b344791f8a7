package bridge

import (
	"slices"

	"rowcast/pglisten"
)

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
		left := slices.DeleteFunc(slices.Clone(t.topics(p, t.old)), func(name string) bool { return slices.Contains(topics, name) })
		t.add(p.deleted, left, payload{plan: p, row: t.old, show: p.key, changed: true, moved: true})
	}
	show := payload{
		row: t.row, show: p.all, truncated: c.NewCut,
		update: true, changed: changed, changes: t.changes,
		old: t.old, oldOf: p.key,
	}
	if p.watch.IncludeOld && !c.NewCut && !c.OldCut {
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
