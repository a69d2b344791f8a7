//go:build !linux

package bench

import (
	"context"
	"errors"
	"io"
)

// ServerCommand is the argument with which this program's executable must call
// Serve, with the arguments that follow it.
const ServerCommand = "bench-server"

// Serve is a server of the bench.
func Serve(context.Context, []string, io.Reader, io.Writer) error { return errNoSockets }

var errNoSockets = errors.New("the benches of many clients need Linux")

func (b *bench) rooms(context.Context, io.Writer) error  { return errNoSockets }
func (b *bench) memory(context.Context, io.Writer) error { return errNoSockets }
func (b *bench) storm(context.Context, io.Writer) error  { return errNoSockets }
