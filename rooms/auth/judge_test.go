package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
)

// application is one whose functions are not written in SQL.
type application struct {
	mu       sync.Mutex
	members  map[string][]string // topics of each subject
	sessions map[string]string   // claims of each token
	asked    []string            // topics and tokens, in the order of the questions
	running  int
	most     int                                 // that were running at once
	during   func(context.Context, string) error // called with the topic or the token, while the question runs
}

func (a *application) Authorize(ctx context.Context, topic string, claims []byte) (bool, error) {
	var c struct{ Sub string }
	if err := json.Unmarshal(claims, &c); err != nil {
		return false, err
	}
	a.mu.Lock()
	allowed := slices.Contains(a.members[c.Sub], topic)
	a.mu.Unlock()
	return allowed, a.question(ctx, topic)
}

func (a *application) Authenticate(ctx context.Context, token string) ([]byte, error) {
	if err := a.question(ctx, token); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if claims, ok := a.sessions[token]; ok {
		return []byte(claims), nil
	}
	return nil, nil
}

func (a *application) question(ctx context.Context, about string) error {
	a.mu.Lock()
	a.asked = append(a.asked, about)
	a.running++
	a.most = max(a.most, a.running)
	during := a.during
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.running--
		a.mu.Unlock()
	}()
	if during == nil {
		return nil
	}
	return during(ctx, about)
}

func (a *application) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// questions returns what was asked so far.
func (a *application) questions() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// newApplication has u in a, b and c.
func newApplication() *application {
	return &application{members: map[string][]string{"u": {"a", "b", "c"}}}
}

