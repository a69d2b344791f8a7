package rooms

import "encoding/binary"

// Kind tells frames apart without opening them.
type Kind int8

// The kinds.
const (
	Event Kind = iota
	Resync
	Ping
	Control // the answer to a client's frame, or the last frame of all
	Notice  // any other control frame
)

// Frame is one message to a client. Its bytes may be shared by all of them:
// never change them.
type Frame struct {
	Kind   Kind
	Data   []byte // one JSON object, one line
	Framed []byte // the whole WebSocket frame of which Data is the end
	Cursor string // resumes after this frame; "" for none
}

// newFrame copies data, once for all who get the frame.
func newFrame(kind Kind, data []byte, cursor string) Frame {
	framed, payload := frameText(data)
	return Frame{Kind: kind, Data: payload, Framed: framed, Cursor: cursor}
}

const (
	finalText  = 0x81 // the first byte of a text message in one frame
	headerMost = 10   // the longest header without a mask
)

// frameText copies data behind the header of the unmasked text frame that carries it
// (RFC 6455 section 5.2), and returns the frame and its payload.
func frameText(data []byte) (framed, payload []byte) {
	n := len(data)
	framed = make([]byte, 0, headerMost+n)
	switch {
	case n < 126:
		framed = append(framed, finalText, byte(n))
	case n < 1<<16:
		framed = binary.BigEndian.AppendUint16(append(framed, finalText, 126), uint16(n))
	default:
		framed = binary.BigEndian.AppendUint64(append(framed, finalText, 127), uint64(n))
	}
	head := len(framed)
	framed = append(framed, data...)
	return framed, framed[head:]
}
