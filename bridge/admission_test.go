package bridge

import (
	"bufio"
	"errors"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// crowdAt returns an admission on which the cores are as busy as it is told.
func crowdAt(t *testing.T, busy *atomic.Bool) *admission {
	t.Helper()
	l, err := listen(t.Context(), "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	a := newAdmission(l).(*admission)
	a.crowded = busy.Load
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// connect connects n times and says nothing.
func connect(t *testing.T, addr string, n int) (all []net.Conn) {
	t.Helper()
	for range n {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		all = append(all, c)
	}
	return all
}

// Where the cores are never free, everybody comes in all the same, in order, and
// meanwhile the kernel's line is emptied.
func TestAdmission_line(t *testing.T) {
	t.Parallel()
	var busy atomic.Bool
	busy.Store(true)
	a := crowdAt(t, &busy)
	for i, c := range connect(t, a.Addr().String(), 20) {
		began := time.Now()
		in, err := a.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = in.Close() }()
		if in.RemoteAddr().String() != c.LocalAddr().String() {
			t.Errorf("newcomer %d is %v, not %v", i, in.RemoteAddr(), c.LocalAddr())
		}
		if d := time.Since(began); d < admissionMost {
			t.Errorf("newcomer %d waited %v", i, d)
		}
		if i == 9 && len(a.line) == 0 {
			t.Error("nobody is in line") // who has waited all the while did so in the kernel's
		}
		busy.Store(i < 18) // the last waits for nothing
		if i == 18 {
			break
		}
	}
	began := time.Now()
	in, err := a.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	if d := time.Since(began); d > time.Second {
		t.Errorf("the last waited %v", d)
	}
}

func TestAdmission_close(t *testing.T) {
	t.Parallel()
	var busy atomic.Bool
	busy.Store(true)
	a := crowdAt(t, &busy)
	outside := connect(t, a.Addr().String(), 3)
	in, err := a.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if c, err := a.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("%v, %v", c, err)
		}
	}
	for _, c := range outside[1:] {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("who stood in line: %v", err)
		}
	}
}

// TestAdmission_measure: goroutines that wait for a core are counted, or nobody
// would ever wait.
func TestAdmission_measure(t *testing.T) {
	busy := crowded()
	var stop atomic.Bool
	done := make(chan struct{})
	const n = 64
	for range n {
		go func() {
			for !stop.Load() {
				runtime.Gosched()
			}
			done <- struct{}{}
		}()
	}
	seen := false
	for deadline := time.Now().Add(10 * time.Second); !seen && time.Now().Before(deadline); {
		seen = busy()
		runtime.Gosched()
	}
	stop.Store(true)
	for range n {
		<-done
	}
	if !seen {
		t.Error("64 goroutines wait for their turn, and nobody sees them")
	}
}

// Thousands who have begun a handshake and go no further keep nobody out, and do not
// delay the end.
func TestAdmission_half_open(t *testing.T) {
	t.Parallel()
	url, _ := application(t)
	d := launch(t, url)
	for i, c := range connect(t, d.http, 2000) {
		if _, err := io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\nX-Slow: "[:i%36]); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	c := connect(t, d.http, 1)[0]
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "HTTP/1.1 404 Not Found\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	t.Logf("answered after %v", time.Since(began))
	began = time.Now()
	if err := d.end(t); err != nil {
		t.Error(err)
	}
	t.Logf("ended after %v", time.Since(began))
	if took := time.Since(began); took > DefaultShutdownTimeout/2 {
		t.Errorf("it took %v to end", took)
	}
}
