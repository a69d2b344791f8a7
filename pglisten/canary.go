package pglisten

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// canaryWatch is the id of the watch of rowcast.canary (migrations/sql).
const canaryWatch = -1

// sing writes this instance's row into rowcast.canary, and into the row when that
// was. The ordinary triggers log it and ring for it: if it does not come back,
// nothing does.
func (c *chores) sing(ctx context.Context) error {
	if c.s.o.Canary == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	conn, err := c.aside.use(ctx)
	if err == nil {
		note := time.Since(c.s.made).Microseconds()
		_, err = conn.Exec(ctx, "SELECT rowcast.sing($1, $2)", c.s.o.Canary, note)
		err = songError(err, c.s.config.User)
	}
	c.s.stats.edit(func(s *Stats) { s.Canary.Err = err })
	return err
}

// songError says what to do about an error, where that is known.
func songError(err error, role string) error {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &pg):
		return fmt.Errorf("call rowcast.sing: %w", err)
	case pg.Code == "42501": // no right
		return fmt.Errorf("%w (the schema's owner grants it: SELECT rowcast.grant_daemon('%s'))", err, role)
	case pg.Code == "42883": // no function
		return fmt.Errorf("%w (run rowcast migrate up)", err)
	}
	return err
}

// Sung returns how long ago this source wrote the note.
func (s *Source) Sung(note int64) time.Duration {
	return time.Since(s.made) - time.Duration(note)*time.Microsecond
}
