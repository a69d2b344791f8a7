package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/rooms"
)

// many are so many topic names.
func many(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return names
}

// slow makes each question take a second.
func slow(ctx context.Context, _ string) error {
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(t *testing.T){
		"of_one_join_are_asked_at_once_within_the_bound": func(t *testing.T) {
			app := newApplication()
			app.during = slow
			g := open(t, app, func(o *Options) { o.Queries, o.Timeout = 10, time.Minute })
			begin := time.Now()
			v := g.Judge(t.Context(), identity(t, `{"sub":"u"}`), many("t", 100), nil)
			if took := time.Since(begin); took != 10*time.Second || app.most != 10 {
				t.Errorf("100 questions took %v, %d at once; want 10 s with 10 at once", took, app.most)
			}
			if n := len(v.Denied); n != 100 {
				t.Errorf("%d denied", n)
			}
		},
		"of_many_askers_take_turns": func(t *testing.T) {
			app := newApplication()
			app.during = slow
			g := open(t, app, func(o *Options) { o.Queries, o.Timeout = 1, time.Hour; o.Limits.Topics = 1000 })
			var wg sync.WaitGroup
			wg.Go(func() { g.Judge(t.Context(), identity(t, `{"sub":"greedy"}`), many("t", 1000), nil) })
			synctest.Wait()
			begin := time.Now()
			if v := g.Judge(t.Context(), identity(t, `{"sub":"u"}`), []string{"a", "b"}, nil); len(v.Topics) != 2 {
				t.Errorf("%+v", v)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("waited %v behind another's 1000 questions, want every second turn", took)
			}
			wg.Wait()
		},
		"of_one_asker_fill_only_his_line": func(t *testing.T) {
			app := newApplication()
			app.during = slow
			g := open(t, app, func(o *Options) { o.Queries, o.Limits.Topics = 1, 2*maxLine })
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				v := g.Judge(t.Context(), identity(t, `{"sub":"greedy"}`), many("t", 2*maxLine), nil)
				if n := len(v.Denied); n != 2*maxLine {
					t.Errorf("%d denied", n)
				}
			})
			synctest.Wait()
			if s := g.Stats().Questions; s.Waiting > maxLine || s.Dropped < maxLine-1 {
				t.Errorf("%+v, want at most %d waiting", s, maxLine)
			}
			if v := g.Judge(t.Context(), identity(t, `{"sub":"u"}`), []string{"a"}, nil); len(v.Topics) != 1 {
				t.Errorf("%+v, behind another's full line", v)
			}
		},
		"of_all_are_bounded": func(t *testing.T) {
			app := newApplication()
			app.during = slow
			g := open(t, app, func(o *Options) { o.Queries, o.Limits.Topics = 1, maxLine })
			var wg sync.WaitGroup
			defer wg.Wait()
			for i := range 2 + maxWaiting/maxLine {
				id := identity(t, fmt.Sprintf(`{"sub":"%d"}`, i))
				wg.Go(func() { g.Judge(t.Context(), id, many("t", maxLine), nil) })
			}
			synctest.Wait()
			if s := g.Stats().Questions; s.Waiting != maxWaiting || s.Dropped == 0 {
				t.Errorf("%+v, want %d waiting", s, maxWaiting)
			}
			begin := time.Now()
			v := g.Judge(t.Context(), identity(t, `{"sub":"u"}`), []string{"a"}, nil)
			if codes(v)["a"] != rooms.Unavailable || time.Since(begin) > 0 {
				t.Errorf("%+v after %v, want unavailable at once", v, time.Since(begin))
			}
		},
		"nobody_waits_for_are_not_asked": func(t *testing.T) {
			app := newApplication()
			app.during = func(context.Context, string) error { <-time.After(3 * time.Second); return nil }
			g := open(t, app, func(o *Options) { o.Queries = 1 })
			begin := time.Now()
			g.Judge(t.Context(), identity(t, `{"sub":"u"}`), []string{"a", "b", "c"}, nil)
			if took := time.Since(begin); took != DefaultTimeout {
				t.Errorf("waited %v", took)
			}
			<-time.After(time.Minute)
			if got := app.questions(); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("asked about %q: the third had waited for more than 5 s", got)
			}
		},
		"wait_while_nobody_runs": func(t *testing.T) {
			app := newApplication()
			g := gate(t, Options{Mode: SQL, Authorize: true, Database: app})
			if v := g.Judge(t.Context(), identity(t, `{"sub":"u"}`), []string{"a"}, nil); codes(v)["a"] != rooms.Unavailable {
				t.Errorf("%+v", v)
			}
		},
		"end_with_run": func(t *testing.T) {
			app := newApplication()
			app.during = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
			g := gate(t, Options{Mode: SQL, Authorize: true, Database: app, Queries: 1})
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { _ = g.Run(ctx) })
			begin := time.Now()
			wg.Go(func() {
				v := g.Judge(t.Context(), identity(t, `{"sub":"u"}`), []string{"a", "b"}, nil)
				if len(v.Topics) > 0 || codes(v)["b"] != rooms.Unavailable {
					t.Errorf("%+v", v)
				}
			})
			synctest.Wait()
			cancel()
			wg.Wait()
			if v := g.Judge(t.Context(), identity(t, `{"sub":"u"}`), []string{"a"}, nil); codes(v)["a"] != rooms.Unavailable {
				t.Errorf("%+v", v)
			}
			if took := time.Since(begin); took > 0 {
				t.Errorf("waited %v", took)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, f)
		})
	}
}

