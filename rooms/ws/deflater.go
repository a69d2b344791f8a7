package ws

import (
	"bytes"
	"compress/flate"
	"sync"

	"github.com/coder/websocket"

	"rowcast/rooms"
)

// deflateFrom is the shortest event that is deflated: below, too little is saved.
const deflateFrom = 512

// flushed is what deflate ends with, and the message does without (RFC 7692 section
// 7.2.1): an empty block but for its first three bits.
const flushed = "\x00\x00\xff\xff"

// deflater deflates events for the connections that have agreed on it, each as if it
// were the first of its connection, so that one can be sent to all.
type deflater struct {
	writers sync.Pool // of *flate.Writer: 1.2 MB
}

func newDeflater() deflater {
	return deflater{writers: sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.BestSpeed)
		if err != nil {
			panic("ws: " + err.Error()) // no such level
		}
		return w
	}}}
}

// pack replaces the frames that are worth it by deflated ones.
func (d *deflater) pack(frames []rooms.Frame) {
	for i, f := range frames {
		if len(f.Data) >= deflateFrom {
			frames[i].Framed = f.Deflated(d.deflate)
		}
	}
}

// deflate returns the payload of the message data.
func (d *deflater) deflate(data []byte) []byte {
	w := d.writers.Get().(*flate.Writer)
	defer d.writers.Put(w)
	var payload bytes.Buffer // which takes all
	payload.Grow(len(data))
	w.Reset(&payload)
	_, _ = w.Write(data)
	_ = w.Flush()
	return bytes.TrimSuffix(payload.Bytes(), []byte(flushed))
}

// compression is what the library is to agree on: that no message, in either direction,
// needs what came before it. So a connection keeps no window.
func (h *Handler) compression() websocket.CompressionMode {
	if h.o.Compression {
		return websocket.CompressionNoContextTakeover
	}
	return websocket.CompressionDisabled
}
