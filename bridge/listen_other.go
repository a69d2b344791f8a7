//go:build !linux

package bridge

import (
	"syscall"
	"time"
)

// boundKernel leaves it to the kernel, which knows best.
func boundKernel(syscall.RawConn, int, time.Duration) error { return nil }
