package pgtemp

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	tailLines = 12
	killWait  = 10 * time.Second
)

// server is one run of the postmaster.
type server struct {
	cmd  *exec.Cmd
	log  string
	from int64         // where this run's lines begin in the log
	done chan struct{} // closed when the process is gone
}

// serve starts the postmaster on a data folder. It is started directly and not
// by pg_ctl, so that it is our child: its end is seen at once, and ours reaches it.
func (a *account) serve(postgres, data, logPath string) (*server, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own descriptor
	info, err := log.Stat()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(postgres, "-D", data), log: logPath, from: info.Size(), done: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	a.dress(s.cmd, data)
	dieWithParent(s.cmd.SysProcAttr)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // how it ended is in its log
		close(s.done)
	}()
	return s, nil
}

func (s *server) signal(sig syscall.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil && !s.ended() {
		return err
	}
	return nil
}

func (s *server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// kill ends the postmaster and its children.
func (s *server) kill() error {
	children, err := s.freeze()
	if err != nil {
		return err
	}
	if err := s.signal(syscall.SIGKILL); err != nil {
		return err
	}
	signalAll(children, syscall.SIGKILL)
	<-s.done
	return awaitEnd(children)
}

// freeze halts the postmaster and its children, which it returns. Every child is
// the leader of a session of its own, so no group holds them all: the postmaster
// is halted first, then no child can be born unseen.
func (s *server) freeze() (children []int, err error) {
	if err := s.signal(syscall.SIGSTOP); err != nil {
		return nil, err
	}
	children, err = childrenOf(s.cmd.Process.Pid)
	signalAll(children, syscall.SIGSTOP)
	return children, err
}

// thaw undoes freeze.
func (s *server) thaw() error {
	family, err := s.family()
	signalAll(family, syscall.SIGCONT)
	return err
}

// family returns the postmaster and its children.
func (s *server) family() ([]int, error) {
	children, err := childrenOf(s.cmd.Process.Pid)
	return append([]int{s.cmd.Process.Pid}, children...), err
}

// signalAll passes over a process that is gone already.
func signalAll(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig)
	}
}

// awaitEnd returns when none of the processes runs: as long as one does, it
// holds the shared memory, and no new server may start on the data.
func awaitEnd(pids []int) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(killWait)
	for _, pid := range pids {
		for alive(pid) {
			select {
			case <-poll.C:
			case <-deadline:
				return fmt.Errorf("process %d does not end", pid)
			}
		}
	}
	return nil
}

// said returns the last lines of this run's log, each on a line of its own.
func (s *server) said() string {
	log, err := os.ReadFile(s.log)
	if err != nil || int64(len(log)) < s.from {
		return ""
	}
	return tail(log[s.from:])
}

func tail(text []byte) string {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return ""
	}
	lines := strings.Split(string(text), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return "\n\t" + strings.Join(lines, "\n\t")
}
