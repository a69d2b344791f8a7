package load

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// group is the connections of one Dial.
type group struct {
	s     *server
	dial  Dial
	conns []*conn
	began time.Duration

	dialing bool // Dial is not answered yet
	shaking int  // handshakes under way
	live    int  // connections

	want  int // events that each connection has when the next wave is complete
	step  int
	waves int // still to come
	short int // connections that have less than want

	failed error // the first thing that went wrong; whoever waits is told
}

func (g *group) String() string {
	return fmt.Sprintf("%d of %d connections are live; %d of them have less than %d events", g.live, g.dial.Connections, g.short, g.want)
}

// connect begins as many handshakes as may be under way.
func (g *group) connect() {
	addr, err := netip.ParseAddrPort(g.dial.Address)
	if err != nil {
		g.fail(err)
		return
	}
	to := &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	for g.dialing && g.shaking < cmp.Or(g.dial.AtOnce, DefaultAtOnce) && len(g.conns) < g.dial.Connections {
		if err := g.add(to); err != nil {
			g.fail(err)
		}
	}
}

func (g *group) add(to unix.Sockaddr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	c := &conn{group: g, fd: fd, number: len(g.conns), began: Now()}
	g.conns = append(g.conns, c)
	g.s.conns[fd] = c
	g.shaking++
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)       // only the first words would wait
	if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS { //nolint:errorlint // an errno as it is
		return fmt.Errorf("connect: %w", err)
	}
	return g.s.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLOUT)
}

// opened counts a connection whose handshake is over.
func (g *group) opened() {
	g.shaking--
	g.connect()
}

// alive counts a connection that is live; the last one is the answer to Dial.
func (g *group) alive(c *conn) {
	c.live = Now()
	g.live++
	if g.live < g.dial.Connections || !g.dialing {
		return
	}
	g.dialing = false
	a := answer{Took: c.live - g.began}
	for _, c := range g.conns {
		a.Live = append(a.Live, c.live-c.began)
	}
	_ = g.s.answer(a) // nobody hears: stdin ends next
}

// recount looks at every connection, for waves that have come already.
func (g *group) recount() {
	if g.failed != nil {
		g.fail(nil)
	}
	for g.waves > 0 {
		g.short = 0
		for _, c := range g.conns {
			if c.events < g.want {
				g.short++
			}
		}
		if g.short > 0 {
			return
		}
		g.waves--
		g.want += g.step
		_ = g.s.wave()
	}
}

// lost ends a connection that nobody closed.
func (g *group) lost(c *conn, err error) {
	g.drop(c)
	g.fail(fmt.Errorf("connection %d was lost after %d events: %w", c.number, c.events, err))
}

// fail tells who waits for the group what is wrong with it. It stays so.
func (g *group) fail(err error) {
	g.failed = cmp.Or(g.failed, err)
	if g.dialing || g.waves > 0 {
		g.dialing, g.waves = false, 0
		_ = g.s.answer(answer{Error: g.failed.Error()})
	}
}

func (g *group) arrivals() [][]time.Duration {
	all := make([][]time.Duration, len(g.conns))
	for i, c := range g.conns {
		all[i], c.arrivals = c.arrivals, nil
	}
	return all
}

func (g *group) close() {
	for _, c := range g.conns {
		g.drop(c)
	}
}

// drop closes a connection with a reset: nothing of it waits in the kernel for
// minutes.
func (g *group) drop(c *conn) {
	if g.s.conns[c.fd] != c {
		return
	}
	delete(g.s.conns, c.fd)
	c.state = closed
	_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(c.fd)
}
