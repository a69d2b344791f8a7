package pgtemp

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// dieWithParent asks the kernel for a fast shutdown of the child when we die.
// Strictly it is sent when the thread dies that started the child
// (golang.org/issue/27505); Go ends a thread only where a locked goroutine
// returns, and no caller of this package is one.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// childrenOf returns the processes whose parent is pid.
func childrenOf(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if _, parent, err := stat(child); err == nil && parent == pid {
			children = append(children, child)
		}
	}
	return children, nil
}

// alive reports whether a process runs. One that has ended and was not yet
// waited for does not: it holds nothing but its number.
func alive(pid int) bool {
	state, _, err := stat(pid)
	return err == nil && state != "Z" && state != "X"
}

// stat reads state and parent from /proc/PID/stat: "PID (name) state parent …",
// where the name may hold anything (proc_pid_stat(5)).
func stat(pid int) (state string, parent int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, err
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return "", 0, errors.New("short /proc stat")
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return string(fields[0]), parent, err
}
