package pglisten

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	connectTimeout   = 10 * time.Second
	closeTimeout     = 2 * time.Second
	statementTimeout = 10 * time.Second // of the small statements, on our side
	probeTimeout     = 2 * time.Second  // for a notification to oneself
)

// settings are made on every connection, so that nothing a role or a database
// was given stands between the reader and the log: row security would hide
// rows without an error, REPEATABLE READ a truncation.
var settings = [][2]string{
	{"search_path", "pg_catalog"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"row_security", "off"},
	{"statement_timeout", "10min"},
	{"lock_timeout", "0"},
	{"idle_session_timeout", "0"}, // from 14
	{"synchronous_commit", "off"},
	{"jit", "off"},
	{"max_parallel_workers_per_gather", "0"},
	{"plan_cache_mode", "force_generic_plan"},
	{"enable_seqscan", "off"},    // a slot just filled has no statistics; and for
	{"enable_bitmapscan", "off"}, // a few rows in one of eight slots, bitmaps cost most
	{"client_encoding", "UTF8"},
}

// setSettings sets those that the server knows.
const setSettings = `SELECT count(set_config(name, value, $3))
  FROM unnest($1::text[], $2::text[]) AS s (name, value)
 WHERE current_setting(name, true) IS NOT NULL`

func applySettings(ctx context.Context, q querier, local bool) error {
	var names, values []string
	for _, s := range settings {
		names, values = append(names, s[0]), append(values, s[1])
	}
	if _, err := q.Exec(ctx, setSettings, names, values, local); err != nil {
		return fmt.Errorf("set session settings: %w", err)
	}
	return nil
}

// querier is a connection, a pool or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// configure makes the connections' configuration.
func (s *Source) configure() error {
	c, err := configuration(s.o.URL, s.o.Config)
	if err != nil {
		return err
	}
	if s.o.Mode == Poll {
		// Through a transaction pooler no statement outlives its transaction.
		c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	s.config = c
	return nil
}

// configuration is that of a connection to the primary. given, with its own
// dialer, is used instead of the URL when it is set.
func configuration(url string, given *pgx.ConnConfig) (*pgx.ConnConfig, error) {
	c := given
	if c == nil {
		parsed, err := pgx.ParseConfig(url)
		if err != nil {
			return nil, fmt.Errorf("parse database url: %w", err)
		}
		c = parsed
	}
	c = c.Copy()
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "rowcast"
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	if given == nil {
		dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
		}}
		c.DialFunc = dialer.DialContext
	}
	c.ValidateConnect = primaryOnly(c.ValidateConnect)
	return c, nil
}

// primaryOnly goes on to the next host of the URL when one is a standby.
func primaryOnly(and pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		results, err := conn.Exec(ctx, "SELECT pg_catalog.pg_is_in_recovery()").ReadAll()
		if err != nil {
			return fmt.Errorf("ask for recovery: %w", err)
		}
		if string(results[0].Rows[0][0]) == "t" {
			return ErrStandby
		}
		if and != nil {
			return and(ctx, conn)
		}
		return nil
	}
}

// connect makes the reader's connection and, in mode Doorbell, listens on it.
func (r *reader) connect(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c := r.s.config.Copy()
	c.OnNotification = r.heard
	if r.conn, err = pgx.ConnectConfig(ctx, c); err != nil {
		return connectError(err)
	}
	defer func() {
		if err != nil {
			r.disconnect(ctx)
		}
	}()
	if r.s.o.Mode == Poll {
		return nil
	}
	if err = r.probe(ctx); err != nil {
		return err
	}
	if err = applySettings(ctx, r.conn, false); err != nil {
		return err
	}
	for _, channel := range append([]string{"rowcast"}, r.s.o.Channels...) {
		if _, err = r.conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return fmt.Errorf("listen %q: %w", channel, err)
		}
	}
	return nil
}

// probe finds out whether the connection is a session of one's own. A pooler
// gives itself away by a process id that is not the server's; whether it
// matters, a notification tells: one from elsewhere must arrive while this
// connection is idle.
func (r *reader) probe(ctx context.Context) error {
	var pid int64
	if err := r.conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid); err != nil {
		return fmt.Errorf("ask for backend pid: %w", err)
	}
	if uint32(pid) == r.conn.PgConn().PID() {
		return nil
	}
	if _, err := r.conn.Exec(ctx, "LISTEN rowcast"); err != nil {
		return fmt.Errorf("listen %q: %w", "rowcast", err)
	}
	c, err := pgx.ConnectConfig(ctx, r.s.config.Copy())
	if err != nil {
		return connectError(err)
	}
	defer hangUp(ctx, c)
	if _, err := c.Exec(ctx, relay, pgx.QueryExecModeExec); err != nil {
		return fmt.Errorf("notify oneself: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	switch err := r.conn.PgConn().WaitForNotification(ctx); {
	case err == nil:
		return nil
	case ctx.Err() != nil && !r.conn.IsClosed():
		return ErrPooler
	default:
		return fmt.Errorf("wait for notification: %w", err)
	}
}

// connectError names what PgBouncer says in its own words.
func connectError(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.Contains(pg.Message, "unsupported startup parameter") {
		return fmt.Errorf("%w: %s", ErrPooler, pg.Message)
	}
	return fmt.Errorf("connect: %w", err)
}
