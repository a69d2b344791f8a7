package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Standby starts a streaming copy of this cluster, with the same settings on a
// port and in a temporary folder of its own. It needs pg_basebackup beside the
// server. Whoever called it closes it.
func (c *Cluster) Standby(ctx context.Context) (*Cluster, error) {
	backup := filepath.Join(c.bin, "pg_basebackup")
	if _, err := os.Stat(backup); err != nil {
		return nil, fmt.Errorf("make a standby: %w", err)
	}
	o := c.options
	o.BinDir, o.Dir, o.Keep = c.bin, "", false
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	err = s.tool(ctx, backup, "-D", s.data(), "-h", "127.0.0.1", "-p", strconv.Itoa(c.port),
		"-U", "postgres", "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	if err == nil {
		err = s.startOnFreePort(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Promote makes a standby a primary. It returns when the server takes writes.
func (c *Cluster) Promote(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return fmt.Errorf("promote postgres: %w", err)
	}
	var promoted bool
	err = conn.QueryRow(ctx, "SELECT pg_promote(true, 60)").Scan(&promoted)
	if err == nil && !promoted {
		err = errors.New("still in recovery after 60 s")
	}
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("promote postgres: %w", err)
	}
	return nil
}
