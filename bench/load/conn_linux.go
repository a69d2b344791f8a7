package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

type state int

const (
	connecting state = iota
	upgrading        // the request is sent
	open
	closed
)

// conn is one WebSocket connection.
type conn struct {
	group    *group
	fd       int
	number   int
	state    state
	rest     []byte // the beginning of what is not whole yet
	events   int
	controls int
	arrivals []time.Duration
	began    time.Duration
	live     time.Duration
}

// of returns the connection's own of a list.
func (c *conn) of(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[c.number%len(list)]
}

// shakeHands sends the request when the connection is made.
func (c *conn) shakeHands() {
	if errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 {
		c.group.lost(c, fmt.Errorf("connect: %w", unix.Errno(errno)))
		return
	}
	d := &c.group.dial
	request := "GET " + c.of(d.Paths) + " HTTP/1.1\r\nHost: " + d.Address + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if d.Protocol != "" {
		request += "Sec-WebSocket-Protocol: " + d.Protocol + "\r\n"
	}
	c.state = upgrading
	if err := c.group.s.watch(unix.EPOLL_CTL_MOD, c.fd, unix.EPOLLIN); err != nil {
		c.group.lost(c, err)
		return
	}
	c.write([]byte(request + "\r\n"))
}

// write writes what is so little that the kernel takes all of it.
func (c *conn) write(p []byte) {
	n, err := unix.Write(c.fd, p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		c.group.lost(c, fmt.Errorf("write: %w", err))
	}
}

// take is given all that comes.
func (c *conn) take(p []byte) {
	if len(c.rest) > 0 {
		p = append(c.rest, p...)
	}
	if c.state == upgrading {
		head, rest, whole := bytes.Cut(p, []byte("\r\n\r\n"))
		if whole && !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
			status, _, _ := bytes.Cut(head, []byte("\r\n"))
			c.group.lost(c, fmt.Errorf("refused: %s", status))
			return
		}
		if whole {
			p = rest
			c.open()
		}
	}
	if c.state == open {
		p = c.frames(p)
	}
	c.rest = append(c.rest[:0], p...)
}

func (c *conn) open() {
	c.group.s.heard = true
	c.state = open
	if say := c.of(c.group.dial.Say); say != "" {
		c.write(masked(0x81, say))
	}
	c.group.opened()
	if c.group.dial.Controls == 0 {
		c.group.alive(c)
	}
}

// frames counts whole frames (RFC 6455 section 5.2; a server's are not masked)
// and returns what is left.
func (c *conn) frames(p []byte) []byte {
	var now time.Duration
	if c.group.dial.Times {
		now = Now()
	}
	for len(p) >= 2 {
		head, n := 2, uint64(p[1])
		switch n {
		case 126:
			if head = 4; len(p) < head {
				return p
			}
			n = uint64(binary.BigEndian.Uint16(p[2:]))
		case 127:
			if head = 10; len(p) < head {
				return p
			}
			n = binary.BigEndian.Uint64(p[2:])
		}
		if uint64(len(p)-head) < n {
			return p
		}
		if !c.frame(p[0], p[head:head+int(n)], now) {
			return nil
		}
		p = p[head+int(n):]
	}
	return p
}

// frame takes a frame; false when it was the last.
func (c *conn) frame(first byte, payload []byte, now time.Duration) bool {
	switch first {
	case 0x81: // text
	case 0x89: // ping: any pong says that we live
		c.write(masked(0x8A, ""))
		return true
	case 0x88:
		c.group.lost(c, fmt.Errorf("closed by the server: %q", payload)) // two bytes of code, and why
		return false
	default:
		c.group.lost(c, fmt.Errorf("a frame that begins with %#x", first))
		return false
	}
	c.group.s.heard = true
	if bytes.HasPrefix(payload, []byte(`{"type":"$`)) {
		if c.controls++; c.controls == c.group.dial.Controls {
			c.group.alive(c)
		}
		return true
	}
	c.events++
	if c.group.dial.Times {
		c.arrivals = append(c.arrivals, now)
	}
	if g := c.group; g.waves > 0 && c.events == g.want {
		if g.short--; g.short == 0 {
			g.recount()
		}
	}
	return true
}

// masked is a frame as a client must send it, masked with zeros.
func masked(first byte, payload string) []byte {
	head := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		head = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(len(payload)))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}