// open makes a Gate that asks app, and runs it.
func open(t *testing.T, app *application, set ...func(*Options)) *Gate {
	t.Helper()
	o := Options{Mode: SQL, Authorize: true, Database: app, Hub: rooms.New(rooms.Options{})}
	for _, f := range set {
		f(&o)
	}
	g := gate(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return g
}

func identity(t *testing.T, claims string) *Identity {
	t.Helper()
	id, err := newIdentity([]byte(claims), claimNames{topics: DefaultTopicsClaim, subject: DefaultSubjectClaim})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// change publishes a change of access.
func change(g *Gate, a rooms.Access, topics ...string) {
	g.o.Hub.Publish(rooms.Batch{
		Items:    []rooms.Item{{Topics: topics, Access: &a}},
		Snapshot: snapshot.New(1),
	})
}

func revoke(g *Gate, subject string, topics ...string) {
	change(g, rooms.Access{Subject: subject, Effect: rooms.Revoked, At: time.Now()}, topics...)
}

// codes are the denials of a verdict.
func codes(v Verdict) map[string]rooms.Code {
	codes := map[string]rooms.Code{}
	for topic, d := range v.Denied {
		codes[topic] = d.Code
	}
	return codes
}

func TestJudge_who_may(t *testing.T) {
	t.Parallel()
	names := []string{"c", "z", "a", "not a name", "a"}
	claimOnly := func(o *Options) { o.Authorize = false }
	for _, tt := range []struct {
		name, claims string
		set          func(*Options)
		want         []string
	}{
		{"the function", `{"sub":"u"}`, nil, []string{"c", "a"}},
		{"the function, of nobody", `{}`, nil, nil},
		{"both: the claim narrows", `{"sub":"u","topics":["a","z"]}`, nil, []string{"a"}},
		{"both: the function narrows", `{"sub":"u","topics":"*"}`, nil, []string{"c", "a"}},
		{"both: a claim that grants nothing", `{"sub":"u","topics":[]}`, nil, nil},
		{"the claim", `{"topics":["a","z"]}`, claimOnly, []string{"z", "a"}},
		{"the claim's patterns", `{"topics":["*z*","b*"]}`, claimOnly, []string{"z"}},
		{"an empty claim", `{"topics":[]}`, claimOnly, nil},
		{"neither", `{"sub":"u"}`, claimOnly, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			app := newApplication()
			var set []func(*Options)
			if tt.set != nil {
				set = append(set, tt.set)
			}
			g := open(t, app, set...)
			v := g.Judge(t.Context(), identity(t, tt.claims), names, nil)
			if !reflect.DeepEqual(v.Topics, tt.want) {
				t.Errorf("topics %q, want %q", v.Topics, tt.want)
			}
			want := map[string]rooms.Code{"not a name": rooms.BadTopic, "a": rooms.Forbidden, "c": rooms.Forbidden, "z": rooms.Forbidden}
			for _, topic := range tt.want {
				delete(want, topic)
			}
			if got := codes(v); !maps.Equal(got, want) {
				t.Errorf("denied %v, want %v", got, want)
			}
			if v.Mark != g.o.Hub.Mark() {
				t.Errorf("mark %d, want the hub's, %d", v.Mark, g.o.Hub.Mark())
			}
			for code, n := range g.Stats().Denied {
				if want := len(slices.DeleteFunc(slices.Collect(maps.Values(want)), func(c rooms.Code) bool { return c != code })); n != uint64(want) {
					t.Errorf("%d denials counted for %s, want %d", n, code, want)
				}
			}
			if tt.set != nil && len(app.questions()) > 0 {
				t.Errorf("asked about %q without auth.authorize", app.questions())
			}
		})
	}
	t.Run("nobody at all", func(t *testing.T) {
		t.Parallel()
		app := newApplication()
		app.members[""] = []string{"a"}
		g := open(t, app)
		if v := g.Judge(t.Context(), g.Anonymous(), []string{"a"}, nil); len(v.Topics) > 0 || codes(v)["a"] != rooms.Forbidden {
			t.Errorf("%+v, although auth.anonymous is off", v)
		}
		g = open(t, app, func(o *Options) { o.Anonymous = true })
		if v := g.Judge(t.Context(), g.Anonymous(), []string{"a", "b"}, nil); !slices.Equal(v.Topics, []string{"a"}) {
			t.Errorf("%+v, want a: the function allows it to who has no subject", v)
		}
		g.Judge(t.Context(), identity(t, `{"exp":1}`), []string{"a"}, nil)
		if n := len(app.questions()); n != 3 {
			t.Errorf("%d questions, want 3: a token that says nothing still is one", n)
		}
	})
	t.Run("mode none", func(t *testing.T) {
		t.Parallel()
		g := gate(t, Options{Mode: None})
		if v := g.Judge(t.Context(), g.Anonymous(), []string{"a", "z"}, nil); len(v.Topics) != 2 || v.Mark != 0 {
			t.Errorf("%+v, want all, and nothing judged", v)
		}
	})
}

func TestJudge_names_first(t *testing.T) {
	t.Parallel()
	app := newApplication()
	g := open(t, app, func(o *Options) { o.Limits.Topics = 2 })
	v := g.Judge(t.Context(), identity(t, `{"sub":"u"}`), []string{"$a", "a", "*", "b", "a"}, []string{"x"})
	want := map[string]rooms.Code{"$a": rooms.BadTopic, "*": rooms.BadTopic, "b": rooms.TooManyTopics}
	if got := codes(v); !maps.Equal(got, want) || !slices.Equal(v.Topics, []string{"a"}) {
		t.Errorf("%+v", v)
	}
	if got := app.questions(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("asked about %q, want only what is a name and within the limit", got)
	}
}

func TestJudge_revoked_claim(t *testing.T) {
	t.Parallel()
	claimOnly := func(o *Options) { o.Authorize = false }
	g := open(t, newApplication(), claimOnly)
	now := time.Now().Unix()
	token := func(issued int64) *Identity {
		return identity(t, fmt.Sprintf(`{"sub":"u","topics":["a*"],"iat":%d}`, issued))
	}
	may := func(id *Identity) bool { return len(g.Judge(t.Context(), id, []string{"a1"}, nil).Topics) > 0 }
	if !may(token(now)) {
		t.Fatal("nothing was revoked yet")
	}
	revoke(g, "other", "a1")
	revoke(g, "u", "a2")
	if !may(token(now)) {
		t.Error("what was revoked was another's, and another topic")
	}
	revoke(g, "u", "a1")
	if may(token(now - 60)) {
		t.Error("the claim is older than the revocation")
	}
	if may(identity(t, `{"sub":"u","topics":["a*"]}`)) {
		t.Error("a claim that does not say how old it is")
	}
	if !may(token(now + 60)) {
		t.Error("the claim was made after the revocation")
	}
}

// A storm: 10,000 at once, of one subject, toward one topic.
func TestJudge_asks_once(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := newApplication()
		app.during = func(context.Context, string) error { <-time.After(time.Second); return nil }
		g := open(t, app)
		var ids []*Identity
		for i := range 100 { // tokens of one subject
			ids = append(ids, identity(t, fmt.Sprintf(`{"sub":"u","jti":"%d","iat":%d,"exp":%d}`, i, i, i)))
		}
		storm := func() int {
			var wg sync.WaitGroup
			var allowed atomic.Int64
			for i := range 10_000 {
				wg.Go(func() {
					v := g.Judge(t.Context(), ids[i%len(ids)], []string{"a"}, nil)
					allowed.Add(int64(len(v.Topics)))
				})
			}
			wg.Wait()
			return int(allowed.Load())
		}
		if n := storm(); n != 10_000 {
			t.Errorf("%d were let in", n)
		}
		if n := storm(); n != 10_000 {
			t.Errorf("%d were let in again", n)
		}
		if n := len(app.questions()); n != 1 {
			t.Errorf("%d questions, want 1", n)
		}
		app.set(func() { app.members["u"] = nil })
		revoke(g, "u", "a")
		if n := storm(); n != 0 {
			t.Errorf("%d were let in after the revocation", n)
		}
		if n := len(app.questions()); n != 2 {
			t.Errorf("%d questions, want one more after the change", n)
		}
		s := g.Stats()
		if s.Shared != 29_998 || s.Denied[rooms.Forbidden] != 10_000 {
			t.Errorf("%d needed no question and %d were denied", s.Shared, s.Denied[rooms.Forbidden])
		}
		if want := (QuestionStats{Asked: 2, Time: 2 * time.Second, Longest: time.Second}); s.Questions != want {
			t.Errorf("counted %+v, want %+v", s.Questions, want)
		}
	})
}