func TestAuthenticate_session(t *testing.T) {
	t.Parallel()
	sessions := func() *application {
		return &application{sessions: map[string]string{
			"good": `{"sub":7}`, "list": `[]`, "old": `{"sub":"u","exp":1}`, "topics": `{"sub":"u","topics":["a"]}`,
		}}
	}
	t.Run("tokens", func(t *testing.T) {
		t.Parallel()
		for _, tt := range []struct {
			token string
			code  rooms.Code
			asked bool
		}{
			{"good", "", true},
			{"bad", rooms.Unauthenticated, true},
			{"old", rooms.TokenExpired, true},
			{"list", rooms.Unavailable, true},
			{"", rooms.Unauthenticated, false},
			{"good\x00", rooms.Unauthenticated, false},
			{"good\xff", rooms.Unauthenticated, false},
			{strings.Repeat("x", maxToken+1), rooms.Unauthenticated, false},
		} {
			app := sessions()
			g := open(t, app)
			id, refused := g.Authenticate(t.Context(), tt.token)
			switch {
			case tt.code == "" && (refused != nil || id.Subject != "7"):
				t.Errorf("%.10q: %+v, %+v", tt.token, id, refused)
			case tt.code != "" && (refused == nil || refused.Code != tt.code || id != nil):
				t.Errorf("%.10q: %+v, %+v, want %s", tt.token, id, refused, tt.code)
			case len(app.questions()) > 0 != tt.asked:
				t.Errorf("%.10q: asked %v", tt.token, app.questions())
			}
		}
	})
	t.Run("a logout counts at once", func(t *testing.T) {
		t.Parallel()
		app := sessions()
		g := open(t, app)
		if _, refused := g.Authenticate(t.Context(), "good"); refused != nil {
			t.Fatal(refused)
		}
		app.set(func() { delete(app.sessions, "good") })
		if _, refused := g.Authenticate(t.Context(), "good"); refused == nil || refused.Code != rooms.Unauthenticated {
			t.Errorf("%+v after the logout", refused)
		}
	})
	t.Run("an error is later", func(t *testing.T) {
		t.Parallel()
		app := sessions()
		app.during = func(context.Context, string) error { return errors.New("away") }
		if _, refused := open(t, app).Authenticate(t.Context(), "good"); refused == nil || refused.Code != rooms.Unavailable {
			t.Errorf("%+v", refused)
		}
	})
	t.Run("guessing delays no join", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := newApplication()
			app.during = slow
			g := open(t, app, func(o *Options) { o.Queries, o.Timeout = 2, time.Hour })
			var wg sync.WaitGroup
			defer wg.Wait()
			for range 100 {
				wg.Go(func() { _, _ = g.Authenticate(t.Context(), "guess") })
			}
			synctest.Wait()
			if app.most != 2 {
				t.Errorf("%d at once, want 2", app.most)
			}
			begin := time.Now()
			g.Judge(t.Context(), identity(t, `{"sub":"u"}`), []string{"a"}, nil)
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("a join waited %v", took)
			}
		})
	})
	t.Run("who leaves takes the question along", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := sessions()
			app.during = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
			g := open(t, app, func(o *Options) { o.Queries = 1 })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var wg sync.WaitGroup
			for range 2 { // one is being asked, the other waits
				wg.Go(func() {
					if _, refused := g.Authenticate(ctx, "good"); refused == nil || refused.Code != rooms.Unavailable {
						t.Errorf("%+v", refused)
					}
				})
			}
			wg.Wait()
			synctest.Wait()
			if n := len(app.questions()); n != 1 || app.running != 0 {
				t.Errorf("%d questions, %d go on", n, app.running)
			}
		})
	})
	t.Run("what the claims grant is as old as the question", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := open(t, sessions(), func(o *Options) { o.Authorize, o.JWT.Leeway = false, 30*time.Second })
			may := func() bool {
				id, refused := g.Authenticate(t.Context(), "topics")
				return refused == nil && len(g.Judge(t.Context(), id, []string{"a"}, nil).Topics) > 0
			}
			if !may() {
				t.Error("nothing was revoked")
			}
			revoke(g, "u", "a")
			<-time.After(29 * time.Second)
			if may() {
				t.Error("the database's clock may be behind")
			}
			<-time.After(2 * time.Second)
			if !may() {
				t.Error("the claims are newer than the revocation")
			}
		})
	})
}
