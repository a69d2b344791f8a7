package bridge

import (
	"strconv"
	"strings"
	"time"

	"rowcast/pglisten"
)

// event is an event of the protocol before it is one line of JSON
// (docs/protocol.md, section 2). Its fields are written in this order.
type event struct {
	typ        string
	topics     []string
	payload    []byte // a JSON object on one line
	op         pglisten.Op
	id         eventID
	at         time.Time
	mutationID string
	cursor     string

	hidden bool // for hidden subscribers alone; not written
}

// eventID is the epoch, the log row's id, and which of the change's events it
// is. The zero value is an event without an id.
type eventID struct {
	epoch  string
	change int64
	number int
}

// append appends the event's JSON text.
func (e *event) append(dst []byte) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, e.typ...)
	dst = append(dst, `","topics":`...)
	dst = appendStrings(dst, e.topics)
	dst = append(dst, `,"payload":`...)
	dst = append(dst, e.payload...)
	dst = append(dst, `,"op":"`...)
	dst = append(dst, opName(e.op)...)
	if e.id != (eventID{}) {
		dst = append(dst, `","id":"`...)
		dst = e.id.append(dst)
	}
	dst = append(dst, `","at":"`...)
	dst = appendTime(dst, e.at)
	dst = append(dst, '"')
	if e.mutationID != "" {
		dst = append(dst, `,"mutation_id":`...)
		dst = appendString(dst, strings.ToValidUTF8(e.mutationID, "\uFFFD"))
	}
	if e.cursor != "" {
		dst = append(dst, `,"cursor":"`...)
		dst = append(dst, e.cursor...)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

func (id eventID) append(dst []byte) []byte {
	dst = append(dst, id.epoch...)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, id.change, 10)
	if id.number > 0 {
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, int64(id.number), 10)
	}
	return dst
}

// appendStrings appends a JSON array of strings.
func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

// appendTime appends a time in milliseconds, in microseconds where it has them.
func appendTime(dst []byte, at time.Time) []byte {
	micros := at.Nanosecond() / 1000
	var buf [8]byte
	digits := strconv.AppendInt(buf[:0], int64(1e6+micros), 10)
	if micros%1000 == 0 {
		digits = digits[:4]
	}
	digits[0] = '.'
	return appendUTC(dst, at, digits)
}

// appendUTC appends a time as RFC 3339 in UTC, with its fraction as given.
func appendUTC(dst []byte, at time.Time, fraction []byte) []byte {
	dst = at.UTC().AppendFormat(dst, time.RFC3339)
	dst = append(dst[:len(dst)-1], fraction...)
	return append(dst, 'Z')
}

// opName is an operation's name on the wire.
func opName(op pglisten.Op) string {
	switch op {
	case pglisten.Insert:
		return "insert"
	case pglisten.Update:
		return "update"
	case pglisten.Delete:
		return "delete"
	case pglisten.Truncate:
		return "truncate"
	default:
		return "emit"
	}
}
