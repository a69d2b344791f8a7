package load_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"rowcast/bench/load"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == load.Command {
		if err := load.Serve(os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// server keeps the connections it has accepted.
type server struct {
	addr  string
	heard chan string // what the clients say
	came  chan arrival
	conns []*websocket.Conn
}

type arrival struct {
	path string // and the subprotocol
	ws   *websocket.Conn
}

func setup(t *testing.T) (*server, *load.Client) {
	t.Helper()
	s := &server{heard: make(chan string, 100), came: make(chan arrival, 100)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"p"}})
		if err != nil {
			t.Error(err)
			return
		}
		s.came <- arrival{r.URL.Path + " " + ws.Subprotocol(), ws}
		for {
			_, data, err := ws.Read(context.WithoutCancel(r.Context()))
			if err != nil {
				return
			}
			s.heard <- string(data)
		}
	}))
	s.addr = srv.Listener.Addr().String()
	c, err := load.Start(context.WithoutCancel(t.Context())) // ends by Close
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		srv.Close()
	})
	return s, c
}

// accept takes n connections and returns how many there are of each path.
func (s *server) accept(n int) map[string]int {
	paths := map[string]int{}
	for range n {
		a := <-s.came
		paths[a.path]++
		s.conns = append(s.conns, a.ws)
	}
	return paths
}

// publish sends a text frame to all that were accepted.
func (s *server) publish(t *testing.T, text string) {
	t.Helper()
	for _, ws := range s.conns {
		if err := ws.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func dial(t *testing.T, c *load.Client, d load.Dial) *load.Group {
	t.Helper()
	g, err := c.Dial(d)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWaves(t *testing.T) {
	t.Parallel()
	s, c := setup(t)
	g := dial(t, c, load.Dial{Address: s.addr, Paths: []string{"/a", "/b"}, Protocol: "p", Connections: 5, AtOnce: 2, Times: true})
	if len(g.Live) != 5 || g.Live[0] <= 0 || !slices.IsSorted(g.Live) || g.Took < g.Live[4] {
		t.Error(g.Took, g.Live)
	}
	paths := s.accept(5)
	if paths["/a p"] != 3 || paths["/b p"] != 2 {
		t.Error(paths)
	}
	before := load.Now()
	must(t, g.Expect(4, 2))
	for range 2 {
		for _, size := range []int{1, 126, 70_000, 300_000} { // each way to write a length, and pieces
			s.publish(t, strings.Repeat("x", size))
		}
		must(t, g.Wait())
	}
	arrivals, err := g.Arrivals()
	must(t, err)
	if len(arrivals) != 5 {
		t.Fatal(len(arrivals), "connections")
	}
	for _, times := range arrivals {
		if len(times) != 8 || !slices.IsSorted(times) || times[0] < before || times[7] > load.Now() {
			t.Error(before, times, load.Now())
		}
	}
	must(t, g.Close())
}

// TestWave_is_of_all: who has more does not stand for who has less.
func TestWave_is_of_all(t *testing.T) {
	t.Parallel()
	s, c := setup(t)
	g := dial(t, c, load.Dial{Address: s.addr, Paths: []string{"/"}, Connections: 2})
	s.accept(2)
	both := s.conns
	must(t, g.Expect(1, 2))
	s.conns = both[:1]
	s.publish(t, "1")
	s.publish(t, "2")
	waited := make(chan error, 1)
	go func() { waited <- g.Wait() }()
	select {
	case err := <-waited:
		t.Fatal("a wave of one:", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.conns = both[1:]
	s.publish(t, "1")
	must(t, <-waited)
	s.publish(t, "2")
	must(t, g.Wait())
}

// TestLive: a connection says its words, and is live with its control frames,
// which are no events.
func TestLive(t *testing.T) {
	t.Parallel()
	s, c := setup(t)
	live := make(chan *load.Group, 1)
	go func() {
		g, err := c.Dial(load.Dial{Address: s.addr, Paths: []string{"/"}, Say: []string{"short", strings.Repeat("long", 100)}, Connections: 2, Controls: 2})
		if err != nil {
			t.Error(err)
		}
		live <- g
	}()
	s.accept(2)
	heard := []string{<-s.heard, <-s.heard}
	slices.Sort(heard)
	if heard[0] != strings.Repeat("long", 100) || heard[1] != "short" {
		t.Error(heard)
	}
	s.publish(t, `{"type":"$welcome"}`)
	s.publish(t, `{"type":"event"}`)
	select {
	case <-live:
		t.Fatal("live without the second")
	case <-time.After(50 * time.Millisecond):
	}
	s.publish(t, `{"type":"$joined"}`)
	g := <-live
	must(t, g.Expect(1, 1))
	must(t, g.Wait())
}

func TestLost(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*websocket.Conn) error{
		"closed": func(ws *websocket.Conn) error { return ws.Close(4001, "enough") },
		"gone":   (*websocket.Conn).CloseNow,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := setup(t)
			g := dial(t, c, load.Dial{Address: s.addr, Paths: []string{"/"}, Connections: 2})
			s.accept(2)
			s.publish(t, "1")
			must(t, g.Expect(1, 1))
			must(t, g.Wait())
			_ = end(s.conns[1])
			for range 2 {
				must(t, g.Expect(1, 1))
				if err := g.Wait(); err == nil || !strings.Contains(err.Error(), "lost after 1 events") {
					t.Error(err)
				}
			}
			if _, err := g.Arrivals(); err == nil {
				t.Error("arrivals of a group that has lost a connection")
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		s, c := setup(t)
		if _, err := c.Dial(load.Dial{Address: s.addr, Paths: []string{"/refused"}, Connections: 1}); err == nil || !strings.Contains(err.Error(), "403 Forbidden") {
			t.Error(err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		_, c := setup(t)
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
		must(t, err)
		must(t, l.Close())
		if _, err := c.Dial(load.Dial{Address: l.Addr().String(), Paths: []string{"/"}, Connections: 1}); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Error(err)
		}
	})
}

// TestPing: a server that looks for life finds it.
func TestPing(t *testing.T) {
	t.Parallel()
	accepted := make(chan net.Conn, 1)
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\n\r")
		accepted <- conn
	}()
	_, c := setup(t)
	live := make(chan error, 1)
	go func() {
		_, err := c.Dial(load.Dial{Address: l.Addr().String(), Paths: []string{"/"}, Connections: 1})
		live <- err
	}()
	conn := <-accepted
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprint(conn, "\n\x89\x00")
	must(t, err)
	must(t, <-live)
	must(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	var got []byte
	buf := make([]byte, 1024)
	for !strings.HasSuffix(string(got), "\r\n\r\n\x8a\x80\x00\x00\x00\x00") {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%q %v", got, err)
		}
		got = append(got, buf[:n]...)
	}
}
