//go:build !linux

package load

import (
	"io"
	"os"
	"time"
)

const supported = false

// Serve is the load client.
func Serve(*os.File, io.Writer) error { return ErrUnsupported }

// Now is the machine's monotonic clock, the same in all processes.
func Now() time.Duration { return 0 }
