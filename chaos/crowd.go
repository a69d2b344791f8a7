package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/client"
	"rowcast/chaos/load"
)

// crowdScenarios are those with many clients.
func crowdScenarios() []scenario {
	return []scenario{
		{
			name: "crowd", fault: "kill -9 and restart, with 2,000 clients", alone: true,
			clients: 2000, heartbeat: 10 * time.Second, load: load.Options{Writers: 1, Pause: time.Hour}, // who writes is the scenario
			ends:    []string{client.Cut},
			prepare: logDaemonStatements, act: killUnderCrowd,
		},
		{
			name: "crowd-drop", fault: "500 clients, the connection of each breaks off every 2 s", alone: true,
			clients: 500, heartbeat: 10 * time.Second, load: load.Options{Writers: 1, Pause: 200 * time.Millisecond},
			habits: func(*rand.Rand, int) client.Habits { return client.Habits{Drop: 2 * time.Second} },
			act:    dropped,
		},
	}
}

const (
	missed = 5 // transactions that are committed while the daemon is away

	// allBack is how long a crowd may take to be back where it was.
	allBack = 60 * time.Second

	// startStatements is what a start may ask of Postgres, and the reading of what
	// was missed: whoever comes back may ask for nothing more, however many come.
	startStatements = 60
)

// killUnderCrowd kills the daemon, commits while it is away, and starts it again.
// The figure is how long it takes until each client has what it missed, and what
// Postgres was asked for it.
func killUnderCrowd(ctx context.Context, w *world) (figure string, err error) {
	conn, err := pgx.Connect(ctx, w.writers())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	// With this everybody has a cursor, also those whose only ones are the events'.
	key, err := emitToAll(ctx, conn, "before")
	if err != nil {
		return "", err
	}
	if _, err := w.reached(ctx, key, allBack); err != nil {
		return "", err
	}
	if err := w.instances[0].kill(); err != nil {
		return "", err
	}
	for n := range missed {
		if key, err = emitToAll(ctx, conn, fmt.Sprintf("missed.%d", n)); err != nil {
			return "", err
		}
	}
	before, err := w.daemonStatements()
	if err != nil {
		return "", err
	}
	began := time.Now()
	if err := w.instances[0].start(ctx); err != nil {
		return "", err
	}
	last, err := w.reached(ctx, key, allBack)
	if err != nil {
		return "", err
	}
	after, err := w.daemonStatements()
	if err != nil {
		return "", err
	}
	asked := after - before
	figure = fmt.Sprintf("%d clients back after %.1f s, %d statements", len(w.clients), last.Sub(began).Seconds(), asked)
	if asked == 0 {
		return figure, errors.New("no statement was logged: this proves nothing")
	}
	if asked > startStatements {
		return figure, fmt.Errorf("%d statements: more than a start takes (%d)", asked, startStatements)
	}
	return figure, nil
}

// logDaemonStatements has Postgres log each statement of the daemon's. Nothing
// counts more honestly: pg_stat_database is late, and counts others' too.
func logDaemonStatements(ctx context.Context, w *world) error {
	conn, err := pgx.Connect(ctx, w.writers())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, fmt.Sprintf("ALTER ROLE %s IN DATABASE %s SET log_statement = 'all'", daemonRole, w.database))
	return errors.Join(err, conn.Close(ctx))
}

// daemonStatements are those that Postgres has logged of this run.
func (w *world) daemonStatements() (count int, err error) {
	log, err := os.Open(filepath.Join(w.pg.Dir(), "postgres.log"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }() // it was read only
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		if _, said, found := strings.Cut(line, "] "+w.database+" LOG:  "); found &&
			(strings.HasPrefix(said, "statement: ") || strings.HasPrefix(said, "execute ")) {
			count++
		}
		if err != nil {
			return count, nil // the end
		}
	}
}
