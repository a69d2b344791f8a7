package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"rowcast/bench/load"
)

// pace is how events come to a small room, whatever has become of those before.
type pace struct {
	room   int
	events int // at a time
	every  time.Duration
}

func (p pace) String() string {
	if p.events == 1 {
		return fmt.Sprintf("one each %v", p.every)
	}
	return fmt.Sprintf("%d each %v", p.events, p.every)
}

var paces = []pace{
	{1, 1, time.Millisecond},
	{10, 1, time.Millisecond},
	{1, 16, 4 * time.Millisecond},
	{10, 16, 4 * time.Millisecond},
}

// delay is of a round: from the call that publishes until a client has read.
type delay struct{ p50, p99 time.Duration }

// delays are of each pace each contender's rounds.
type delays map[pace]*[contenders][]delay

// delays measures all contenders at all paces, in interleaved rounds.
func (b *bench) delays(ctx context.Context, client *load.Client) (delays, error) {
	all := delays{}
	for _, p := range paces {
		all[p] = new([contenders][]delay)
		for round := range b.o.Rounds {
			b.progress("fanout: latency in a room of %d, %s, round %d of %d", p.room, p, round+1, b.o.Rounds)
			for i, e := range entrants {
				d, err := b.delaysOf(ctx, client, i, p)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", e.name, err)
				}
				slices.Sort(d)
				all[p][i] = append(all[p][i], delay{d[len(d)/2], d[len(d)*99/100]})
			}
		}
	}
	return all, nil
}

// delaysOf returns the delays of a round's deliveries.
func (b *bench) delaysOf(ctx context.Context, client *load.Client, i int, p pace) (_ []time.Duration, err error) {
	s, err := entrants[i].open(ctx, client, p.room, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	n := b.o.Samples
	publish := s.publisher(ctx, p.events, n)
	if err := s.clients.Expect(p.events*n, 1); err != nil {
		return nil, err
	}
	published := make([]time.Duration, n)
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for i := range published {
		<-tick.C
		published[i] = load.Now()
		if err := publish(); err != nil {
			return nil, err
		}
	}
	if err := s.clients.Wait(); err != nil {
		return nil, err
	}
	arrivals, err := s.clients.Arrivals()
	var d []time.Duration
	for _, client := range arrivals {
		for j, at := range client {
			d = append(d, at-published[j/p.events])
		}
	}
	return d, err
}

func (d delays) p50(p pace, i int) time.Duration {
	return d.median(p, i, func(d delay) time.Duration { return d.p50 })
}

func (d delays) p99(p pace, i int) time.Duration {
	return d.median(p, i, func(d delay) time.Duration { return d.p99 })
}

func (d delays) median(p pace, i int, of func(delay) time.Duration) time.Duration {
	var values []time.Duration
	for _, round := range d[p][i] {
		values = append(values, of(round))
	}
	return median(values)
}

// ratio compares a contender's p50 with that of write(2) in the publisher's own
// goroutine, round by round.
func (d delays) ratio(p pace, i int) float64 {
	var values []float64
	for round, inline := range d[p][raw] {
		values = append(values, float64(d[p][i][round].p50)/float64(inline.p50))
	}
	return median(values)
}

func (b *bench) printDelays(w io.Writer, d delays) error {
	t := table{title: fmt.Sprintf("Latency in small rooms: published → read by a client; median of %d rounds of %d times.\n"+
		"write(2) and conn.Write are called in the publisher's own goroutine.", b.o.Rounds, b.o.Samples)}
	t.add("room", "events", "by", "p50 / write(2)", "p50", "p99")
	for _, p := range paces {
		for i, e := range entrants {
			t.add(strconv.Itoa(p.room), p.String(), e.name, fmt.Sprintf("%.2f", d.ratio(p, i)),
				figure("%.0f µs", micro(d.p50(p, i))), figure("%.0f µs", micro(d.p99(p, i))))
		}
	}
	return t.print(w)
}

func (d delays) targets(t *targets) {
	one, ten := d.ratio(paces[0], rowcast), d.ratio(paces[1], rowcast)
	t.add("p50 in a small room ≤ 2 × an inline write", fmt.Sprintf("room of 1: %.2f, 10: %.2f", one, ten), max(one, ten) <= 2)
}
