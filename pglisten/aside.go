package pglisten

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// aside is a connection beside the reader's, made when it is used and made again
// when it broke. It belongs to one goroutine.
type aside struct {
	s    *Source
	conn *pgx.Conn
}

// use returns the connection.
func (a *aside) use(ctx context.Context) (*pgx.Conn, error) {
	if a.conn != nil && !a.conn.IsClosed() {
		return a.conn, nil
	}
	conn, err := pgx.ConnectConfig(ctx, a.s.config.Copy())
	if err != nil {
		return nil, connectError(err)
	}
	a.conn = conn
	if a.s.o.Mode == Poll {
		return conn, nil
	}
	if err := applySettings(ctx, conn, false); err != nil {
		a.close(ctx)
		return nil, err
	}
	return conn, nil
}

func (a *aside) close(ctx context.Context) {
	if a.conn != nil {
		hangUp(ctx, a.conn)
		a.conn = nil
	}
}

// hangUp closes a connection politely, and in any case.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // nothing is lost with it
}
