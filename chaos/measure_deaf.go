package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"rowcast/chaos/load"
)

// deafScenario has one client more, which never reads, in the rooms of the others.
// A connection of its lasts as long as a window, which is shorter than
// limits.write_timeout: the daemon has no reason yet to close it.
func deafScenario() scenario {
	return scenario{
		name: "deaf", fault: "a client that never reads, in the rooms of the others", alone: true,
		heartbeat: 5 * time.Second, act: compareDeaf,
		load: load.Options{Padding: 12 << 10, Pause: 50 * time.Millisecond}, // a queue is full within a window
	}
}

const (
	deafWindows = 5               // of each kind
	deafLongest = 8 * time.Second // the longest window, on a busy machine; limits.write_timeout is 10 s

	kernelMost = 256 << 10
	queueMost  = 1<<20 + 1<<10 // limits.queue_bytes, and a control frame
)

// deafness is what clients that never read cost the daemon.
type deafness struct {
	*world
	kernel int     // bytes that the kernel holds for one that takes no more, at most
	queue  float64 // bytes that wait for one, at most
}

// compareDeaf takes the 99th percentile of the time from a commit to a client in
// windows beside a deaf one and in others, as compareOpen does, and what a deaf one
// costs the daemon: in the kernel, and in its queue.
func compareDeaf(ctx context.Context, w *world) (figure string, err error) {
	d := &deafness{world: w}
	var without, with []span
	for range deafWindows {
		s, err := d.watch(ctx, func(queues) bool { return true })
		if err != nil {
			return "", err
		}
		without = append(without, s)
		if s, err = d.beside(ctx); err != nil {
			return "", err
		}
		with = append(with, s)
	}
	if err := w.pass(ctx, window); err != nil { // for the last ones to arrive
		return "", err
	}
	free, held := w.percentile(without), w.percentile(with)
	figure = fmt.Sprintf("p99 %s ms with it, %s ms without; it costs %d kB in the kernel, %.0f kB of queue",
		milliseconds(held), milliseconds(free), d.kernel>>10, d.queue/1024)
	switch {
	case free == 0 || held == 0:
		return figure, errors.New("nothing was written in a window: this proves nothing")
	case d.queue < queueMost/2:
		return figure, errors.New("no queue was seen that was nearly full: this proves nothing")
	case d.queue > queueMost:
		return figure, fmt.Errorf("%.0f bytes wait for a client that never reads", d.queue)
	}
	return figure, nil
}

// beside is a window beside a client that never reads, not even the answer to its
// handshake. It lasts until its queue was full: what waited is then in the history.
func (d *deafness) beside(ctx context.Context) (s span, err error) {
	before, err := d.look(ctx)
	if err != nil {
		return s, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.instances[0].addr)
	if err != nil {
		return s, err
	}
	defer func() { _ = conn.Close() }() // it never meant anything
	if _, err := fmt.Fprintf(conn, "GET /ws?topics=%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		url.QueryEscape(strings.Join(load.Names(topics), ","))); err != nil {
		return s, err
	}
	// For a moment something waits for the others, too. What three looks see is its.
	var waiting [3]float64
	s, err = d.watch(ctx, func(now queues) bool {
		waiting = [...]float64{now.bytes, waiting[0], waiting[1]}
		d.queue = max(d.queue, slices.Min(waiting[:]))
		return now.overflows > before.overflows
	})
	bytes, failed := kernelBytes(conn.RemoteAddr(), conn.LocalAddr())
	if d.kernel = max(d.kernel, bytes); d.kernel > kernelMost { // then a queue may never be full
		return s, fmt.Errorf("the kernel holds %d bytes for a client that never reads", d.kernel)
	}
	return s, errors.Join(err, failed)
}

// queues are those of all clients.
type queues struct{ bytes, overflows float64 }

// watch lets a window pass, and more until it is done, and looks at the queues
// meanwhile. That takes time from others: so it is for both kinds of windows.
func (d *deafness) watch(ctx context.Context, done func(queues) bool) (s span, err error) {
	s.began = time.Now()
	for enough := false; !enough; {
		now, err := d.look(ctx)
		if err != nil {
			return s, err
		}
		s.ended = time.Now()
		long := s.ended.Sub(s.began)
		if long > deafLongest {
			return s, errors.New("no queue was full: this proves nothing")
		}
		enough = done(now) && long >= window
	}
	return s, nil
}

// look waits a moment before it does.
func (d *deafness) look(ctx context.Context) (now queues, err error) {
	if err := d.pass(ctx, window/50); err != nil {
		return now, err
	}
	if now.bytes, err = d.sum(ctx, "rowcast_queued_bytes"); err != nil {
		return now, err
	}
	now.overflows, err = d.sum(ctx, "rowcast_queue_overflows_total")
	return now, err
}
