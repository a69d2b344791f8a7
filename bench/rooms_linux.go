package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"rowcast/bench/load"
	"rowcast/internal/snapshot"
	"rowcast/rooms"
)

// manyRooms are as many as clients, with 1, 2 and 3 members in turn: a client is in
// its own room and in those behind it of the same three.
type manyRooms struct {
	n      int
	stage  *stage
	groups [3]*load.Group // those in 3 rooms, in 2, and in 1
}

// rooms prints what sending events to many small rooms costs a server.
func (b *bench) rooms(ctx context.Context, w io.Writer) error {
	n := b.o.Clients / 3 * 3
	if err := enoughFiles(n); err != nil {
		return err
	}
	client, err := load.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing of it is needed any more
	var base, ratios, each, allocations []float64
	for round := range b.o.Rounds {
		b.progress("rooms: round %d of %d", round+1, b.o.Rounds)
		floor, err := rawCost(ctx, client, n)
		if err != nil {
			return err
		}
		c, err := roomsCost(ctx, client, n)
		if err != nil {
			return err
		}
		base, each = append(base, floor.cpu), append(each, c.cpu)
		ratios, allocations = append(ratios, c.cpu/floor.cpu), append(allocations, c.allocations)
	}
	t := table{title: fmt.Sprintf("Many small rooms: %d of 1 to 3 members, an event to each in turn; the server's CPU for each delivery, and its ratio (medians of %d rounds)", n, b.o.Rounds)}
	t.add("rowcast / write(2)", "write(2), a room of as many", "rowcast", "its allocations")
	t.add(figure("%.2f", median(ratios)), figure("%.2f µs", median(base)), figure("%.2f µs", median(each)), figure("%.3f", median(allocations)))
	return t.print(w)
}

// rawCost is the kernel's own price for as many connections.
func rawCost(ctx context.Context, client *load.Client, n int) (_ cost, err error) {
	s, err := entrants[raw].open(ctx, client, n, false)
	if err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	return s.cost(ctx, setting{n, 1}, 2)
}

// roomsCost is that of an event to each room, when there was one already.
func roomsCost(ctx context.Context, client *load.Client, n int) (_ cost, err error) {
	m := &manyRooms{n: n}
	var addr string
	if m.stage, addr, err = entrants[rowcast].serve(ctx, n); err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, m.stage.close(ctx)) }()
	for first := range m.groups {
		d := load.Dial{Address: addr, Paths: m.paths(first), Connections: n / len(m.groups)}
		if m.groups[first], err = client.Dial(d); err != nil {
			return cost{}, err
		}
		defer func() { err = errors.Join(err, m.groups[first].Close()) }()
	}
	m.stage.arrived.Wait()
	if _, err := m.publish(); err != nil {
		return cost{}, err
	}
	return m.publish()
}

// paths are those of a group's clients.
func (m *manyRooms) paths(first int) (paths []string) {
	for i := first; i < m.n; i += len(m.groups) {
		var topics []string
		for room := i; room < i-first+len(m.groups); room++ {
			topics = append(topics, m.name(room))
		}
		paths = append(paths, "/ws?topics="+strings.Join(topics, ","))
	}
	return paths
}

func (m *manyRooms) name(room int) string { return fmt.Sprintf("room_%d", room) }

// publish publishes an event to each room. Those that share a client are not next to
// one another.
func (m *manyRooms) publish() (cost, error) {
	c := m.stage.contender.(*fanOut)
	var batches []rooms.Batch
	for first, g := range m.groups {
		if err := g.Expect(len(m.groups)-first, 1); err != nil {
			return cost{}, err
		}
		for room := first; room < m.n; room += len(m.groups) {
			item := c.events.next().Item
			item.Topics = []string{m.name(room)}
			batches = append(batches, rooms.Batch{Items: []rooms.Item{item}, Snapshot: snapshot.New(c.events.xid)})
		}
	}
	runtime.GC() // what others left behind
	allocated := mallocs()
	began, err := cpu()
	if err != nil {
		return cost{}, err
	}
	for _, batch := range batches {
		c.hub.Publish(batch)
	}
	for _, g := range m.groups {
		if err := g.Wait(); err != nil {
			return cost{}, err
		}
	}
	ended, err := cpu()
	allocated = mallocs() - allocated
	deliveries := float64(2 * m.n)
	return cost{micro(ended-began) / deliveries, float64(allocated) / deliveries}, err
}
