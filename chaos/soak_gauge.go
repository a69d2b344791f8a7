package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	mega     = 1 << 20
	restWait = 10 * time.Second // for the sessions of a round to be gone
)

// gauge is a figure that must not grow, of the instance that is never restarted or
// of Postgres.
type gauge struct {
	bound
	metric string  // of the instance; "": asked of Postgres
	less   string  // another, to be taken from it
	per    float64 // of the metric in the unit
	sql    string
}

// gauges are all, in the order in which they are printed. How much is written
// depends on what else the machine does. So of what is kept for a time it is the
// age that must not grow; the heap is that without the history; and of the log's
// size only the coarsest is asked. The log keeps a sixth more than its retention,
// and what is of the turn after.
var gauges = []gauge{
	{bound: bound{name: "resident", unit: "MB", slack: 16, share: 0.2, settles: 2 * soakHistory}, metric: "process_resident_memory_bytes", per: mega},
	{bound: bound{name: "heap", unit: "MB", slack: 2, share: 0.2, settles: 2 * soakHistory}, metric: "go_memstats_heap_alloc_bytes", less: "rowcast_history_bytes", per: mega},
	{bound: bound{name: "history", unit: "s", slack: 30, settles: 2 * soakHistory}, metric: "rowcast_history_age_seconds", per: 1},
	{bound: bound{name: "goroutines", slack: 4}, metric: "go_goroutines", per: 1},
	{bound: bound{name: "files", slack: 4}, metric: "process_open_fds", per: 1},
	{bound: bound{name: "sessions"}, metric: "rowcast_connections", per: 1},
	{bound: bound{name: "members"}, metric: "rowcast_memberships", per: 1},
	{
		bound: bound{name: "log", unit: "s", slack: 180, settles: soakRetained * 8 / 6},
		sql:   "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 FROM rowcast.log",
	},
	{
		bound: bound{name: "log", unit: "MB", slack: 32, share: 1, settles: soakRetained * 8 / 6},
		sql:   "SELECT sum(pg_total_relation_size(relid)) / 1048576.0 FROM pg_partition_tree('rowcast.log')",
	},
	{
		bound: bound{name: "backends", slack: 2},
		sql:   fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE usename = '%s'", daemonRole),
	},
}

// rest waits until only the residents are left, and no longer than it should take,
// and takes all figures.
func (s *soak) rest(ctx context.Context) error {
	rested := time.Now().Add(soakLookback)
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for late := time.Now().Add(restWait); ; {
		sessions, err := s.kept().metric(ctx, "rowcast_connections")
		if err != nil {
			return err
		}
		now := time.Now()
		if int(sessions) <= len(s.guests) && now.After(rested) || now.After(late) {
			break
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range 2 { // the second frees what the first had to finalize
		if _, err := s.kept().ask(ctx, "/debug/pprof/heap?gc=1"); err != nil {
			return err
		}
	}
	return s.measure(ctx)
}

// measure takes a point of each figure.
func (s *soak) measure(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.world.writers())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // it has only asked
	at := time.Since(s.began)
	for _, g := range gauges {
		var value float64
		if g.sql != "" {
			err = conn.QueryRow(ctx, g.sql).Scan(&value)
		} else if value, err = s.kept().metric(ctx, g.metric); err == nil {
			value, err = s.without(ctx, value, g)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		s.series[g.title()] = append(s.series[g.title()], point{at, value})
	}
	return nil
}

// without takes from a metric what is not meant, and makes it one of the unit.
func (s *soak) without(ctx context.Context, value float64, g gauge) (float64, error) {
	if g.less == "" {
		return value / g.per, nil
	}
	less, err := s.kept().metric(ctx, g.less)
	return (value - less) / g.per, err
}
