// Command rowcast turns the row changes of a Postgres database into typed
// WebSocket events. See rowcast --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes. Everything else comes from the shell.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // of the command line or of the configuration
)

func main() {
	ctx, stop := interruptible(context.Background())
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// interruptible returns a context that ends with the first interrupt or
// termination signal. The second one ends the process: whoever sends it has
// waited long enough.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	return ctx, cancel
}
