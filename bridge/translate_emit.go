package bridge

import (
	"errors"

	"rowcast/pglisten"
	"rowcast/rooms"
)

var errType = errors.New("bad event type")

// emitFields are the fields of an emitted payload that outlive its truncation.
var emitFields = columns{}.add("topic_id", nil)

// emit translates an event an application emitted.
func (t *translator) emit(items []rooms.Item, c *pglisten.Change) []rooms.Item {
	fields, err := emitFields.read(c.New, t.row, nil)
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
	e := t.event(c, 0, c.Resume)
	e.typ, e.topics = c.Type, topics
	t.payload = appendCompact(t.payload[:0], c.New)
	t.write(&e)
	if c.NewCut || t.tooLong() {
		t.payload = appendTruncated(t.payload[:0], fields)
		t.write(&e)
	}
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
