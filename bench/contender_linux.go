package bench

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rowcast/bench/load"
)

// path is what the clients of every contender ask for.
const path = "/ws?topics=" + topic

// contender is one way from an event to a room of sockets. All of them send the
// same number of bytes.
type contender interface {
	// ServeHTTP takes a client into the room, calls the function that the contender
	// was made with, and may last until the client is gone.
	http.Handler

	// publisher prepares so many waves of k events. What it returns publishes the
	// next one, and need not wait until it is written.
	publisher(ctx context.Context, k, waves int) func() error

	// close is called when all clients are gone.
	close(ctx context.Context) error
}

// entrant names a contender.
type entrant struct {
	name string
	make func(ctx context.Context, arrived func()) (contender, error)
}

// The contenders, by their places in entrants and in what is measured of them.
const (
	raw = iota
	loop
	chat
	rowcast
	contenders // how many
)

var entrants = [contenders]entrant{
	raw:     {"write(2) of a prepared frame", newRaw},
	loop:    {"conn.Write in a loop", newLoop},
	chat:    {"the library's chat example", newChat},
	rowcast: {"rowcast", newRowcast},
}

// stage is a contender with a room of clients.
type stage struct {
	contender
	clients  *load.Group
	server   http.Server
	arrived  sync.WaitGroup // clients
	handlers sync.WaitGroup // that run, beside who accepts
}

// open gives the entrant so many clients.
func (e entrant) open(ctx context.Context, c *load.Client, clients int, times bool) (*stage, error) {
	s, addr, err := e.serve(ctx, clients)
	if err != nil {
		return nil, err
	}
	s.clients, err = c.Dial(load.Dial{Address: addr, Paths: []string{path}, Connections: clients, Times: times})
	if err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	s.arrived.Wait()
	return s, nil
}

// serve gives the entrant an address, to which so many clients will come.
func (e entrant) serve(ctx context.Context, clients int) (s *stage, addr string, err error) {
	s = &stage{}
	s.arrived.Add(clients)
	if s.contender, err = e.make(ctx, s.arrived.Done); err != nil {
		return nil, "", err
	}
	l, err := listen(ctx)
	if err != nil {
		return nil, "", errors.Join(err, s.contender.close(ctx))
	}
	s.server.ReadHeaderTimeout = time.Minute
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handlers.Add(1)
		defer s.handlers.Done()
		s.ServeHTTP(w, r)
	})
	s.handlers.Go(func() { _ = s.server.Serve(l) }) // until it is closed
	return s, l.Addr().String(), nil
}

// close sends the clients away and waits until nothing is left of the stage.
func (s *stage) close(ctx context.Context) error {
	var err error
	if s.clients != nil {
		err = s.clients.Close()
	}
	err = errors.Join(err, s.server.Close(), s.contender.close(ctx))
	s.handlers.Wait()
	return err
}

// unsent is the daemon's bound on what the kernel takes for a connection before
// it has sent it. Every contender has it.
const unsent = 16 << 10

// listen takes a port of the loopback, with the daemon's socket options.
func listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	lc.Control = func(_, _ string, conn syscall.RawConn) error {
		return conn.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
		})
	}
	return lc.Listen(ctx, "tcp4", "127.0.0.1:0")
}
