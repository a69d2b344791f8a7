package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"
)

// Command is the argument with which this program's executable must call Serve.
const Command = "bench-client"

// ErrUnsupported is returned where the load client cannot be.
var ErrUnsupported = errors.New("the load client needs Linux")

// Dial says what connections to make. Of Paths and Say each connection has one,
// in turn.
type Dial struct {
	Address     string   // of the server, IPv4:port
	Paths       []string // of the request: /ws?topics=a
	Protocol    string   // the subprotocol; "": none
	Say         []string // a text frame that is sent as soon as the socket is open; none: nothing
	Connections int
	Controls    int  // a connection is live with so many frames of the protocol's own ($welcome, $joined); 0: when it is open
	AtOnce      int  // handshakes under way; 0: DefaultAtOnce
	Times       bool // note when each event comes
}

// DefaultAtOnce is less than what the kernel lets wait for accept.
const DefaultAtOnce = 128

// Client is a load client: its process.
type Client struct {
	killed func() error // why it was; nil: it was not
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	groups int
}

// Start starts a load client, which ends with ctx or Close. The executable of
// this process must call Serve when its first argument is Command.
func Start(ctx context.Context) (*Client, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, Command)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start load client: %w", err)
	}
	killed := func() error { return context.Cause(ctx) }
	return &Client{killed: killed, cmd: cmd, in: in, out: bufio.NewReaderSize(out, 1<<16)}, nil
}

// Close ends the process, and with it all connections.
func (c *Client) Close() error {
	_ = c.in.Close() // it ends by that
	return c.cmd.Wait()
}

// Group is connections that were made together.
type Group struct {
	c        *Client
	id       int
	expected int

	Took time.Duration   // from the first connect until the last connection was live
	Live []time.Duration // of each connection, from its connect until it was live; ascending
}

// Dial makes connections and returns when all of them are live.
func (c *Client) Dial(d Dial) (*Group, error) {
	c.groups++
	g := &Group{c: c, id: c.groups}
	var live answer
	if err := c.ask(request{Do: doDial, Group: g.id, Dial: &d}, &live); err != nil {
		return nil, fmt.Errorf("connect %d clients to %s: %w", d.Connections, d.Address, err)
	}
	slices.Sort(live.Live)
	g.Took, g.Live = live.Took, live.Live
	return g, nil
}

// Expect announces waves: a wave has come when every connection of the group got
// n events more. Wait returns once for each.
func (g *Group) Expect(n, waves int) error {
	first := g.expected + n
	g.expected += n * waves
	return g.c.tell(request{Do: doExpect, Group: g.id, Events: first, Step: n, Count: waves})
}

// Wait returns when the next wave of Expect has come.
func (g *Group) Wait() error { return g.c.hear(nil) }

// Arrivals returns when the events of each connection came, in their order, by
// the clock of Now, and forgets it. The group's Dial must have Times.
func (g *Group) Arrivals() ([][]time.Duration, error) {
	var a answer
	err := g.c.ask(request{Do: doArrivals, Group: g.id}, &a)
	return a.Arrivals, err
}

// Close breaks the connections off, without a close frame.
func (g *Group) Close() error {
	return g.c.ask(request{Do: doClose, Group: g.id}, &answer{})
}

func (c *Client) ask(r request, a *answer) error {
	if err := c.tell(r); err != nil {
		return err
	}
	return c.hear(a)
}

func (c *Client) tell(r request) error {
	b, err := json.Marshal(r)
	if err == nil {
		_, err = c.in.Write(append(b, '\n'))
	}
	return c.because(err)
}

// hear reads a line: a wave where a is nil, else an answer.
func (c *Client) hear(a *answer) error {
	line, err := c.out.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := slices.Clone(line)
		line, err = c.out.ReadBytes('\n')
		line = append(long, line...)
	}
	if err != nil {
		return c.because(err)
	}
	if a == nil && len(line) == 1 {
		return nil
	}
	var got answer
	if err := json.Unmarshal(line, &got); err != nil {
		return fmt.Errorf("load client: unexpected line: %w", err)
	}
	if got.Error != "" {
		return errors.New(got.Error)
	}
	if a == nil {
		return errors.New("load client: an answer where a wave was expected")
	}
	*a = got
	return nil
}

// because says why the pipes fail.
func (c *Client) because(err error) error {
	if err == nil {
		return nil
	}
	if killed := c.killed(); killed != nil {
		return killed
	}
	return fmt.Errorf("load client: %w", err)
}
