package pglisten

import (
	"context"
	"fmt"
	"time"

	"rowcast/internal/snapshot"
)

const (
	rotateInterval = time.Minute
	rotateTimeout  = 30 * time.Second
)

// chores is the second goroutine of Run: it looks after the watched tables, writes
// the canary and rotates the log, so that the reader never waits for any of them.
type chores struct {
	s      *Source
	aside  aside
	seen   snapshot.Snapshot // the reader's cursor at …
	seenAt time.Time         // … this time
}

func newChores(s *Source) *chores {
	return &chores{s: s, aside: aside{s: s}}
}

// run works until ctx is done. What fails is tried again at the next tick.
func (c *chores) run(ctx context.Context) {
	tick := time.NewTicker(c.s.tempo.inspect / 4)
	defer tick.Stop()
	defer c.aside.close(ctx)
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		switch n % 4 {
		case 0:
			if err := c.inspect(ctx); err != nil && ctx.Err() == nil {
				c.s.log.Warn("watches not inspected", "err", err)
			}
			if err := c.rotate(ctx, time.Now()); err != nil && ctx.Err() == nil {
				c.s.log.Warn("log not rotated", "err", err)
			}
		case 1: // to inspect wakes the reader; here there is only the doorbell to do it
			if err := c.sing(ctx); err != nil && ctx.Err() == nil {
				c.s.log.Warn("canary not written", "err", err)
			}
		}
	}
}

// inspect loads the watches for the reader to compare.
func (c *chores) inspect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	conn, err := c.aside.use(ctx)
	if err != nil {
		return err
	}
	fresh, err := loadCatalogue(ctx, conn)
	if err != nil {
		return err
	}
	c.s.mail.leave(fresh)
	var usage float64
	if err := conn.QueryRow(ctx, "SELECT pg_notification_queue_usage()").Scan(&usage); err != nil {
		return fmt.Errorf("ask for notify queue: %w", err)
	}
	c.s.stats.edit(func(s *Stats) { s.QueueUsage = usage })
	return nil
}

// rotate empties slots of the log, when it is time, of which everything had been
// read at least a minute ago.
func (c *chores) rotate(ctx context.Context, now time.Time) error {
	if now.Sub(c.seenAt) < rotateInterval {
		return nil
	}
	seen, first := c.seen, c.seenAt.IsZero()
	c.seen, c.seenAt = c.s.stats.position(), now
	if first {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rotateTimeout)
	defer cancel()
	conn, err := c.aside.use(ctx)
	if err != nil {
		return err
	}
	var outcome string
	err = conn.QueryRow(ctx, "SELECT rowcast.rotate($1::text::pg_snapshot)", seen.String()).Scan(&outcome)
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	c.s.log.Debug("log rotation", "outcome", outcome)
	if outcome == "rotated" {
		c.s.stats.edit(func(s *Stats) { s.Rotated++ })
	}
	return nil
}
