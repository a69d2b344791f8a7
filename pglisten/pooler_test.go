package pglisten

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
)

// What a transaction pooler makes of LISTEN: the process id is its own
// invention, and a notification that comes while no statement runs meets a
// server connection that is nobody's.
func TestSource_recognises_a_pooler(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)

	err := refused(t, New(Options{Config: pooled(t, pgtest.Daemon(t, url), true)}))
	if !errors.Is(err, ErrPooler) {
		t.Errorf("transaction pooler: %v", err)
	}
	// One that keeps a session together does no harm.
	_, sink := run(t, Options{Config: pooled(t, pgtest.Daemon(t, url), false)})
	execute(t, conn, insertMessage)
	sink.until(t, "a change", func() bool { return len(sink.changes()) == 1 })
	// Polling needs no notification.
	s, polled := run(t, Options{Config: pooled(t, pgtest.Daemon(t, url), true), Mode: Poll})
	execute(t, conn, insertMessage)
	polled.until(t, "a change", func() bool { return len(polled.changes()) == 1 })
	if bell := ask[int64](t, conn, "SELECT last_value FROM rowcast.doorbell"); bell >= 0 {
		t.Errorf("polling, the doorbell is %d", bell)
	}
	if state := s.Stats().State; state != "polling" {
		t.Errorf("state %q", state)
	}
}

// pooled returns a configuration whose connections lead through a pooler, as far
// as the client can see.
func pooled(t *testing.T, url string, swallow bool) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &pooler{Conn: c, swallow: swallow}, err
	}
	return config
}

// pooler rewrites what the server sends, message by message (Postgres manual,
// 55.7).
type pooler struct {
	net.Conn
	swallow bool
	busy    atomic.Bool // a statement runs
	head    []byte      // of a message not yet whole
	ready   []byte      // for the client
}

func (p *pooler) Write(b []byte) (int, error) {
	p.busy.Store(true)
	return p.Conn.Write(b)
}

func (p *pooler) Read(b []byte) (int, error) {
	for len(p.ready) == 0 {
		chunk := make([]byte, 4096)
		n, err := p.Conn.Read(chunk)
		if err != nil {
			return 0, err
		}
		p.head = append(p.head, chunk[:n]...)
		p.rewrite()
	}
	n := copy(b, p.ready)
	p.ready = p.ready[n:]
	return n, nil
}

func (p *pooler) rewrite() {
	for len(p.head) >= 5 {
		end := 1 + int(binary.BigEndian.Uint32(p.head[1:5]))
		if len(p.head) < end {
			return
		}
		message := p.head[:end]
		p.head = p.head[end:]
		switch message[0] {
		case 'K': // BackendKeyData
			message[5] ^= 0x40
		case 'Z': // ReadyForQuery
			p.busy.Store(false)
		case 'A': // NotificationResponse
			if p.swallow && !p.busy.Load() {
				continue
			}
		}
		p.ready = append(p.ready, message...)
	}
}
