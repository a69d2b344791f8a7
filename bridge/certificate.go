package bridge

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certificateAge is how long a certificate is used without a look at its files.
const certificateAge = time.Second

// certificate is the pair in two files, read again when they change: a renewed
// one serves those who come after, and needs no restart. A pair that cannot be
// read, such as one half of it on its way, leaves the last good one in force.
type certificate struct {
	cert, key string
	log       *slog.Logger
	now       func() time.Time

	current atomic.Pointer[tls.Certificate]

	looking sync.Mutex // taken by one handshake at a time; the others do not wait
	looked  time.Time
	seen    [2]os.FileInfo // of what was read last, also when it was no good
}

func newCertificate(cert, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log, now: time.Now}
	c.looked, c.seen = c.now(), c.stat()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("http.tls: %w", err)
	}
	c.current.Store(&pair)
	return c, nil
}

// config is that of a server with the certificate. Cipher suites and curves are
// Go's, which follow the times.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.pick}
}

// pick is tls.Config's GetCertificate.
func (c *certificate) pick(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.looking.TryLock() {
		c.refresh()
		c.looking.Unlock()
	}
	return c.current.Load(), nil
}

// refresh reads the files if they changed. It belongs to who holds looking.
func (c *certificate) refresh() {
	if c.now().Sub(c.looked) < certificateAge {
		return
	}
	seen := c.stat() // before the reading: what comes in between is seen the next time
	c.looked = c.now()
	if same(seen[0], c.seen[0]) && same(seen[1], c.seen[1]) {
		return
	}
	c.seen = seen
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.log.Error("certificate is not taken up, the one before stays", "setting", "http.tls", "err", err)
		return
	}
	c.current.Store(&pair)
	c.log.Info("certificate taken up", "until", pair.Leaf.NotAfter)
}

func (c *certificate) stat() (seen [2]os.FileInfo) {
	for i, path := range []string{c.cert, c.key} {
		seen[i], _ = os.Stat(path) // nil: not there, which is a state like others
	}
	return seen
}

// same says whether a file is as it was; a link may have come to lead elsewhere.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
