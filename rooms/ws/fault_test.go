package ws

import (
	"context"
	"encoding/json"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// narrow is a listener whose kernel holds little for those who do not read.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err == nil {
		_ = conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return conn, err // itself: the socket looks for its system calls
}

// setupNarrow starts a world over TCP that is congested soon.
func setupNarrow(t *testing.T, settings ...setting) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, narrow{l}, func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		if err == nil {
			_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return conn, err
	}, settings...)
}

// patient has nothing end by itself.
func patient(_ *rooms.Options, a *auth.Options, o *Options) {
	o.Heartbeat, o.WriteTimeout, o.FramesPerSecond = time.Hour, time.Hour, -1
	a.Limits.HandshakesPerSecond = 1 << 20
}

// stall connects clients that read nothing but the handshake.
func (w *world) stall(t *testing.T, n int) (stalled []*rawConn) {
	t.Helper()
	for range n {
		c := w.raw(t)
		c.plainUpgrade("/ws?topics=a")
		stalled = append(stalled, c)
	}
	return stalled
}

// congested counts the sessions whose sockets are.
func (w *world) congested() (n int) {
	w.handler.mu.Lock()
	defer w.handler.mu.Unlock()
	for _, s := range w.handler.sessions {
		if socket := s.connection(); socket != nil {
			socket.mu.Lock()
			if !socket.congested.IsZero() {
				n++
			}
			socket.mu.Unlock()
		}
	}
	return n
}

// choke publishes until so many sockets are congested, and returns what it published.
func (w *world) choke(t *testing.T, n int) (events []string) {
	t.Helper()
	for begin := time.Now(); w.congested() < n; {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%d sockets are congested, want %d", w.congested(), n)
		}
		events = append(events, w.publishSized(20_000, "a"))
	}
	return events
}

// await waits until it is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for begin := time.Now(); !so(); <-time.After(5 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal(what)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestFault_mass: hundreds that stop reading at once delay nobody, cost no more than
// references and a goroutine each, and get all there was, or are told that they do not.
// It is alone, for it counts goroutines and bytes.
func TestFault_mass(t *testing.T) {
	for name, tt := range map[string]struct {
		clients int
		history int64
	}{
		"within_the_history": {500, rooms.DefaultHistoryBytes},
		"beyond_it":          {100, 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			w := setupNarrow(t, patient, func(r *rooms.Options, _ *auth.Options, _ *Options) {
				r.QueueBytes, r.HistoryBytes = 50_000, tt.history
			})
			other := w.library(t)
			other.join("a")
			stalled := w.stall(t, tt.clients)
			idle, before := runtime.NumGoroutine(), heap()
			const each, size = 60, 6_000
			var events []string
			for range each {
				events = append(events, w.publishSized(size, "a"))
				other.expectEvent(events[len(events)-1])
			}
			await(t, "not all are congested", func() bool { return w.congested() == tt.clients })
			if n := runtime.NumGoroutine() - idle; n > tt.clients+runtime.GOMAXPROCS(0) {
				t.Errorf("%d goroutines more for %d flushers", n, tt.clients)
			}
			// A piece of 64 kB each, were it copied.
			if grown, most := int64(heap())-int64(before), int64(tt.clients)*(20<<10)+each*size*4; grown > most {
				t.Errorf("%d bytes more, want at most %d", grown, most)
			}
			if st := w.hub.Stats(); st.Overflows < uint64(tt.clients) || st.QueuedBytes > int64(tt.clients)*50_000 {
				t.Errorf("%d overflows, %d bytes queued", st.Overflows, st.QueuedBytes)
			}
			var reading sync.WaitGroup
			for _, c := range stalled {
				reading.Go(func() { c.catchUp(events, tt.history < each*size) })
			}
			reading.Wait()
			await(t, "some stay congested", func() bool { return w.congested() == 0 })
			last := w.publish("a")
			other.expectEvent(last)
			for _, c := range stalled {
				if _, data, err := readFrame(c.in); err != nil || string(data) != last {
					t.Fatalf("%.100s, %v", data, err)
				}
			}
		})
	}
}

