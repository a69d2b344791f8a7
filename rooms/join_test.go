package rooms

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAhead(t *testing.T) {
	t.Parallel()

	t.Run("one_reading_for_all_who_wait", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f *fixture
			calls := 0
			f = setup(t, Options{Refresh: func(context.Context) error {
				calls++
				<-time.After(time.Second)
				f.publish(2-calls, "a")
				return nil
			}})
			var subs []*Subscriber
			for range 10 {
				s := f.subscribe(Library)
				subs = append(subs, s)
				go f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(1))})
			}
			synctest.Wait()
			<-time.After(3 * time.Second)
			for _, s := range subs {
				f.want(s, "joined(a replayed=0 recovered=true)")
			}
			// The first reading began when only one had asked.
			if calls > 2 {
				t.Errorf("%d readings", calls)
			}
		})
	})
	t.Run("a_reading_that_began_before_does_not_answer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f *fixture
			f = setup(t, Options{Refresh: func(context.Context) error {
				<-time.After(time.Second)
				f.publish(1, "a")
				return nil
			}})
			first, second := f.subscribe(Library), f.subscribe(Library)
			go f.join(first, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(1))})
			synctest.Wait()
			go f.join(second, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(2))})
			<-time.After(3 * time.Second)
			f.want(second, "joined(a replayed=0 recovered=true)")
		})
	})
	t.Run("still_ahead_is_foreign", func(t *testing.T) {
		t.Parallel()
		f := setup(t, Options{Refresh: func(context.Context) error { return nil }})
		s := f.subscribe(Library)
		f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(5))})
		f.want(s, "joined(a replayed=0 recovered=false) resync(a cursor_foreign)")
	})
	t.Run("unavailable_when_the_database_stays_away", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := setup(t, Options{JoinWait: 10 * time.Second, Refresh: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}})
			began := time.Now()
			s, plain := f.subscribe(Library), f.subscribe(Plain)
			go func() {
				if err := plain.Join(t.Context(), JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(5))}); !errors.Is(err, ErrUnavailable) {
					t.Errorf("plain: %v", err)
				}
			}()
			f.join(s, JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(5))})
			f.publish(1, "a")
			f.want(s, "joined( a:unavailable replayed=0 recovered=true)")
			if d := time.Since(began); d != 10*time.Second {
				t.Errorf("waited %s", d)
			}
			synctest.Wait()
		})
	})
	t.Run("who_gives_up_takes_no_other_along", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f *fixture
			f = setup(t, Options{Refresh: func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
					f.publish(1, "a")
					return nil
				}
			}})
			ctx, cancel := context.WithCancel(t.Context())
			first, quitter, other := f.subscribe(Library), f.subscribe(Library), f.subscribe(Library)
			r := JoinRequest{Topics: []string{"a"}, Since: new(cursorAt(2))}
			go f.join(first, r)
			synctest.Wait()
			go func() { // waits to make the next reading
				if err := quitter.Join(ctx, r); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			}()
			synctest.Wait()
			go f.join(other, r) // waits for it
			synctest.Wait()
			cancel()
			<-time.After(5 * time.Second)
			f.want(other, "joined(a replayed=0 recovered=true)")
			f.want(quitter, "")
		})
	})
}
