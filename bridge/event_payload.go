package bridge

// payloadFields are the names a row event's payload gives to its own fields,
// beside the entity's.
var payloadFields = []string{"topic_id", "id", "changed", "changed_fields", "old", "truncated", "moved"}

// payload is the payload of a row event: what is shown of a row, and how.
type payload struct {
	plan *plan
	row  row
	show []int // the columns shown of row

	update  bool // changed_fields is there
	changed bool
	changes []bool // by column, of an update
	old     row    // before an update; nil: no old values
	oldOf   []int  // the columns shown of old, if changed

	truncated bool // the trigger cut the row
	moved     bool
	fields    []derivedField // of a derived event

	// cut makes it as short as can be: the frame was over limits.event_bytes.
	cut bool
}

// append appends the payload's JSON text.
func (p *payload) append(dst []byte) []byte {
	dst = append(dst, `{"topic_id":`...)
	dst = p.appendTopicID(dst)
	dst = p.appendID(dst)
	dst = append(dst, ',')
	dst = append(dst, p.plan.entity...)
	dst = append(dst, ':')
	show := p.show
	if p.truncated || p.cut {
		show = common(show, p.plan.lean) // a cut row holds what derived types ask about, too
	}
	dst = appendRow(dst, p.plan.columns, p.row, show, p.cut)
	if p.changed {
		dst = append(dst, `,"changed":true`...)
	} else {
		dst = append(dst, `,"changed":false`...)
	}
	if p.update {
		dst = p.appendChangedFields(dst)
	}
	dst = p.appendOld(dst)
	if p.truncated || p.cut {
		dst = append(dst, `,"truncated":true`...)
	}
	if p.moved {
		dst = append(dst, `,"moved":true`...)
	}
	for _, f := range p.fields {
		if p.row[f.column] != nil {
			dst = append(dst, ',')
			dst = append(dst, f.key...)
			dst = append(dst, ':')
			dst = appendShown(dst, p.row[f.column], p.plan.columns[f.column].typ, p.cut)
		}
	}
	return append(dst, '}')
}

// appendTopicID appends the topic column's value as a string, or null.
func (p *payload) appendTopicID(dst []byte) []byte {
	i := p.plan.topic
	if !p.row.has(i) {
		return append(dst, "null"...)
	}
	start := len(dst)
	dst = appendQuoted(dst, p.row[i], p.plan.columns[i].typ)
	if p.cut {
		dst = cut(dst, start)
	}
	return dst
}

// appendID appends the key columns' values, joined with commas: nothing without
// a key, or if a column of it is not in the row.
func (p *payload) appendID(dst []byte) []byte {
	before := len(dst)
	dst = append(dst, `,"id":"`...)
	for n, i := range p.plan.key {
		if !p.row.has(i) {
			return dst[:before]
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		start := len(dst)
		dst = appendQuoted(dst, p.row[i], p.plan.columns[i].typ)
		if p.cut {
			dst = cut(dst, start)
		}
		dst = append(dst[:start], dst[start+1:len(dst)-1]...) // without its quotes
	}
	if len(p.plan.key) == 0 {
		return dst[:before]
	}
	return append(dst, '"')
}

// appendChangedFields appends the names of the columns an update changed.
func (p *payload) appendChangedFields(dst []byte) []byte {
	dst = append(dst, `,"changed_fields":[`...)
	start := len(dst)
	for _, i := range p.plan.all {
		if !p.changes[i] {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, p.plan.columns[i].key...)
	}
	return append(dst, ']')
}

// appendOld appends the old values of changed columns, if there are any to show.
func (p *payload) appendOld(dst []byte) []byte {
	oldOf := p.oldOf
	if p.cut {
		oldOf = common(oldOf, p.plan.key)
	}
	var buf [16]int
	show := buf[:0]
	for _, i := range oldOf {
		if p.changes[i] && p.old[i] != nil {
			show = append(show, i)
		}
	}
	if len(show) == 0 {
		return dst
	}
	dst = append(dst, `,"old":`...)
	return appendRow(dst, p.plan.columns, p.old, show, p.cut)
}

// common returns the columns that are in both lists, in the order of the first.
func common(a, b []int) (both []int) {
	for _, i := range a {
		for _, j := range b {
			if i == j {
				both = append(both, i)
			}
		}
	}
	return both
}
