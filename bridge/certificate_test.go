package bridge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// pair is a certificate for 127.0.0.1 in two files.
type pair struct{ cert, key string }

func newPair(t *testing.T) pair {
	t.Helper()
	dir := t.TempDir()
	return pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// issue writes a new certificate with this number, and returns a client's trust
// in it.
func (p pair) issue(t *testing.T, number int64) (trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(number), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	trust = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust.AddCert(parsed)
	replace(t, p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	replace(t, p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return trust
}

// replace puts a new file into the old one's place, as those do who renew
// certificates.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// shake shakes hands and returns the number of the certificate shown.
func shake(t *testing.T, addr string, c *tls.Config) (number int64, version uint16, err error) {
	t.Helper()
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: c}
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	state := conn.(*tls.Conn).ConnectionState()
	return state.PeerCertificates[0].SerialNumber.Int64(), state.Version, nil
}

func TestTLS(t *testing.T) {
	t.Parallel()
	files := newPair(t)
	trust := files.issue(t, 1)
	url, conn := application(t)
	d := launch(t, url, func(o *Options) { o.TLSCert, o.TLSKey = files.cert, files.key })

	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	ws, _, err := websocket.Dial(t.Context(), "wss://"+d.http+"/ws?topics=topic_7",
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow() //nolint:errcheck // it is over
	exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
	if _, data, err := ws.Read(t.Context()); err != nil || len(data) == 0 {
		t.Errorf("read: %q, %v", data, err)
	}

	old := &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11} //nolint:gosec // what must be refused
	if _, _, err := shake(t, d.http, old); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	if _, version, err := shake(t, d.http, &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}); err != nil || version != tls.VersionTLS13 {
		t.Errorf("TLS version %x, %v", version, err)
	}

	// Renewed while it runs: those who come after see the new one.
	renewed := &tls.Config{RootCAs: files.issue(t, 2), MinVersion: tls.VersionTLS12}
	poll(t, func() bool {
		number, _, err := shake(t, d.http, renewed)
		return err == nil && number == 2
	})
	exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
	if _, _, err := ws.Read(t.Context()); err != nil {
		t.Errorf("who came before was cut off: %v", err)
	}

	// A key that does not fit: the good pair stays.
	files.issue(t, 3)
	replace(t, files.key, []byte("-----BEGIN NONSENSE-----"))
	poll(t, func() bool {
		if number, _, err := shake(t, d.http, renewed); err != nil || number != 2 {
			t.Errorf("with a bad pair in the files: number %d, %v", number, err)
		}
		return strings.Contains(d.log.String(), "not taken up")
	})
	mended := &tls.Config{RootCAs: files.issue(t, 4), MinVersion: tls.VersionTLS12}
	poll(t, func() bool {
		number, _, err := shake(t, d.http, mended)
		return err == nil && number == 4
	})
}

// The files are looked at once a second at most, and a bad pair is told once.
func TestCertificate_looks_rarely(t *testing.T) {
	t.Parallel()
	files := newPair(t)
	files.issue(t, 1)
	log := &buffer{}
	c, err := newCertificate(files.cert, files.key, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := c.looked
	c.now = func() time.Time { return now }
	shown := func() int64 {
		t.Helper()
		pair, err := c.pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.Int64()
	}

	files.issue(t, 2)
	now = now.Add(time.Second - 1)
	if n := shown(); n != 1 {
		t.Errorf("number %d within the second", n)
	}
	now = now.Add(1)
	if n := shown(); n != 2 {
		t.Errorf("number %d after it", n)
	}
	if err := os.Remove(files.key); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		now = now.Add(time.Minute)
		if n := shown(); n != 2 {
			t.Errorf("number %d without a key", n)
		}
	}
	if n := strings.Count(log.String(), "not taken up"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
	files.issue(t, 3)
	now = now.Add(time.Second)
	if n := shown(); n != 3 {
		t.Errorf("number %d after it was mended", n)
	}
}
