package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// A window is a part of the run in which a transaction is open, or none is. They
// take turns, so that whatever else the machine does is the same for both.
const (
	windows = 7 // of each kind
	window  = time.Second
)

type span struct{ began, ended time.Time }

// compareOpen takes the 99th percentile of the time from a commit to a client in
// each window, and prints the median of both kinds.
func compareOpen(ctx context.Context, w *world) (figure string, err error) {
	conn, err := pgx.Connect(ctx, w.writers())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var without, with []span
	for n := range windows {
		began := time.Now()
		if err := w.pass(ctx, window); err != nil {
			return "", err
		}
		without = append(without, span{began, time.Now()})
		s, err := w.leaveOpen(ctx, conn, fmt.Sprintf("open.%d", n))
		if err != nil {
			return "", err
		}
		with = append(with, s)
	}
	if err := w.pass(ctx, window); err != nil { // for the last ones to arrive
		return "", err
	}
	free, held := w.percentile(without), w.percentile(with)
	if free == 0 || held == 0 {
		return "", errors.New("nothing was written in a window: this proves nothing")
	}
	if held > window/2 {
		return "", fmt.Errorf("an open transaction held others up: p99 %v, and %v without", held, free)
	}
	return fmt.Sprintf("p99 %s ms with it, %s ms without", milliseconds(held), milliseconds(free)), nil
}

// leaveOpen writes to a watched table and leaves the transaction open for a window.
func (w *world) leaveOpen(ctx context.Context, conn *pgx.Conn, mutation string) (s span, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"INSERT INTO oracle.tx (began) VALUES (pg_current_snapshot())",
			"SELECT set_config('rowcast.mutation_id', '" + mutation + "', true)",
			"INSERT INTO messages (topic_id, content) VALUES (1, 'open for long')",
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		s.began = time.Now()
		err := w.pass(ctx, window)
		s.ended = time.Now()
		return err
	})
	return s, err
}

// percentile is the median of the windows' 99th percentiles.
func (w *world) percentile(windows []span) time.Duration {
	each := make([][]time.Duration, len(windows))
	for _, c := range w.clients {
		seen := map[string]bool{}
		for e := range c.Journal().Events() {
			at, known := w.load.Committed(e.Key)
			n := slices.IndexFunc(windows, func(s span) bool { return !at.Before(s.began) && at.Before(s.ended) })
			if !known || n < 0 || seen[e.Key] {
				continue
			}
			seen[e.Key] = true
			each[n] = append(each[n], e.Received.Sub(at))
		}
	}
	var all []time.Duration
	for _, latencies := range each {
		slices.Sort(latencies)
		all = append(all, quantile(latencies, 0.99))
	}
	slices.Sort(all)
	return quantile(all, 0.5)
}