func TestJudge_remembers(t *testing.T) {
	t.Parallel()
	id := func(t *testing.T) *Identity { return identity(t, `{"sub":"u"}`) }
	ask := func(t *testing.T, g *Gate, names ...string) Verdict {
		return g.Judge(t.Context(), id(t), names, nil)
	}
	t.Run("what is allowed for half a minute, what is denied for a second", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := newApplication()
			g := open(t, app)
			for _, step := range []struct {
				wait time.Duration
				want []string // questions
			}{
				{0, []string{"a", "z"}},
				{999 * time.Millisecond, nil},
				{time.Millisecond, []string{"z"}},
				{29*time.Second - time.Millisecond, []string{"z"}},
				{time.Millisecond, []string{"a"}},
			} {
				<-time.After(step.wait)
				app.set(func() { app.asked = nil })
				ask(t, g, "a", "z")
				got := app.questions()
				if slices.Sort(got); !slices.Equal(got, step.want) {
					t.Errorf("after %v more: asked about %q, want %q", step.wait, got, step.want)
				}
			}
		})
	})
	t.Run("nothing where told so", func(t *testing.T) {
		t.Parallel()
		app := newApplication()
		g := open(t, app, func(o *Options) { o.Cache = -1 })
		ask(t, g, "a", "z")
		ask(t, g, "a", "z")
		if n := len(app.questions()); n != 4 {
			t.Errorf("%d questions, want 4", n)
		}
	})
	t.Run("no error", func(t *testing.T) {
		t.Parallel()
		app := newApplication()
		app.during = func(context.Context, string) error { return errors.New("away") }
		g := open(t, app)
		if v := ask(t, g, "a"); codes(v)["a"] != rooms.Unavailable {
			t.Errorf("%+v, want unavailable", v)
		}
		app.set(func() { app.during = nil })
		if v := ask(t, g, "a"); len(v.Topics) != 1 {
			t.Errorf("%+v: the database is back", v)
		}
	})
	t.Run("of whom it was", func(t *testing.T) {
		t.Parallel()
		app := newApplication()
		g := open(t, app)
		ask(t, g, "a")
		if v := g.Judge(t.Context(), identity(t, `{"sub":"v"}`), []string{"a"}, nil); len(v.Topics) > 0 {
			t.Errorf("%+v: that was u's right", v)
		}
		if v := g.Judge(t.Context(), identity(t, `{"sub":"u","role":"x"}`), []string{"a"}, nil); len(v.Topics) != 1 || len(app.questions()) != 3 {
			t.Errorf("other claims are another question: %+v, %q", v, app.questions())
		}
	})
	t.Run("until it changes", func(t *testing.T) {
		t.Parallel()
		for name, a := range map[string]rooms.Access{
			"granted": {Subject: "u", Effect: rooms.Granted},
			"revoked": {Subject: "u", Effect: rooms.Revoked},
			"unknown": {Everyone: true, Effect: rooms.Unknown},
			"others'": {Subject: "v", Effect: rooms.Revoked},
		} {
			app := newApplication()
			g := open(t, app)
			ask(t, g, "a", "z")
			change(g, a, "*")
			ask(t, g, "a", "z")
			want := 4
			if a.Subject == "v" {
				want = 2
			}
			if n := len(app.questions()); n != want {
				t.Errorf("%s: %d questions, want %d", name, n, want)
			}
		}
	})
}

