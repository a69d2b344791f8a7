package bench

import (
	"encoding/binary"
	"fmt"
	"strings"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
)

const (
	epoch = "k3f9"
	topic = "topic_7"

	wireBytes  = 203
	eventBytes = wireBytes - 4 // without its frame's header
)

// events makes events as package bridge does, each of a transaction of its own and
// all of one size.
type events struct {
	xid uint64 // of the next
}

func newEvents() *events { return &events{xid: 1_000_000} }

type event struct{ rooms.Item }

func (e *events) next() event {
	xid := e.xid
	e.xid++
	cursor := snapshot.Cursor{Epoch: epoch, Snapshot: snapshot.New(e.xid)}.Encode()
	head := fmt.Sprintf(`{"type":"message_created","topics":[%q],"payload":{"id":"%d","message":{"content":"`, topic, xid)
	tail := fmt.Sprintf(`"}},"op":"insert","id":"%s.%d","at":"2026-11-23T00:42:55.279Z","cursor":"%s"}`, epoch, xid, cursor)
	content := strings.Repeat("x", eventBytes-len(head)-len(tail))
	return event{rooms.Item{Topics: []string{topic}, Data: []byte(head + content + tail), Cursor: cursor, XID: xid}}
}

// frame returns the event as it goes over the wire: one unmasked text frame
// (RFC 6455 section 5.2) of a length that takes two bytes.
func (e event) frame() []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(e.Data))), e.Data...)
}
