package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	readyWait = 30 * time.Second
	termWait  = 25 * time.Second // shutdown.timeout is 20 s
)

// instance is one daemon. It keeps its ports when it is restarted. Its methods
// are called from one goroutine at a time.
type instance struct {
	number   int
	bin      string
	args     []string
	database string // its DATABASE_URL; a change counts from the next start
	addr     string // where clients find it
	admin    string
	log      string // the file of all that it ever said

	process *process // of the last start; nil: none yet
}

// process is one life of an instance.
type process struct {
	cmd     *exec.Cmd
	done    chan struct{} // closed when it is gone
	awaited bool          // its end was asked for, or seen
}

// start starts a stopped instance and waits until it is ready.
func (i *instance) start(ctx context.Context) error {
	if err := i.launch(); err != nil {
		return err
	}
	return i.ready(ctx)
}

// launch starts a stopped instance.
func (i *instance) launch() error {
	if i.running() {
		return fmt.Errorf("instance %d is running", i.number)
	}
	log, err := os.OpenFile(i.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	p := &process{cmd: exec.Command(i.bin, i.args...), done: make(chan struct{})}
	p.cmd.Env = []string{"DATABASE_URL=" + i.database, "HOME=" + os.TempDir()}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of reach of the terminal's Ctrl-C
	dieWithParent(p.cmd.SysProcAttr)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is asked of its state
		close(p.done)
	}()
	i.process = p
	return nil
}

// ready returns when /readyz says so.
func (i *instance) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		_, err := i.ask(ctx, "/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-i.process.done:
			i.process.awaited = true
			return fmt.Errorf("instance %d ended with code %d before it was ready", i.number, i.process.code())
		case <-ctx.Done():
			return fmt.Errorf("instance %d is not ready: %w", i.number, err)
		case <-retry.C:
		}
	}
}

// ask gets a page of the operator's.
func (i *instance) ask(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.admin+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	_, err = body.ReadFrom(response.Body)
	_ = response.Body.Close() // read to its end
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(body.String()))
	}
	return body.Bytes(), err
}

// metric is what /metrics says of a name, summed over its labels.
func (i *instance) metric(ctx context.Context, name string) (sum float64, err error) {
	page, err := i.ask(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	found := false
	for lines := bufio.NewScanner(bytes.NewReader(page)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), " ")
		if key, _, _ = strings.Cut(key, "{"); key != name {
			continue
		}
		number, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum, found = sum+number, true
	}
	if !found {
		return 0, fmt.Errorf("no metric %s", name)
	}
	return sum, nil
}

// running reports whether the process is there.
func (i *instance) running() bool {
	if i.process == nil {
		return false
	}
	select {
	case <-i.process.done:
		return false
	default:
		return true
	}
}

// signal is for those that have no method of their own.
func (i *instance) signal(s syscall.Signal) error {
	if !i.running() {
		return fmt.Errorf("signal %v: instance %d is not running", s, i.number)
	}
	return i.process.cmd.Process.Signal(s)
}

// halt stops the process where it stands; resume lets it go on.
func (i *instance) halt() error   { return i.signal(syscall.SIGSTOP) }
func (i *instance) resume() error { return i.signal(syscall.SIGCONT) }

// kill is kill -9.
func (i *instance) kill() error {
	if err := i.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-i.process.done
	i.process.awaited = true
	return nil
}

// term asks the process to end and waits for it. The error says that it did not,
// or with what code.
func (i *instance) term(ctx context.Context) error {
	if err := i.signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := i.end(ctx)
	if err == nil && code != 0 {
		err = fmt.Errorf("instance %d ended with code %d after SIGTERM", i.number, code)
	}
	return err
}

// end waits for an end that was asked for, and returns the exit code.
func (i *instance) end(ctx context.Context) (code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, termWait)
	defer cancel()
	i.process.awaited = true
	select {
	case <-i.process.done:
		return i.process.code(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("instance %d goes on after SIGTERM: %w", i.number, ctx.Err())
	}
}

func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

// faults are what no log of a daemon may hold, and an end that nobody asked for.
func (i *instance) faults() (faults []string) {
	if i.process != nil && !i.running() && !i.process.awaited {
		faults = append(faults, fmt.Sprintf("instance %d ended with code %d, unasked", i.number, i.process.code()))
	}
	text, err := os.ReadFile(i.log)
	if err != nil {
		return append(faults, err.Error())
	}
	for _, word := range []string{"DATA RACE", "panic: ", "fatal error: "} {
		if bytes.Contains(text, []byte(word)) {
			faults = append(faults, fmt.Sprintf("instance %d: %s in its log", i.number, word))
		}
	}
	return faults
}

// ports hands out each port once. They lie below those that the kernel gives to
// outgoing connections (32768 on Linux) and pgtemp to clusters (15000 and up), so
// nobody takes the port of an instance while it is down.
type ports struct{ last atomic.Int32 }

const (
	firstPort = 10000
	lastPort  = 14999

	// portsOfRun lie between the first of this suite and that of another one beside
	// it: a port is free while its instance is down.
	portsOfRun = 199
)

// take returns an address that is free.
func (p *ports) take(ctx context.Context) (string, error) {
	for range lastPort - firstPort {
		port := firstPort + (os.Getpid()*portsOfRun+int(p.last.Add(1)))%(lastPort-firstPort+1)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("no free port")
}

// allAtOnce calls f for each, side by side, and joins the errors.
func allAtOnce[T any](list []T, f func(T) error) error {
	errs := make([]error, len(list))
	var wait sync.WaitGroup
	for n, item := range list {
		wait.Go(func() { errs[n] = f(item) })
	}
	wait.Wait()
	return errors.Join(errs...)
}
