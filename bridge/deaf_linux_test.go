package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
	"rowcast/rooms/auth"
	"rowcast/rooms/sse"
	"rowcast/rooms/ws"
)

// kernelMost is what the kernel may hold for a connection, whatever its client does.
const kernelMost = 256 << 10

// accepting is a listener that keeps what it accepts.
type accepting struct {
	net.Listener
	conns chan net.Conn
}

func (a *accepting) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err == nil {
		a.conns <- c
	}
	return c, err
}

// kernelBytes is the memory of the socket's own buffers: what waits to be read, to be
// sent or to be acknowledged, with what the kernel needs around it (sock_diag(7),
// SK_MEMINFO). The socket itself is not in it, some 4 kB.
func kernelBytes(t *testing.T, c net.Conn) int {
	t.Helper()
	var info [unix.SK_MEMINFO_VARS]uint32
	control(t, c, func(fd uintptr) error {
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	sum := 0
	for _, what := range []int{
		unix.SK_MEMINFO_RMEM_ALLOC, unix.SK_MEMINFO_WMEM_ALLOC, unix.SK_MEMINFO_WMEM_QUEUED,
		unix.SK_MEMINFO_FWD_ALLOC, unix.SK_MEMINFO_OPTMEM, unix.SK_MEMINFO_BACKLOG,
	} {
		sum += int(info[what])
	}
	return sum
}

// control calls f with the connection's descriptor, while it is open.
func control(t *testing.T, c net.Conn, f func(fd uintptr) error) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	failed := raw.Control(func(fd uintptr) { err = f(fd) })
	if err = errors.Join(failed, err); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}

// connections are the daemon's clients without the daemon's database.
type connections struct {
	hub  *rooms.Hub
	ws   *ws.Handler
	sse  *sse.Handler
	addr net.Addr
	in   chan net.Conn // the daemon's ends
	xid  uint64
}

// serveClients serves until the end of the test.
func serveClients(t *testing.T, stall time.Duration) *connections {
	t.Helper()
	return serveLively(t, stall, 0)
}

// serveLively does so with another heartbeat than the default.
func serveLively(t *testing.T, stall, heartbeat time.Duration) *connections {
	t.Helper()
	hub := rooms.New(rooms.Options{QueueBytes: 128 << 10})
	gate, err := auth.New(auth.Options{Addr: "127.0.0.1:80", Hub: hub})
	if err != nil {
		t.Fatal(err)
	}
	hub.Reset(rooms.Reset{Epoch: "test", Snapshot: snapshot.New(1), Floor: snapshot.New(1)})
	d := &Daemon{
		hub: hub,
		ws:  ws.New(hub, gate, ws.Options{Heartbeat: heartbeat, WriteTimeout: stall, Spread: time.Millisecond}),
		sse: sse.New(hub, gate, sse.Options{WriteTimeout: stall, Spread: time.Millisecond}),
	}
	log := slog.New(slog.DiscardHandler)
	e, err := bind(t.Context(), "http.addr", "127.0.0.1:0", d.mux(), limits{header: time.Second, stall: stall}, log)
	if err != nil {
		t.Fatal(err)
	}
	in := &accepting{Listener: e.listener, conns: make(chan net.Conn, 10)}
	e.listener = in
	e.serve(newStack(log), nil)
	t.Cleanup(func() {
		over, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 100*time.Millisecond)
		defer cancel()
		_ = d.endSessions(over) // cut, where they are deaf
		_ = e.close(over)
	})
	return &connections{hub: hub, ws: d.ws, sse: d.sse, addr: e.listener.Addr(), in: in.conns}
}

// publish sends an event of about so many bytes.
func (c *connections) publish(bytes int) {
	c.xid++
	cursor := snapshot.Cursor{Epoch: "test", Snapshot: snapshot.New(c.xid + 1)}.Encode()
	data := fmt.Sprintf(`{"type":"message_created","topics":["a"],"payload":{"x":%q},"id":"x.%d","cursor":%q}`,
		strings.Repeat("x", bytes), c.xid, cursor)
	c.hub.Publish(rooms.Batch{
		Items:    []rooms.Item{{Topics: []string{"a"}, Data: []byte(data), Cursor: cursor, XID: c.xid}},
		Snapshot: snapshot.New(c.xid + 1),
	})
}

// served is how many clients there are.
func (c *connections) served() int { return c.ws.Stats().Sessions + c.sse.Streams() }

