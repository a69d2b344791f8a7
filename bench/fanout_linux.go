package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"rowcast/bench/load"
)

const (
	// mostWaves bounds how often a small room is published to.
	mostWaves = 2000

	// eachMost is up to how many deliveries of a wave the contenders are measured
	// whose every message is a system call: it takes long, and one costs as much
	// as another.
	eachMost = 100_000

	// spareFiles are those of a process beside its sockets.
	spareFiles = 100
)

// fanout prints what sending events to rooms costs a server, and how long it takes.
func (b *bench) fanout(ctx context.Context, w io.Writer) error {
	if err := enoughFiles(slices.Max(b.o.Rooms)); err != nil {
		return err
	}
	client, err := load.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing of it is needed any more
	costs, err := b.costs(ctx, client)
	if err != nil {
		return err
	}
	if err := b.printCosts(w, costs); err != nil {
		return err
	}
	delays, err := b.delays(ctx, client)
	if err != nil {
		return err
	}
	if err := b.printDelays(w, delays); err != nil {
		return err
	}
	t := newTargets()
	costs.targets(t, b.o.Rooms)
	delays.targets(t)
	return t.print(w)
}

// enoughFiles says whether a process may have so many sockets.
func enoughFiles(n int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	if uint64(n+spareFiles) > limit.Cur {
		return fmt.Errorf("%d clients are too many for a process that may have %d files (ulimit -n)", n, limit.Cur)
	}
	return nil
}

// setting is a room's size, and how many events are published to it at a time.
type setting struct{ room, events int }

// cost is what a delivery costs the server.
type cost struct {
	cpu         float64 // µs
	allocations float64
}

// costs are of each setting each contender's rounds.
type costs map[setting]*[contenders][]cost

// costs measures all contenders in all settings, in interleaved rounds.
func (b *bench) costs(ctx context.Context, client *load.Client) (costs, error) {
	all := costs{}
	for _, room := range b.o.Rooms {
		for _, k := range b.o.Events {
			all[setting{room, k}] = new([contenders][]cost)
		}
		for round := range b.o.Rounds {
			for i, e := range entrants {
				b.progress("fanout: a room of %d, round %d of %d: %s", room, round+1, b.o.Rounds, e.name)
				if err := b.costsOf(ctx, client, i, room, all); err != nil {
					return nil, fmt.Errorf("%s: %w", e.name, err)
				}
			}
		}
	}
	return all, nil
}

// costsOf adds a round of a contender in a room: all numbers of events, on the same
// connections.
func (b *bench) costsOf(ctx context.Context, client *load.Client, i, room int, all costs) (err error) {
	s, err := entrants[i].open(ctx, client, room, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	for _, k := range b.o.Events {
		if (i == loop || i == chat) && room*k > eachMost {
			continue
		}
		at := setting{room, k}
		c, err := s.cost(ctx, at, max(1, min(b.o.Deliveries/(room*k), mostWaves)))
		if err != nil {
			return err
		}
		all[at][i] = append(all[at][i], c)
	}
	return nil
}

// cost publishes one wave after the other, each when the one before has reached
// every client.
func (s *stage) cost(ctx context.Context, at setting, waves int) (cost, error) {
	if err := s.publish(ctx, at.events, 1, func() error { return nil }); err != nil { // queues and buffers get their size
		return cost{}, err
	}
	var began time.Duration
	var allocated uint64
	err := s.publish(ctx, at.events, waves, func() (err error) {
		runtime.GC() // what others left behind
		allocated = mallocs()
		began, err = cpu()
		return err
	})
	if err != nil {
		return cost{}, err
	}
	ended, err := cpu()
	allocated = mallocs() - allocated
	n := float64(waves * at.events * at.room)
	return cost{micro(ended-began) / n, float64(allocated) / n}, err
}

// publish publishes waves, and calls begin when they are prepared.
func (s *stage) publish(ctx context.Context, k, waves int, begin func() error) error {
	publish := s.publisher(ctx, k, waves)
	if err := s.clients.Expect(k, waves); err != nil {
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	for range waves {
		if err := publish(); err != nil {
			return err
		}
		if err := s.clients.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// cpu returns the median of a contender's rounds in µs; 0: it was not measured.
func (c costs) cpu(at setting, i int) float64 {
	return c.median(at, i, func(_ int, c cost) float64 { return c.cpu })
}

func (c costs) allocations(at setting, i int) float64 {
	return c.median(at, i, func(_ int, c cost) float64 { return c.allocations })
}

// ratio returns the median of the ratios of each round.
func (c costs) ratio(at setting, i, to int) float64 {
	base := c[at][to]
	if len(base) == 0 {
		return 0
	}
	return c.median(at, i, func(round int, c cost) float64 { return c.cpu / base[round].cpu })
}

func (c costs) median(at setting, i int, of func(round int, c cost) float64) float64 {
	var values []float64
	for round, cost := range c[at][i] {
		values = append(values, of(round, cost))
	}
	if len(values) == 0 {
		return 0
	}
	return median(values)
}

func (b *bench) printCosts(w io.Writer, c costs) error {
	t := table{title: fmt.Sprintf("Fan-out: the server's CPU for each delivery of a %d-byte frame to a room, and its ratio (medians of %d rounds).\n"+
		"The next events come when every client has got the last; to wait for that, a read of a pipe, is in all figures and\n"+
		"most of some in the smallest rooms. Of several events at a time write(2) gets all at once.", wireBytes, b.o.Rounds)}
	t.add("room", "at a time", "rowcast / write(2)", "rowcast / chat", "rowcast / loop", "write(2)", "conn.Write loop", "chat example", "rowcast", "its allocations")
	for _, room := range b.o.Rooms {
		for _, k := range b.o.Events {
			at := setting{room, k}
			row := []string{strconv.Itoa(room), strconv.Itoa(k)}
			for _, to := range []int{raw, chat, loop} {
				row = append(row, figure("%.2f", c.ratio(at, rowcast, to)))
			}
			for i := range entrants {
				row = append(row, figure("%.2f µs", c.cpu(at, i)))
			}
			t.add(append(row, figure("%.3f", c.allocations(at, rowcast)))...)
		}
	}
	return t.print(w)
}

// figure writes a number; 0 was not measured.
func figure(format string, v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

// targets are for rooms of 100 to 10,000.
func (c costs) targets(t *targets, all []int) {
	var large []int
	for _, room := range all {
		if room >= 100 && room <= 10_000 {
			large = append(large, room)
		}
	}
	each := func(what string, k int, most float64, format string, of func(setting) float64) {
		worst, said := 0.0, ""
		for _, room := range large {
			if at := (setting{room, k}); c[at] != nil {
				v := of(at)
				worst = math.Max(worst, v)
				said += fmt.Sprintf(", %d: "+format, room, v)
			}
		}
		if said != "" {
			t.add(what, "room of "+said[len(", "):], worst <= most)
		}
	}
	each("CPU per delivery, one event at a time ≤ 1.2 × a loop of write(2)", 1, 1.2, "%.2f", func(at setting) float64 { return c.ratio(at, rowcast, raw) })
	each("the same ≤ 0.6 × the library's chat example", 1, 0.6, "%.2f", func(at setting) float64 { return c.ratio(at, rowcast, chat) })
	each("CPU per delivery, 16 events at a time ≤ 1.2 µs", 16, 1.2, "%.2f µs", func(at setting) float64 { return c.cpu(at, rowcast) })
	each("allocations per delivery, one event at a time < 0.1", 1, 0.0999, "%.3f", func(at setting) float64 { return c.allocations(at, rowcast) })
}
