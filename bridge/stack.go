package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// stack holds what has to be undone, pushed while the daemon comes up and popped
// in reverse when it goes down. A start that fails half-way pops the half.
type stack struct {
	log    *slog.Logger
	level  slog.Level // of the steps' lines
	steps  []step
	failed chan error // the first component that ended, and why
}

type step struct {
	name string
	undo func(context.Context) error
}

func newStack(log *slog.Logger) *stack {
	return &stack{log: log, level: slog.LevelDebug, failed: make(chan error, 1)}
}

// push adds a step. undo gives up when its context ends.
func (s *stack) push(name string, undo func(context.Context) error) {
	s.steps = append(s.steps, step{name, undo})
}

// start runs a component in a goroutine of its own, until its step is popped and
// not before, whatever becomes of ctx.
func (s *stack) start(ctx context.Context, name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ended(name, run(ctx))
	}()
	s.push(name, func(patience context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-patience.Done():
			return patience.Err()
		}
	})
}

// await waits for a component to have come up.
func (s *stack) await(ctx context.Context, up <-chan struct{}) error {
	select {
	case <-up:
		return nil
	case err := <-s.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ended reports a component that returned. The first report counts: it is being
// acted on, or the end was asked for.
func (s *stack) ended(name string, err error) {
	if err == nil {
		err = fmt.Errorf("%s: ended by itself", name)
	}
	select {
	case s.failed <- err:
	default:
	}
}

// unwind pops all steps, within ctx altogether. Each is taken even when those
// before it failed or the time is over; then it does what takes no time.
func (s *stack) unwind(ctx context.Context) error {
	var all error
	for len(s.steps) > 0 {
		last := s.steps[len(s.steps)-1]
		s.steps = s.steps[:len(s.steps)-1]
		begun := time.Now()
		err := last.undo(ctx)
		took := time.Since(begun).Round(time.Millisecond)
		if err != nil {
			all = errors.Join(all, fmt.Errorf("shut down %s: %w", last.name, err))
		}
		s.log.Log(ctx, s.level, "shutdown", "step", last.name, "took", took, "done", err == nil)
	}
	return all
}