// What each kind of client says, to be in topic a.
var requests = map[string]string{
	"plain":   upgrading("/ws?topics=a", "rowcast.plain"),
	"library": upgrading("/ws", "rowcast.v1") + "\x81\x9e\x00\x00\x00\x00" + `{"type":"join","topics":["a"]}`,
	"sse":     "GET /sse?topics=a HTTP/1.1\r\nHost: x\r\n\r\n",
}

func upgrading(path, protocol string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + protocol + "\r\n\r\n"
}

// ask connects and asks to be in topic a, with a receive buffer of so many bytes; 0:
// the system's.
func (c *connections) ask(t *testing.T, kind string, buffer int) (client, daemon net.Conn) {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, conn syscall.RawConn) error {
		var err error
		if buffer > 0 {
			_ = conn.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, buffer) })
		}
		return err
	}}
	client, err := d.DialContext(t.Context(), c.addr.Network(), c.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if _, err := client.Write([]byte(requests[kind])); err != nil {
		t.Fatal(err)
	}
	daemon = <-c.in
	poll(t, func() bool { return c.hub.Stats().Memberships > 0 })
	return client, daemon
}

// What the listener was told holds for what it accepts.
func TestListen_options(t *testing.T) {
	t.Parallel()
	for stall, dead := range map[time.Duration]time.Duration{10 * time.Second: deadAfter, time.Minute: time.Minute} {
		_, conn := serveClients(t, stall).ask(t, "plain", 0)
		for _, o := range []struct{ option, want int }{
			{unix.TCP_NOTSENT_LOWAT, unsentMost}, {unix.TCP_USER_TIMEOUT, int(dead.Milliseconds())}, {unix.TCP_NODELAY, 1},
		} {
			control(t, conn, func(fd uintptr) error {
				got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, o.option)
				if got != o.want {
					t.Errorf("option %d is %d, want %d", o.option, got, o.want)
				}
				return err
			})
		}
	}
}

// A client that never reads costs its queue and a little of the kernel's memory,
// until it is closed. It reads not even the answer to its handshake.
func TestDeaf(t *testing.T) {
	t.Parallel()
	const stall = time.Second
	for kind := range requests {
		for _, tt := range []struct {
			how    string
			buffer int
			bytes  int // of an event
		}{
			{"it has the system's buffers", 0, 2 << 10},
			{"it has small buffers", 2 << 10, 2 << 10},
			{"it has large buffers", 1 << 20, 2 << 10},
			{"large events", 0, 200 << 10},
		} {
			t.Run(kind+" "+tt.how, func(t *testing.T) {
				t.Parallel()
				c := serveClients(t, stall)
				_, conn := c.ask(t, kind, tt.buffer)
				// Of the kernel's the last counts: on the way to a peer that still takes
				// it, there may be more.
				kernel, queue := 0, int64(0)
				look := func() (closed bool) {
					if n := kernelBytes(t, conn); n > 0 {
						kernel = n
					}
					queue = max(queue, c.hub.Stats().QueuedBytes)
					return c.served() == 0
				}
				for sent := 0; sent < 5<<20; sent += tt.bytes { // what Linux would take, and more
					c.publish(tt.bytes)
					look()
				}
				poll(t, look)
				t.Logf("%d bytes of the kernel, %d of the queue", kernel, queue)
				if kernel == 0 || kernel > kernelMost {
					t.Errorf("the kernel holds %d bytes", kernel)
				}
				if most := int64(128<<10) + 200; queue > max(most, int64(tt.bytes)+200) {
					t.Errorf("the queue holds %d bytes", queue)
				}
			})
		}
	}
}

// A client that reads slowly keeps its connection: no ping stands behind megabytes
// for longer than two heartbeats.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	c := serveLively(t, 3*time.Second, time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, _, err := websocket.Dial(ctx, "ws://"+c.addr.String()+"/ws?topics=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseNow()
	client.SetReadLimit(-1)
	for range 1000 {
		c.publish(2 << 10)
	}
	tick := time.NewTicker(8 * time.Millisecond) // 250 kB/s; with the default heartbeat as good as 10
	defer tick.Stop()
	for n := range uint64(1001) {
		if n == 1000 {
			c.publish(1)
		}
		_, data, err := client.Read(ctx) // which answers pings
		if err != nil || !strings.Contains(string(data), fmt.Sprintf(`"id":"x.%d"`, n+1)) {
			t.Fatalf("event %d: %.60s, %v", n+1, data, err)
		}
		<-tick.C
	}
}
