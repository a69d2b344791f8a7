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
	entry  *entry // of the history, for all who get it; nil: it is one subscriber's own
}

// newFrame copies data, once for all who get the frame.
func newFrame(kind Kind, data []byte, cursor string) Frame {
	framed, payload := frameMessage(finalText, data)
	return Frame{Kind: kind, Data: payload, Framed: framed, Cursor: cursor}
}

// Deflated returns the frame as permessage-deflate has it (RFC 7692 section 7.2.1).
// deflate makes the payload of Data, once for all who get the frame. What is no shorter
// then, or a subscriber's own, is returned as it is.
func (f Frame) Deflated(deflate func(data []byte) []byte) []byte {
	if f.entry == nil {
		return f.Framed
	}
	if made := f.entry.deflated.Load(); made != nil {
		return *made
	}
	made := f.Framed
	if framed, _ := frameMessage(finalText|rsv1, deflate(f.Data)); len(framed) < len(made) {
		made = framed
	}
	f.entry.deflated.CompareAndSwap(nil, &made) // two may make it at once: the first one's is kept
	return *f.entry.deflated.Load()
}

const (
	finalText  = 0x81 // the first byte of a text message in one frame
	rsv1       = 0x40 // in it: the payload is deflated (RFC 7692 section 6)
	headerMost = 10   // the longest header without a mask
)

// frameMessage copies data behind the header of the unmasked frame that carries it
// (RFC 6455 section 5.2), and returns the frame and its payload.
func frameMessage(first byte, data []byte) (framed, payload []byte) {
	n := len(data)
	framed = make([]byte, 0, headerMost+n)
	switch {
	case n < 126:
		framed = append(framed, first, byte(n))
	case n < 1<<16:
		framed = binary.BigEndian.AppendUint16(append(framed, first, 126), uint16(n))
	default:
		framed = binary.BigEndian.AppendUint64(append(framed, first, 127), uint64(n))
	}
	head := len(framed)
	framed = append(framed, data...)
	return framed, framed[head:]
}
