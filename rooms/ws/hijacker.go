package ws

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
)

const (
	// writeBuffer holds the longest control frame, 2+125 bytes, so that the
	// library's buffer lets each go in one Write.
	writeBuffer = 128

	// readBuffer is enough for a short message, and the head of a longer one.
	readBuffer = 128
)

// hijacker hands the library our socket where it expects the server's connection, and
// buffers smaller than the server's, which go with the request.
type hijacker struct {
	http.ResponseWriter
	wrap   func(net.Conn) *socket
	socket *socket
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.socket = h.wrap(conn)
	r := bufio.NewReaderSize(h.socket, readBuffer)
	if n := rw.Reader.Buffered(); n > 0 { // the client did not wait for the answer
		early := make([]byte, n)
		_, _ = io.ReadFull(rw.Reader, early) // they are there
		r = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), h.socket), max(n, readBuffer))
		_, _ = r.Peek(n) // where the library looks for them
	}
	return h.socket, bufio.NewReadWriter(r, bufio.NewWriterSize(h.socket, writeBuffer)), nil
}