// The question is on its way when a change comes: who asked it has a mark from
// before, and the hub will not let it count; who asks from then on asks anew,
// and the old answer, which comes last, is not what is remembered.
func TestJudge_change_meanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := newApplication()
		hold := make(chan struct{})
		app.during = func(context.Context, string) error { <-hold; return nil }
		g := open(t, app)
		id := identity(t, `{"sub":"u"}`)
		first := make(chan Verdict, 1)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { first <- g.Judge(t.Context(), id, []string{"a"}, nil) })
		synctest.Wait()

		app.set(func() { app.members["u"], app.during = nil, nil })
		revoke(g, "u", "a")
		if v := g.Judge(t.Context(), id, []string{"a"}, nil); len(v.Topics) > 0 {
			t.Errorf("%+v: shared an answer from before the revocation", v)
		}
		if n := len(app.questions()); n != 2 {
			t.Fatalf("%d questions, want one from before and one from after", n)
		}
		close(hold)
		v := <-first
		if len(v.Topics) != 1 || !g.o.Hub.Changed("u", "a", v.Mark) {
			t.Errorf("%+v: the hub must see that it is void", v)
		}
		if v := g.Judge(t.Context(), id, []string{"a"}, nil); len(v.Topics) > 0 {
			t.Errorf("%+v: the answer from before was remembered", v)
		}
		if n := len(app.questions()); n != 2 {
			t.Errorf("%d questions: the answer from after was not remembered", n)
		}
	})
}

func TestJudge_patience(t *testing.T) {
	t.Parallel()
	id := func(t *testing.T) *Identity { return identity(t, `{"sub":"u"}`) }
	t.Run("who leaves takes nobody's answer away", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := newApplication()
			app.during = func(ctx context.Context, _ string) error {
				select {
				case <-time.After(2 * time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			g := open(t, app)
			ctx, leave := context.WithTimeout(t.Context(), time.Second)
			defer leave()
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				if v := g.Judge(ctx, id(t), []string{"a"}, nil); codes(v)["a"] != rooms.Unavailable {
					t.Errorf("who left: %+v", v)
				}
			})
			synctest.Wait()
			begin := time.Now()
			if v := g.Judge(t.Context(), id(t), []string{"a"}, nil); len(v.Topics) != 1 || time.Since(begin) != 2*time.Second {
				t.Errorf("who stayed: %+v after %v", v, time.Since(begin))
			}
			if n := len(app.questions()); n != 1 {
				t.Errorf("%d questions, want 1", n)
			}
		})
	})
	t.Run("ends", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := newApplication()
			begin := time.Now()
			app.during = func(ctx context.Context, topic string) error {
				if topic == "a" {
					return nil
				}
				<-ctx.Done()
				if took := time.Since(begin); took != DefaultTimeout {
					t.Errorf("the question was given up after %v", took)
				}
				return ctx.Err()
			}
			g := open(t, app)
			v := g.Judge(t.Context(), id(t), []string{"b", "a"}, nil)
			if got := time.Since(begin); got != DefaultTimeout {
				t.Errorf("waited %v", got)
			}
			if !slices.Equal(v.Topics, []string{"a"}) || codes(v)["b"] != rooms.Unavailable {
				t.Errorf("%+v, want what was answered in time", v)
			}
			<-time.After(time.Minute)
		})
	})
	t.Run("is not asked for when nobody asks any more", func(t *testing.T) {
		t.Parallel()
		app := newApplication()
		g := gate(t, Options{Mode: SQL, Authorize: true, Database: app})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if v := g.Judge(t.Context(), id(t), []string{"a"}, nil); codes(v)["a"] != rooms.Unavailable {
			t.Errorf("%+v", v)
		}
	})
}
