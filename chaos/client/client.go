package client

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"rowcast/chaos/oracle"
)

// DefaultHeartbeat is that of the daemons in a run.
const DefaultHeartbeat = time.Second

// Options of a Client. Heartbeat and Habits may be left out, the rest not.
type Options struct {
	Name   string
	Kind   oracle.Kind
	Topics []string
	Seed   uint64

	Where func() string                                      // host:port for the next connection
	Fetch func(ctx context.Context) (oracle.Snapshot, error) // a refetch; it tries until ctx ends

	Heartbeat time.Duration // the daemons', for the kinds that are not told; DefaultHeartbeat
	Habits    Habits
}

// Habits are what makes a client a nuisance. Times are means, of an exponential
// distribution; 0 is never.
type Habits struct {
	Drop    time.Duration // breaks its connection off
	Halt    time.Duration // stops reading for HaltFor
	HaltFor time.Duration
	Churn   time.Duration // leaves a topic, and later joins it again from where it left; Library only
	Linger  time.Duration // lets time pass between its first fetch and its join; if it is to look back it fetches before it connects. Library only

	Deflate       bool // offers permessage-deflate
	Deaf          bool // never reads again after the join
	ReceiveBuffer int  // bytes, of the socket; 0: the system's. below 256 KB loopback crawls, at less than two segments a time
}

// Client is one client, over one connection after another.
type Client struct {
	o           Options
	journal     *oracle.Journal
	known       map[string]string // topic names, by their JSON
	connections atomic.Int64
	deflated    atomic.Int64 // of them

	ready    chan struct{} // closed: it is in all topics, or has been
	settling chan struct{} // closed: Settle was called
	whole    chan struct{} // closed: it was in all topics after that

	// What follows is Run's alone.

	rng     *rand.Rand
	topics  []*topic // Library
	way     way      // Library
	from    *oracle.Snapshot
	cursor  string   // Plain and Stream: of the newest event; "": none yet
	member  bool     // Plain and Stream: what comes is owed
	debts   []string // topics to fetch, whatever comes
	settled bool     // the habits have ended
	isReady bool
	isWhole bool

	mu     sync.Mutex // guards what follows
	closed bool       // Settle was called
	socket *socket    // nil: not connected
}

// New is a client that has not begun.
func New(o Options) *Client {
	o.Heartbeat = cmp.Or(o.Heartbeat, DefaultHeartbeat)
	c := &Client{
		o:        o,
		journal:  oracle.NewJournal(o.Name, o.Kind),
		known:    map[string]string{},
		ready:    make(chan struct{}),
		settling: make(chan struct{}),
		whole:    make(chan struct{}),
		rng:      rand.New(rand.NewPCG(o.Seed, 0)),
	}
	c.way = ways[c.rng.IntN(len(ways))]
	for _, name := range o.Topics {
		c.known[quote(name)] = name
		c.topics = append(c.topics, &topic{name: name})
	}
	return c
}

// Run connects, and comes back with its cursor whenever the connection ends,
// until ctx ends.
func (c *Client) Run(ctx context.Context) {
	c.preview(ctx)
	for ctx.Err() == nil {
		stay := c.connect(ctx)
		timer := time.NewTimer(max(stay, c.moment()))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// connect is the life of one connection, or the attempt. It returns how long the
// daemon wants the client to stay away.
func (c *Client) connect(ctx context.Context) (stay time.Duration) {
	socket, err := dial(ctx, c.o.Where(), c.o.Habits.ReceiveBuffer)
	if err != nil {
		return 0
	}
	defer socket.Close() //nolint:errcheck // whoever reads has seen the end
	s := &session{Client: c, socket: socket}
	switch c.o.Kind {
	case oracle.Library:
		s.dialect = newLibrary(s)
	case oracle.Plain:
		s.dialect = &plain{simple{session: s}}
	case oracle.Stream:
		s.dialect = &stream{simple: simple{session: s}}
	}
	s.begin(ctx)
	c.hold(socket)
	stop := context.AfterFunc(ctx, socket.wake)
	err = s.talk(ctx)
	stop()
	c.hold(nil)
	if s.opened {
		c.journal.Closed(s.how(err))
	}
	_ = c.fetch(ctx, c.debts) // fails only when ctx has ended
	return min(s.stay, longestWait)
}

// moment is how long to wait before it is tried again.
func (c *Client) moment() time.Duration {
	return 20*time.Millisecond + time.Duration(c.rng.Int64N(int64(180*time.Millisecond)))
}

// hold says which socket Settle is to wake.
func (c *Client) hold(s *socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.socket = s
}

// open notes that there is a connection. Events of these topics may come, if any
// are named.
func (s *session) open(topics []string) {
	s.opened = true
	s.connections.Add(1)
	s.journal.Opened()
	if topics != nil {
		s.journal.Asked(topics, false)
	}
}

// Ready is closed once the client is a member of all its topics.
func (c *Client) Ready() <-chan struct{} { return c.ready }

// Settle ends the client's habits and returns when it is in all its topics again.
func (c *Client) Settle(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.settling)
	}
	if c.socket != nil {
		c.socket.wake()
	}
	c.mu.Unlock()
	select {
	case <-c.whole:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) isSettling() bool {
	select {
	case <-c.settling:
		return true
	default:
		return false
	}
}

// Journal is the client's.
func (c *Client) Journal() *oracle.Journal { return c.journal }

// Connections are how many there were.
func (c *Client) Connections() int { return int(c.connections.Load()) }

// Deflated are how many of them had agreed on permessage-deflate.
func (c *Client) Deflated() int { return int(c.deflated.Load()) }
