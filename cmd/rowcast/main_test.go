package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

// The tests run the real command: with this variable the test binary is it.
const asCommand = "ROWCAST_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	pgtest.Main(m, func(ctx context.Context, url string) error {
		return migrations.Up(ctx, url, migrations.Options{})
	})
}

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// command prepares rowcast with these arguments, and variables NAME=value
// before them, in an environment without any others of ours.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	var env []string
	for len(args) > 0 && strings.Contains(args[0], "=") && !strings.HasPrefix(args[0], "-") {
		env, args = append(env, args[0]), args[1:]
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append(env, asCommand+"=1", "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir())
	c.Dir = t.TempDir()
	return c
}

// run runs rowcast to its end.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := command(t, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if _, exit := errors.AsType[*exec.ExitError](err); err != nil && !exit {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// must is run for what has to work; it returns what was printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := run(t, args...)
	if code != exitDone {
		t.Fatalf("rowcast %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// process is a rowcast that goes on running.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *lines
	stderr *lines
}

// start starts rowcast; the end of the test kills it.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(t, args...)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdout, p.stderr = readLines(out), readLines(errs)
	t.Cleanup(func() { p.kill() })
	return p
}

// end waits for the process to end and returns its exit code.
func (p *process) end() int {
	p.t.Helper()
	p.stdout.drain(p.t)
	p.stderr.drain(p.t)
	err := p.cmd.Wait()
	if _, exit := errors.AsType[*exec.ExitError](err); err != nil && !exit {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// kill is what kill -9 does.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// lines are what a process prints, as it prints them.
type lines struct {
	mu   sync.Mutex
	all  []string
	next chan string
}

func readLines(r io.Reader) *lines {
	l := &lines{next: make(chan string, 10_000)}
	go func() {
		defer close(l.next)
		s := bufio.NewScanner(r)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			l.mu.Lock()
			l.all = append(l.all, s.Text())
			l.mu.Unlock()
			l.next <- s.Text()
		}
	}()
	return l
}

// wait returns the next line that contains text.
func (l *lines) wait(t *testing.T, text string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, more := <-l.next:
			if strings.Contains(line, text) {
				return line
			}
			if !more {
				t.Fatalf("ended without %q in\n%s", text, l)
			}
		case <-deadline:
			t.Fatalf("no %q in\n%s", text, l)
		}
	}
}

// drain reads to the end.
func (l *lines) drain(t *testing.T) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, more := <-l.next:
			if !more {
				return
			}
		case <-deadline:
			t.Fatalf("goes on after\n%s", l)
		}
	}
}

// mustSay checks what was printed by now.
func (l *lines) mustSay(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(l.String(), text) {
		t.Errorf("no %q in\n%s", text, l)
	}
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

// daemon is a running rowcast serve.
type daemon struct {
	*process
	http, admin string // addresses
}

// serve starts a daemon on the database, as the role that deploy/daemon-role.sql
// makes, and waits until it is ready.
func serve(t *testing.T, url string, args ...string) *daemon {
	t.Helper()
	d := &daemon{process: start(t, append([]string{
		"DATABASE_URL=" + pgtest.Daemon(t, url), "serve", "--http.addr=127.0.0.1:0", "--admin.addr=127.0.0.1:0",
		"--log.format=json", "--shutdown.spread=10ms",
	}, args...)...)}
	var ready struct{ HTTP, Admin string }
	if err := json.Unmarshal([]byte(d.stderr.wait(t, `"msg":"ready"`)), &ready); err != nil {
		t.Fatal(err)
	}
	d.http, d.admin = ready.HTTP, ready.Admin
	return d
}

// field returns a field of a JSON object.
func field(t *testing.T, line, name string) string {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	text, _ := object[name].(string)
	return text
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close() //nolint:errcheck // nothing was written
	p := start(t, "DATABASE_URL=postgres://"+mute.Addr().String()+"/x", "watches")
	conn, err := mute.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	p.signal(syscall.SIGINT)
	if code := p.end(); code != exitFailed || p.stderr.String() != "rowcast: interrupted" {
		t.Errorf("exit code %d, it said\n%s", code, p.stderr)
	}
}

// pgx tries each address with and without TLS, and says the same twice.
func TestConnectMessage(t *testing.T) {
	t.Parallel()
	got := connectMessage("failed to connect to `user=u`: lookup h: no such host\n\tlookup h: no such host\n\th:5432: refused\n")
	if want := "failed to connect to `user=u`: lookup h: no such host h:5432: refused (see database.url)"; got != want {
		t.Errorf("got %s", got)
	}
}
