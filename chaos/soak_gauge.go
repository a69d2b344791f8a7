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
	per    float64 // of the metric in the unit
	sql    string
}

// gauges are all, in the order in which they are printed. At rest the live heap
// is the history and little else, and the log is as large as its retention lets
// it be: a sixth more than that, and a turn of its slots.
var gauges = []gauge{
	{bound: bound{name: "resident", unit: "MB", slack: 16, share: 0.2, settles: 2 * soakHistory}, metric: "process_resident_memory_bytes", per: mega},
	{bound: bound{name: "heap", unit: "MB", slack: 3, share: 0.3, settles: 2 * soakHistory}, metric: "go_memstats_heap_alloc_bytes", per: mega},
	{bound: bound{name: "history", unit: "MB", slack: 1, share: 0.3, settles: 2 * soakHistory}, metric: "rowcast_history_bytes", per: mega},
	{bound: bound{name: "goroutines", slack: 4}, metric: "go_goroutines", per: 1},
	{bound: bound{name: "files", slack: 4}, metric: "process_open_fds", per: 1},
	{bound: bound{name: "sessions"}, metric: "rowcast_connections", per: 1},
	{bound: bound{name: "members"}, metric: "rowcast_memberships", per: 1},
	{
		bound: bound{name: "log", unit: "MB", slack: 16, share: 0.3, settles: soakRetained * 8 / 6},
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
			value /= g.per
		}
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		s.series[g.name] = append(s.series[g.name], point{at, value})
	}
	return nil
}
