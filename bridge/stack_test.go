package bridge

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestStack(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")

	t.Run("pops_in_reverse_and_goes_on_after_a_failure", func(t *testing.T) {
		t.Parallel()
		s := newStack(slog.New(slog.DiscardHandler))
		var order []string
		for _, name := range []string{"pool", "hub", "source"} {
			s.push(name, func(context.Context) error {
				order = append(order, name)
				if name == "hub" {
					return boom
				}
				return nil
			})
		}
		if err := s.unwind(t.Context()); !errors.Is(err, boom) {
			t.Errorf("unwind: %v", err)
		}
		if want := []string{"source", "hub", "pool"}; !slices.Equal(order, want) {
			t.Errorf("popped %v, want %v", order, want)
		}
		if err := s.unwind(t.Context()); err != nil || len(order) != 3 {
			t.Errorf("a step was popped twice: %v %v", order, err)
		}
	})

	t.Run("a_component_outlives_the_context_it_was_started_with", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newStack(slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(t.Context())
			stopped := false
			s.start(ctx, "c", func(ctx context.Context) error {
				<-ctx.Done()
				stopped = true
				return ctx.Err()
			})
			cancel()
			synctest.Wait()
			if stopped {
				t.Fatal("stopped before its step was popped")
			}
			if err := s.unwind(t.Context()); err != nil || !stopped {
				t.Errorf("unwind: %v, stopped %v", err, stopped)
			}
		})
	})

	t.Run("tells_when_a_component_ends_by_itself", func(t *testing.T) {
		t.Parallel()
		s := newStack(slog.New(slog.DiscardHandler))
		s.start(t.Context(), "a", func(context.Context) error { return boom })
		if err := <-s.failed; !errors.Is(err, boom) {
			t.Errorf("got %v", err)
		}
		s.start(t.Context(), "b", func(context.Context) error { return nil })
		if err := <-s.failed; err == nil {
			t.Error("an end without an error went unnoticed")
		}
		if err := s.unwind(t.Context()); err != nil {
			t.Error(err)
		}
	})

	t.Run("gives_up_on_a_component_that_does_not_stop", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newStack(slog.New(slog.DiscardHandler))
			release := make(chan struct{})
			s.start(t.Context(), "stuck", func(context.Context) error { <-release; return nil })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.unwind(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("unwind: %v", err)
			}
			close(release)
		})
	})
}
