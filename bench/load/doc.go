// Package load is the bench's load client: thousands of WebSocket connections
// that count what they are sent, in a process of their own, so that the server's
// CPU is the server's alone. It knows frames and no JSON.
//
//	bench ── Start ──▶ rowcast bench-client ── Serve: one thread, epoll
//	  │  Dial, Expect …     ▶ │  stdin, a line of JSON each
//	  │ ◀ answers, waves      │  stdout, the same; an empty line is a wave
//	  ▼                       ▼
//	the server  ◀══ sockets ══ connections
//
// A Client holds Groups of connections: Dial returns one when all of it is live.
//
//	c, err := load.Start(ctx)
//	g, err := c.Dial(load.Dial{Address: addr, Paths: []string{"/ws?topics=a"}, Connections: 1000})
//	err = g.Expect(16, 50) // 50 waves of 16 events for each connection
//	for range 50 {
//		publish()          // 16 events
//		err = g.Wait()     // all 1,000 have got them: nothing is left in any queue
//	}
//	g.Close()
//
// To wait costs the bench's process one read of a pipe for each wave, and no
// allocation. With Dial.Times the client notes when
// each event came, by the clock of Now, which is that of the whole machine.
//
// A Client does one thing at a time and belongs to one goroutine. Who wants two
// things at once, or more connections than a process may have files, starts two.
// A connection that ends before its group is closed is an error, told by whatever
// waits next for the group.
//
// Linux only: elsewhere Start and Serve return ErrUnsupported.
package load
