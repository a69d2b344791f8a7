package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/client"
	"rowcast/chaos/load"
)

// emitToAll sends an event to all topics, in one round trip: nothing else passes
// while the transaction is open.
func emitToAll(ctx context.Context, conn *pgx.Conn, mutation string) (key string, err error) {
	_, err = conn.Exec(ctx, fmt.Sprintf(`
		BEGIN;
		INSERT INTO oracle.tx (began) VALUES (pg_current_snapshot());
		SELECT set_config('rowcast.mutation_id', '%[1]s', true);
		SELECT oracle.emit('announced', '%[1]s', '{%[2]s}');
		COMMIT`, mutation, strings.Join(load.Names(topics), ",")))
	return mutation + "/announced/", err
}

// reached is when the last client got an event; it waits for that.
func (w *world) reached(ctx context.Context, key string, patience time.Duration) (last time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, c := range w.clients {
		at, err := arrival(ctx, c, key)
		if err != nil {
			return last, fmt.Errorf("%s did not get %s within %v: %w", c.Journal().Name(), key, patience, err)
		}
		if at.After(last) {
			last = at
		}
	}
	return last, nil
}

// arrival is when a client got an event; it waits for it.
func arrival(ctx context.Context, c *client.Client, key string) (time.Time, error) {
	for {
		changed := c.Journal().Changed()
		for e := range c.Journal().Events() {
			if e.Key == key {
				return e.Received, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}
