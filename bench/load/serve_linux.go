package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const supported = true

const (
	// stalled is how long nothing may come that is awaited.
	stalled = 30 * time.Second
	// look is how often that is looked at.
	look = time.Second
)

// Now is the machine's monotonic clock, the same in all processes.
func Now() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // it is always there
	return time.Duration(t.Nano())
}

// server is the load client: one thread that waits for its stdin and all
// connections at once.
type server struct {
	in     int
	out    io.Writer
	epoll  int
	conns  map[int]*conn // by file descriptor
	groups map[int]*group
	lines  []byte // of in, not yet whole
	buf    []byte

	heard   bool          // something came that may be awaited; a ping is not
	heardAt time.Duration // when that was last seen
}

// Serve is the load client. It does what a Client in another process says on in,
// answers on out, and returns when in ends.
func Serve(in *os.File, out io.Writer) error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	s := &server{
		in: int(in.Fd()), out: out, epoll: epoll,
		conns: map[int]*conn{}, groups: map[int]*group{}, buf: make([]byte, 256<<10),
	}
	defer s.close()
	if err := unix.SetNonblock(s.in, true); err != nil {
		return err
	}
	if err := s.watch(unix.EPOLL_CTL_ADD, s.in, unix.EPOLLIN); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 1024)
	for {
		n, err := unix.EpollWait(epoll, events, int(look.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == s.in {
				if done, err := s.listen(); done || err != nil {
					return err
				}
			} else if c := s.conns[int(e.Fd)]; c != nil { // nil: closed by what came before it
				s.serve(c, e.Events)
			}
		}
		if s.heard {
			s.heard, s.heardAt = false, Now()
		} else if Now()-s.heardAt > stalled {
			s.giveUp()
		}
	}
}

func (s *server) close() {
	for _, c := range s.conns {
		_ = unix.Close(c.fd)
	}
	_ = unix.Close(s.epoll)
}

func (s *server) watch(op, fd int, events uint32) error {
	return unix.EpollCtl(s.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// listen reads requests; done when there are no more.
func (s *server) listen() (done bool, err error) {
	n, err := unix.Read(s.in, s.buf)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return false, nil
	case n <= 0:
		return true, err
	}
	s.lines = append(s.lines, s.buf[:n]...)
	for {
		line, rest, whole := bytes.Cut(s.lines, []byte("\n"))
		if !whole {
			return false, nil
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			return true, fmt.Errorf("request: %w", err)
		}
		s.lines = rest
		if err := s.do(r); err != nil {
			return true, err
		}
	}
}

func (s *server) do(r request) error {
	s.heard = true
	if r.Do == doDial {
		g := &group{s: s, dial: *r.Dial, dialing: true, began: Now()}
		s.groups[r.Group] = g
		g.connect()
		return nil
	}
	g := s.groups[r.Group]
	if g == nil {
		return s.answer(answer{Error: "no such group"})
	}
	switch r.Do {
	case doExpect:
		g.want, g.step, g.waves = r.Events, r.Step, r.Count
		g.recount()
		return nil
	case doArrivals:
		if g.failed != nil {
			return s.answer(answer{Error: g.failed.Error()})
		}
		return s.answer(answer{Arrivals: g.arrivals()})
	case doClose:
		g.close()
		delete(s.groups, r.Group)
		return s.answer(answer{})
	}
	return fmt.Errorf("request: cannot %q", r.Do)
}

// wave says that a wave has come. It is most of what is ever said.
func (s *server) wave() error {
	_, err := s.out.Write([]byte{'\n'})
	return err
}

func (s *server) answer(a answer) error {
	b, err := json.Marshal(a)
	if err == nil {
		_, err = s.out.Write(append(b, '\n'))
	}
	return err
}

// giveUp tells who waits that nothing comes any more.
func (s *server) giveUp() {
	for _, g := range s.groups {
		if g.dialing || g.waves > 0 {
			g.fail(fmt.Errorf("nothing came for %v: %s", stalled, g))
		}
	}
}

// serve is called when the connection has something to say, or can hear.
func (s *server) serve(c *conn, events uint32) {
	if c.state == connecting {
		if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			c.shakeHands()
		}
		return
	}
	n, err := unix.Read(c.fd, s.buf)
	switch {
	case n > 0:
		c.take(s.buf[:n])
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
	case err != nil:
		c.group.lost(c, err)
	default:
		c.group.lost(c, io.EOF)
	}
}