// catchUp reads the events, in order and without a gap, or up to the one gap that a
// $resync tells of.
func (c *rawConn) catchUp(events []string, gap bool) {
	next := 0
	for next < len(events) {
		_, data, err := readFrame(c.in)
		var f frame
		switch {
		case err != nil:
			c.t.Errorf("after %d of %d events: %v", next, len(events), err)
			return
		case string(data) == events[next]:
			next++
		case gap && json.Unmarshal(data, &f) == nil && f.Type == "$resync" && f.Payload.Reason == "slow_consumer":
			return
		default:
			c.t.Errorf("%.100s, want event %d", data, next)
			return
		}
	}
	if gap {
		c.t.Error("nothing was missed")
	}
}

// TestFault_reset: clients that die in the middle of a flush are gone at once, and the
// others stay.
func TestFault_reset(t *testing.T) {
	t.Parallel()
	w := setupNarrow(t, patient)
	stalled := w.stall(t, 40)
	events := w.choke(t, 40)
	for _, c := range stalled[:20] {
		reset(t, c.conn)
	}
	await(t, "the dead are still there", func() bool { return w.handler.Stats().Sessions == 20 })
	if n := w.handler.Stats().Ended[0]; n != 20 {
		t.Errorf("ended %v", w.handler.Stats().Ended)
	}
	var reading sync.WaitGroup
	for _, c := range stalled[20:] {
		reading.Go(func() { c.catchUp(events, false) })
	}
	reading.Wait()
}

// TestFault_shutdown: those who take nothing keep the daemon no longer than it waits.
func TestFault_shutdown(t *testing.T) {
	t.Parallel()
	w := setupNarrow(t, patient, func(_ *rooms.Options, _ *auth.Options, o *Options) { o.Spread = time.Millisecond })
	w.stall(t, 100)
	friend := w.library(t)
	w.choke(t, 100)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := w.handler.Shutdown(ctx)
	if d := time.Since(begin); err == nil || d > DefaultWriteTimeout {
		t.Errorf("%v after %v", err, d)
	}
	friend.expect("$bye")
	if st := w.handler.Stats(); st.Sessions != 0 || st.Ended[1012] != 101 {
		t.Errorf("%+v", st)
	}
}

// TestFault_pings: who asks for answers and takes none is stuck as anyone is, and what
// it is owed stays bounded.
func TestFault_pings(t *testing.T) {
	t.Parallel()
	w := setupNarrow(t, patient, func(_ *rooms.Options, _ *auth.Options, o *Options) { o.WriteTimeout = time.Second })
	c := w.stall(t, 1)[0]
	var socket *socket
	await(t, "it has no socket", func() bool { // which comes after the handshake
		w.handler.mu.Lock()
		defer w.handler.mu.Unlock()
		socket = w.handler.sessions[0].connection()
		return socket != nil
	})
	var sending sync.WaitGroup
	sending.Go(func() {
		pings := []byte(strings.Repeat(string(masked(0x89, strings.Repeat("x", 125))), 100))
		for { // until it is cut off
			if _, err := c.conn.Write(pings); err != nil {
				return
			}
		}
	})
	await(t, "it is not sent away", func() bool {
		socket.mu.Lock()
		defer socket.mu.Unlock()
		if socket.own > maxOwn {
			t.Errorf("%d bytes of pongs wait", socket.own)
		}
		return w.handler.Stats().Sessions == 0
	})
	sending.Wait()
	if n := w.handler.Stats().Ended[int(closeStuck)]; n != 1 {
		t.Errorf("ended %v", w.handler.Stats().Ended)
	}
}

// TestFault_halfOpen: a peer that is not there any more is found out.
func TestFault_halfOpen(t *testing.T) {
	t.Parallel()
	const heartbeat = 400 * time.Millisecond
	w := setup(t, func(_ *rooms.Options, _ *auth.Options, o *Options) { o.Heartbeat = heartbeat })
	begin := time.Now()
	c := w.stall(t, 1)[0]
	c.expectClose(closeSilent)
	if d := time.Since(begin); d < 2*heartbeat {
		t.Errorf("after %v", d)
	}
}
