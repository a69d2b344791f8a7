package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/oracle"
)

// fetcher is what the clients fetch from: a few connections to the database that
// is the writers' at the time, like those of an application's server.
type fetcher struct {
	url  func() string
	free chan *fetch
}

// fetch is one of the connections.
type fetch struct {
	conn *pgx.Conn // nil: none
	url  string    // to where
}

const (
	fetches   = 4
	fetchTime = 5 * time.Second // after that it is tried anew
	fetchRest = 50 * time.Millisecond
)

func newFetcher(url func() string) *fetcher {
	f := &fetcher{url: url, free: make(chan *fetch, fetches)}
	for range fetches {
		f.free <- &fetch{}
	}
	return f
}

// snapshot is a refetch: what it sees needs no event. It tries until ctx ends.
func (f *fetcher) snapshot(ctx context.Context) (oracle.Snapshot, error) {
	retry := time.NewTicker(fetchRest)
	defer retry.Stop()
	for {
		text, err := f.try(ctx)
		if err == nil {
			return oracle.ParseSnapshot(text)
		}
		select {
		case <-ctx.Done():
			return oracle.Snapshot{}, err
		case <-retry.C:
		}
	}
}

func (f *fetcher) try(ctx context.Context) (text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	var c *fetch
	select {
	case c = <-f.free:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { f.free <- c }()
	if url := f.url(); c.conn == nil || c.url != url {
		c.close(ctx)
		if c.conn, err = pgx.Connect(ctx, url); err != nil {
			c.conn = nil
			return "", err
		}
		c.url = url
	}
	if err = c.conn.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&text); err != nil {
		c.close(ctx)
	}
	return text, err
}

func (c *fetch) close(ctx context.Context) {
	if c.conn != nil {
		_ = c.conn.Close(ctx) // nothing is lost with it
		c.conn = nil
	}
}

// close closes the connections; nobody fetches any more.
func (f *fetcher) close(ctx context.Context) {
	for range fetches {
		(<-f.free).close(ctx)
	}
}
