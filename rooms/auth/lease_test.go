package auth

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watch is a lease's owner: it writes down what it is told, and when.
type watch struct {
	lease *Lease
	begin time.Time

	mu   sync.Mutex
	leap time.Duration // the wall clock is ahead of the timers by it
	told []string
}

func newWatch() *watch {
	w := &watch{begin: time.Now()}
	w.lease = NewLease(
		func(left time.Duration) { w.note("soon " + left.String()) },
		func() { w.note("over") })
	w.lease.now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return time.Now().Add(w.leap)
	}
	return w
}

func (w *watch) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, fmt.Sprintf("%v: %s", time.Since(w.begin), what))
}

func (w *watch) set(leap time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leap = leap
}

func TestLease(t *testing.T) {
	t.Parallel()
	in := func(w *watch, d time.Duration) { w.lease.Renew(time.Now().Add(d)) }
	for name, tt := range map[string]struct {
		live func(w *watch)
		want []string
	}{
		"no end":         {func(w *watch) { w.lease.Renew(time.Time{}) }, nil},
		"an hour":        {func(w *watch) { in(w, time.Hour) }, []string{"59m0s: soon 1m0s", "1h0m0s: over"}},
		"a minute":       {func(w *watch) { in(w, time.Minute) }, []string{"30s: soon 30s", "1m0s: over"}},
		"less":           {func(w *watch) { in(w, time.Second) }, []string{"500ms: soon 500ms", "1s: over"}},
		"none":           {func(w *watch) { in(w, -time.Second) }, []string{"0s: over"}},
		"nobody to warn": {func(w *watch) { w.lease.soon = nil; in(w, time.Hour) }, []string{"1h0m0s: over"}},
		"renewed when warned": {func(w *watch) {
			in(w, time.Hour)
			<-time.After(59*time.Minute + 30*time.Second)
			in(w, time.Hour)
		}, []string{"59m0s: soon 1m0s", "1h58m30s: soon 1m0s", "1h59m30s: over"}},
		"renewed with the same end": {func(w *watch) {
			end := time.Now().Add(time.Hour)
			w.lease.Renew(end)
			<-time.After(59*time.Minute + 30*time.Second)
			w.lease.Renew(end)
		}, []string{"59m0s: soon 1m0s", "1h0m0s: over"}},
		"renewed for a shorter time": {func(w *watch) {
			in(w, time.Hour)
			in(w, 2*time.Minute)
		}, []string{"1m0s: soon 1m0s", "2m0s: over"}},
		"renewed for ever": {func(w *watch) {
			in(w, time.Hour)
			w.lease.Renew(time.Time{})
		}, nil},
		"stopped": {func(w *watch) {
			in(w, time.Hour)
			<-time.After(59*time.Minute + 30*time.Second)
			w.lease.Stop()
		}, []string{"59m0s: soon 1m0s"}},
		"the clock leaps forward, over the end": {func(w *watch) {
			in(w, time.Hour)
			<-time.After(90 * time.Second)
			w.set(2 * time.Hour)
		}, []string{"2m0s: over"}},
		"the clock leaps forward, to the end": {func(w *watch) {
			in(w, time.Hour)
			<-time.After(90 * time.Second)
			w.set(57 * time.Minute)
		}, []string{"2m0s: soon 1m0s", "3m0s: over"}},
		"the clock leaps back": {func(w *watch) {
			in(w, time.Hour)
			<-time.After(59*time.Minute + 30*time.Second)
			w.set(-time.Hour)
		}, []string{"59m0s: soon 1m0s", "2h0m0s: over"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWatch()
				tt.live(w)
				<-time.After(5 * time.Hour)
				w.lease.Stop()
				w.mu.Lock()
				defer w.mu.Unlock()
				if !reflect.DeepEqual(w.told, tt.want) {
					t.Errorf("told %q, want %q", w.told, tt.want)
				}
			})
		})
	}
}
