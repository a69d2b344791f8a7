package ws

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// setupTLS starts a world over TLS, and counts the records of data that its clients get.
func setupTLS(t *testing.T, settings ...setting) (w *world, records *atomic.Int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}
	records = new(atomic.Int64)
	return start(t, tls.NewListener(l, server), func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		client := tls.Client(&recorded{Conn: conn, records: records}, &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true})
		return client, client.HandshakeContext(ctx)
	}, settings...), records
}

// recorded counts the TLS records that are read: each is a header of 5 bytes and what it
// says (RFC 8446 section 5.1).
type recorded struct {
	net.Conn
	records *atomic.Int64
	head    []byte
	rest    int
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	for b := p[:n]; len(b) > 0; {
		if skip := min(r.rest, len(b)); skip > 0 {
			r.rest -= skip
			b = b[skip:]
			continue
		}
		r.head, b = append(r.head, b[0]), b[1:]
		if len(r.head) == 5 {
			if r.head[0] == 23 {
				r.records.Add(1)
			}
			r.rest, r.head = int(r.head[3])<<8|int(r.head[4]), nil
		}
	}
	return n, err
}

// TestTLS: where no write is possible that does not wait, the flusher does them all.
func TestTLS(t *testing.T) {
	t.Parallel()
	t.Run("events, pings and the end", func(t *testing.T) {
		t.Parallel()
		w, _ := setupTLS(t)
		var clients []*client
		for range 20 { // more than the publisher writes for
			c := w.library(t)
			c.join("a")
			clients = append(clients, c)
		}
		for range 50 {
			event := w.publishSized(1000, "a")
			for _, c := range clients {
				c.expectEvent(event)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := clients[0].conn.Ping(ctx); err != nil {
			t.Error(err)
		}
		if err := w.handler.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for _, c := range clients {
			c.expect("$bye")
			c.expectClose(websocket.StatusServiceRestart)
		}
	})
	t.Run("a batch is written at once", func(t *testing.T) {
		t.Parallel()
		w, records := setupTLS(t)
		c := w.raw(t)
		c.plainUpgrade("/ws?topics=a")
		const events, size = 200, 100
		b := rooms.Batch{Snapshot: snapshot.New(300)}
		for range events {
			b.Items = append(b.Items, rooms.Item{Topics: []string{"a"}, Data: []byte(strings.Repeat("x", size)), XID: 299})
		}
		before := records.Load()
		w.hub.Publish(b)
		for range events {
			if op, data := c.read(); op != 0x81 || len(data) != size {
				t.Fatalf("%#x %q", op, data)
			}
		}
		// At first Go makes records of a packet's size.
		if n := records.Load() - before; n > events*size/1000+5 {
			t.Errorf("%d records for %d events of %d bytes", n, events, size)
		}
	})
	t.Run("who takes nothing is stuck", func(t *testing.T) {
		t.Parallel()
		w, _ := setupTLS(t, func(_ *rooms.Options, _ *auth.Options, o *Options) { o.WriteTimeout = time.Second })
		c := w.raw(t)
		c.plainUpgrade("/ws?topics=a")
		friend := w.library(t)
		friend.join("b")
		await(t, "it is not sent away", func() bool {
			w.publishSized(200_000, "a")
			friend.expectEvent(w.publish("b"))
			return w.handler.Stats().Sessions == 1
		})
		if n := w.handler.Stats().Ended[int(closeStuck)]; n != 1 {
			t.Errorf("ended %v", w.handler.Stats().Ended)
		}
	})
	t.Run("who is slow gets all", func(t *testing.T) {
		t.Parallel()
		w, _ := setupTLS(t, patient, func(r *rooms.Options, _ *auth.Options, _ *Options) { r.QueueBytes = 100_000 })
		c := w.raw(t)
		c.plainUpgrade("/ws?topics=a")
		var events []string
		for w.hub.Stats().Overflows == 0 || len(events) < 100 {
			events = append(events, w.publishSized(20_000, "a"))
		}
		c.catchUp(events, false)
	})
}

// TestClose_answered: a client that closes is answered with a close frame (RFC 6455
// section 5.5.1), also where that has to wait.
func TestClose_answered(t *testing.T) {
	t.Parallel()
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		w, _ := setupTLS(t)
		for range 20 {
			c := w.raw(t)
			c.upgrade()
			c.write(masked(0x88, "\x03\xe9"))
			c.expectClose(websocket.StatusGoingAway)
		}
	})
	t.Run("congested", func(t *testing.T) {
		t.Parallel()
		w := setupNarrow(t, patient)
		c := w.stall(t, 1)[0]
		w.choke(t, 1)
		c.write(masked(0x88, "\x03\xe9"))
		c.expectClose(websocket.StatusGoingAway)
	})
}
