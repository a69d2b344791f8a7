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
			c.templates = append(c.templates, parseTemplate(text, c.fields.use))
		}
		c.patterns = c.templates.patterns()
		channels[given.Name] = c
	}
	return channels
}

// notification translates a notification of a channel. A payload that is no
// JSON object is sent as {"text": …}. Nothing durable stands behind the event:
// it has neither id nor cursor.
func (t *translator) notification(n pglisten.Notification) []rooms.Item {
	c := t.channels[n.Channel]
	if c == nil {
		return nil
	}
	t.frames.empty()
	text := []byte(strings.ToValidUTF8(n.Payload, "\uFFFD"))
	fields, err := c.fields.read(text, nil, nil)
	if err != nil {
		text = append(appendString([]byte(`{"text":`), text), '}')
		fields = make(row, len(c.fields))
	}
	e := event{
		typ:    c.typ,
		topics: c.templates.names(c.fields, fields, t.refuse),
		op:     pglisten.Emit,
		at:     t.now(),
	}
	if len(e.topics) == 0 {
		return nil
	}
	t.payload = appendCompact(t.payload[:0], text)
	t.write(&e)
	return []rooms.Item{t.item(&e, 0)}
}
