package pglisten_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"rowcast/pglisten"
)

// printer is a Sink.
type printer struct{}

func (printer) Reset(_ context.Context, r pglisten.Reset) error {
	fmt.Println("epoch", r.Epoch, "history", len(r.History))
	return nil
}

func (printer) Take(_ context.Context, b pglisten.Batch) error {
	for _, c := range b.Changes {
		fmt.Printf("%c %d %s\n", c.Op, c.ID, c.New)
	}
	return nil
}

func (printer) Notified(context.Context, pglisten.Notification) error { return nil }
func (printer) Lost(context.Context, pglisten.Loss) error             { return nil }

// Prints every change of the watched tables until interrupted.
func ExampleSource() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	source := pglisten.New(pglisten.Options{URL: os.Getenv("DATABASE_URL")})
	if err := source.Run(ctx, printer{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
