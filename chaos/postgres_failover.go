package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp"
)

// followPostgres makes a standby that has each commit before its writer hears of
// it. The daemons know of both servers.
func followPostgres(ctx context.Context, w *world) error {
	standby, err := w.pg.Standby(ctx)
	if err != nil {
		return err
	}
	w.standby = standby
	w.atEnd(standby.Close)
	for _, i := range w.instances {
		if i.database, err = alsoAt(i.database, standby); err != nil {
			return err
		}
	}
	conn, err := pgx.Connect(ctx, w.pg.URL("postgres"))
	if err != nil {
		return err
	}
	// Not before the copy was made: the standby would wait for one of its own.
	for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if _, err = conn.Exec(ctx, sql); err != nil {
			break
		}
	}
	for synchronous := false; err == nil && !synchronous; err = errors.Join(err, w.pass(ctx, 10*time.Millisecond)) {
		err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')").Scan(&synchronous)
	}
	return errors.Join(err, conn.Close(ctx))
}

// alsoAt adds a host to a URL.
func alsoAt(database string, c *pgtemp.Cluster) (string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return "", err
	}
	u.Host += "," + net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port()))
	return u.String(), nil
}

// promoteStandby kills the primary. The standby takes over, and the writers move.
func promoteStandby(ctx context.Context, w *world) (figure string, err error) {
	if err := errors.Join(w.pass(ctx, time.Second+w.soon()), w.pg.Kill(), w.pass(ctx, w.soon())); err != nil {
		return "", err
	}
	began := time.Now()
	if err := w.standby.Promote(ctx); err != nil {
		return "", err
	}
	promoted := time.Since(began)
	w.moveTo(w.standby)
	err = errors.Join(w.reading(ctx), w.pass(ctx, 500*time.Millisecond))
	return fmt.Sprintf("promoted in %.1f s, read in %.1f s", promoted.Seconds(), time.Since(began).Seconds()), err
}
