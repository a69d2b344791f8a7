package bridge

import (
	"strings"

	"rowcast/pglisten"
	"rowcast/rooms"
)

// Channel says what becomes of the notifications on a NOTIFY channel that an
// application already uses.
type Channel struct {
	Name   string   // the Postgres channel
	Type   string   // the events' type
	Topics []string // templates; a {field} is one of the payload's, which is JSON
}

// channel is a Channel made ready for its notifications.
type channel struct {
	typ       string
	fields    columns
	templates templates
	patterns  []string
}

// newChannels prepares channels, by name.
func newChannels(list []Channel) map[string]*channel {
	channels := make(map[string]*channel, len(list))
	for _, given := range list {
		c := &channel{typ: given.Type}
		for _, text := range given.Topics {
			c.templates = append(c.templates, parseTemplate(text, c.field))
		}
		c.patterns = c.templates.patterns()
		channels[given.Name] = c
	}
	return channels
}

// field returns the index of a field of the payload.
func (c *channel) field(name string) int {
	if i := c.fields.at(name); i >= 0 {
		return i
	}
	c.fields = c.fields.add(name, nil, false)
	return len(c.fields) - 1
}

// notification translates a notification of a channel. A payload that is no
// JSON object is sent as {"text": …}. Nothing durable stands behind the event:
// it has neither id nor cursor.
func (t *translator) notification(n pglisten.Notification) []rooms.Item {
	c := t.channels[n.Channel]
	if c == nil {
		return nil
	}
	text := []byte(strings.ToValidUTF8(n.Payload, "\uFFFD"))
	fields, err := c.fields.read(text, nil)
	if err != nil {
		text = append(appendString([]byte(`{"text":`), text), '}')
		fields = make(row, len(c.fields))
	}
	e := event{
		typ:     c.typ,
		topics:  c.templates.names(c.fields, fields, t.refuse),
		payload: appendCompact(t.payload[:0], text),
		op:      pglisten.Emit,
		at:      t.now(),
	}
	t.payload = e.payload
	if len(e.topics) == 0 {
		return nil
	}
	t.frame = e.append(t.frame[:0])
	return []rooms.Item{t.item(&e, 0)}
}
