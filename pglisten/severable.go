package pglisten

import (
	"context"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// severable makes the connections that c dials end with ctx, whatever the server does:
// pgx gives each up to 15 s for a farewell, and waits for that to close a pool.
func severable(ctx context.Context, c *pgconn.Config) {
	dial := c.DialFunc
	c.DialFunc = func(dialing context.Context, network, addr string) (net.Conn, error) {
		dialing, cancel := context.WithCancel(dialing)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		conn, err := dial(dialing, network, addr)
		if err != nil {
			return nil, err
		}
		return &severed{conn, context.AfterFunc(ctx, func() { _ = conn.Close() })}, nil
	}
}

// severed is a connection that ends with a context.
type severed struct {
	net.Conn
	forget func() bool
}

// Close implements net.Conn.
func (s *severed) Close() error {
	s.forget()
	return s.Conn.Close()
}
