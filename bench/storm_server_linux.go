package bench

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"rowcast/bridge"
	"rowcast/pglisten"
	"rowcast/rooms/auth"
	"rowcast/rooms/ws"
)

// ServerCommand is the argument with which this program's executable must call
// Serve, with the arguments that follow it.
const ServerCommand = "bench-server"

// The servers that there are, each in a process of its own: what one leaves behind
// in its heap helps no other.
const (
	daemon  = "daemon"  // the whole daemon, on the database whose URL comes next
	handler = "handler" // as the library's documentation shows it: the handler reads until the end
	reader  = "reader"  // a goroutine reads, the handler returns
)

// usage is what a server has used.
type usage struct {
	Resident int64         // bytes of memory
	CPU      time.Duration // so far, with the kernel's for it
}

// Serve is a server of the bench. It writes its address to out, answers each line
// of in with its usage, and ends when in does.
func Serve(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan string, 1)
	var g errgroup.Group
	g.Go(func() error {
		if len(args) == 2 && args[0] == daemon {
			return runDaemon(ctx, args[1], ready)
		}
		return runLibrary(ctx, len(args) == 1 && args[0] == reader, ready)
	})
	ended := make(chan error, 1)
	go func() { ended <- g.Wait() }()
	select {
	case addr := <-ready:
		if err := answer(addr, in, out); err != nil {
			return err
		}
		cancel()
		return <-ended
	case err := <-ended:
		return cmp.Or(err, errors.New("ended before it served"))
	}
}

// answer tells what this process uses as often as it is asked.
func answer(addr string, in io.Reader, out io.Writer) error {
	if _, err := fmt.Fprintln(out, addr); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	to := json.NewEncoder(out)
	for lines.Scan() {
		runtime.GC() // also what has a finalizer
		debug.FreeOSMemory()
		u, err := used()
		if err != nil {
			return err
		}
		if err := to.Encode(u); err != nil {
			return err
		}
	}
	return lines.Err()
}

func used() (u usage, err error) {
	if u.CPU, err = cpu(); err != nil {
		return u, err
	}
	statm, err := os.ReadFile("/proc/self/statm") // in pages (proc(5))
	if err != nil {
		return u, err
	}
	var size int64
	_, err = fmt.Sscan(string(statm), &size, &u.Resident)
	u.Resident *= int64(os.Getpagesize())
	return u, err
}

// runDaemon is the daemon as serve runs it.
func runDaemon(ctx context.Context, url string, ready chan<- string) error {
	d, err := bridge.New(bridge.Options{
		HTTPAddr: "127.0.0.1:0",
		Source:   pglisten.Options{URL: url},
		Gate:     auth.Options{Mode: auth.None},
		WS:       ws.Options{Spread: time.Millisecond}, // nobody comes back
		Ready:    func(public, _ net.Addr) { ready <- public.String() },
	})
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

// runLibrary is what one writes with the WebSocket library, behind a server with
// the daemon's limits.
func runLibrary(ctx context.Context, returns bool, ready chan<- string) error {
	l, err := listen(ctx)
	if err != nil {
		return err
	}
	read := func(c *websocket.Conn) {
		for {
			if _, _, err := c.Read(ctx); err != nil {
				_ = c.CloseNow()
				return
			}
		}
	}
	s := http.Server{
		ReadHeaderTimeout: bridge.DefaultHandshakeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    bridge.DefaultHeaderBytes,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			switch {
			case err != nil:
			case returns:
				go read(c) // until this process ends
			default:
				read(c)
			}
		}),
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	ready <- l.Addr().String()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// server is a process that runs Serve.
type server struct {
	addr string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

func startServer(ctx context.Context, args ...string) (_ *server, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.CommandContext(ctx, self, append([]string{ServerCommand}, args...)...)}
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := fmt.Fscanln(s.out, &s.addr); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", args[0], err), s.close())
	}
	return s, nil
}

// usage returns what the process has used, when it has put away what it needs no
// more.
func (s *server) usage() (u usage, err error) {
	if _, err = io.WriteString(s.in, "\n"); err != nil {
		return u, err
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return u, fmt.Errorf("server: %w", err)
	}
	return u, json.Unmarshal(line, &u)
}

// close ends the process.
func (s *server) close() error {
	_ = s.in.Close() // it ends by that
	return s.cmd.Wait()
}
