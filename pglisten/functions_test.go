package pglisten

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

// application is what an application might have: members, and functions that
// look at them.
const application = `
CREATE SCHEMA app;
CREATE TABLE app.members (topic text, subject text);
INSERT INTO app.members VALUES ('topic_7', 'ann'), ('topic_8', 'bob');
CREATE TABLE app.sessions (token text, claims jsonb);
INSERT INTO app.sessions VALUES ('good', '{"sub":"ann"}'), ('none', NULL), ('null', 'null'), ('list', '[{"sub":"ann"}]'), ('text', '"ann"');
CREATE FUNCTION app.can_join(topic text, claims jsonb) RETURNS boolean LANGUAGE sql STABLE AS
  $$ SELECT EXISTS (SELECT FROM app.members m WHERE m.topic = $1 AND m.subject = $2->>'sub') $$;
CREATE FUNCTION app.session(token text) RETURNS jsonb LANGUAGE sql STABLE AS
  $$ SELECT s.claims FROM app.sessions s WHERE s.token = $1 $$;
`

// desk is a database with functions, and a role that may call them and do
// nothing else.
type desk struct {
	owner *pgx.Conn
	role  string
	url   string // as the role
}

func newDesk(t *testing.T, sql ...string) desk {
	t.Helper()
	url := pgtest.Database(t)
	d := desk{owner: pgtest.Connect(t, url), role: pgtest.Role(t, url)}
	d.url = pgtest.As(t, url, d.role)
	for _, text := range append([]string{application}, sql...) {
		execute(t, d.owner, text)
	}
	execute(t, d.owner, "GRANT USAGE ON SCHEMA app TO "+d.role+"; GRANT SELECT ON ALL TABLES IN SCHEMA app TO "+d.role)
	return d
}

// functions runs Functions until the test ends.
func functions(t *testing.T, o FunctionsOptions) *Functions {
	t.Helper()
	f, err := NewFunctions(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-f.Ready():
	case err := <-done:
		done <- nil
		t.Fatalf("Run: %v", err)
	}
	return f
}

func (d desk) functions(t *testing.T, edit ...func(*FunctionsOptions)) *Functions {
	t.Helper()
	o := FunctionsOptions{URL: d.url, Authorize: "app.can_join", Authenticate: "app.session"}
	for _, f := range edit {
		f(&o)
	}
	return functions(t, o)
}

func may(t *testing.T, f *Functions, topic, claims string) bool {
	t.Helper()
	allowed, err := f.Authorize(t.Context(), topic, []byte(claims))
	if err != nil {
		t.Errorf("Authorize %q: %v", topic, err)
	}
	return allowed
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	f := newDesk(t).functions(t)
	for _, tt := range []struct {
		topic, claims string
		want          bool
	}{
		{"topic_7", `{"sub":"ann"}`, true},
		{"topic_7", `{"sub":"bob"}`, false},
		{"topic_8", `{"sub":"bob","role":"x"}`, true},
		{"topic_7", ``, false},
		{"topic_7", `{}`, false},
		// Whatever is in it, it is a value.
		{`topic_7' OR true --`, `{"sub":"ann"}`, false},
		{`$1`, `{"sub":"' OR 'a'='a"}`, false},
		{`topic_7`, `{"sub":"ann' --"}`, false},
		{`topic_7\`, `{"sub":"ann\\"}`, false},
		{"topic_7\x00", `{"sub":"ann"}`, false},
		{"topic_7\xff", `{"sub":"ann"}`, false},
		{"topic_7", `{"sub":"ann\u0000"}`, false},
		{"topic_7", "{\"sub\":\"ann\xff\"}", false},
		{"topic_7", `{"sub":"ann"`, false},
	} {
		if got := may(t, f, tt.topic, tt.claims); got != tt.want {
			t.Errorf("Authorize(%q, %s) = %v", tt.topic, tt.claims, got)
		}
	}
	for token, want := range map[string]string{
		"good": `{"sub": "ann"}`, "none": "", "null": "", "list": "", "text": "", "unknown": "", "": "",
		"' OR true --": "", "good\x00": "", "good\xff": "",
	} {
		if claims, err := f.Authenticate(t.Context(), token); string(claims) != want || err != nil || (claims == nil) != (want == "") {
			t.Errorf("Authenticate(%q) = %q, %v; want %q", token, claims, err, want)
		}
	}
}

// What a function does that is no answer.
func TestFunctions_without_an_answer(t *testing.T) {
	t.Parallel()
	const secret = "s3cret"
	for name, tt := range map[string]struct {
		body string
		want string // in the error; "": it is a no
	}{
		"null":              {`RETURN NULL;`, ""},
		"raises":            {`RAISE 'no such topic as %, %', $1, $2;`, "SQLSTATE P0001"},
		"casts":             {`RETURN ($2->>'sub')::uuid IS NOT NULL;`, ""},
		"writes":            {`DELETE FROM app.members; RETURN true;`, "it writes"},
		"writes_on_purpose": {`PERFORM set_config('transaction_read_only', 'off', true); DELETE FROM app.members; RETURN true;`, "SQLSTATE 25001"},
		"takes_a_number":    {`RETURN nextval('app.numbers') > 0;`, "it writes"},
		"sleeps":            {`PERFORM pg_sleep(30); RETURN true;`, "auth.timeout"},
		"may_not":           {`RETURN EXISTS (SELECT FROM app.hidden);`, "lacks a privilege"},
		"ends_itself":       {`PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN true;`, "SQLSTATE 57P01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, fmt.Sprintf(`CREATE OR REPLACE FUNCTION app.can_join(topic text, claims jsonb) RETURNS boolean LANGUAGE plpgsql AS
				$f$ BEGIN %s END $f$; CREATE SEQUENCE app.numbers`, tt.body))
			f := d.functions(t, func(o *FunctionsOptions) { o.Timeout = 500 * time.Millisecond })
			execute(t, d.owner, "GRANT ALL ON app.members, app.numbers TO "+d.role+"; CREATE TABLE app.hidden ()")
			for range 3 { // it does no harm to the next
				allowed, err := f.Authorize(t.Context(), "topic_7", []byte(`{"sub":"`+secret+`"}`))
				if allowed || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Authorize: %v, %v; want %q", allowed, err, tt.want)
				}
				if err != nil && (strings.Contains(err.Error(), secret) || !strings.HasPrefix(err.Error(), "auth.authorize: ")) {
					t.Errorf("the error says: %v", err)
				}
			}
			if n := ask[int](t, d.owner, "SELECT count(*) FROM app.members"); n != 2 {
				t.Errorf("%d members left", n)
			}
			if claims, err := f.Authenticate(t.Context(), "good"); err != nil || claims == nil {
				t.Errorf("the other function: %q, %v", claims, err)
			}
			if name != "ends_itself" && f.pool.Load().Stat().NewConnsCount() > 1 {
				t.Error("it cost a connection")
			}
		})
	}
}

// Row security as it is written for PostgREST decides: by the role, and by the
// claims.
func TestFunctions_row_security(t *testing.T) {
	t.Parallel()
	d := newDesk(t, `
ALTER TABLE app.members ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.members USING (subject = current_setting('request.jwt.claims', true)::json->>'sub');
CREATE OR REPLACE FUNCTION app.can_join(topic text, claims jsonb) RETURNS boolean LANGUAGE sql STABLE AS
  $$ SELECT EXISTS (SELECT FROM app.members m WHERE m.topic = $1) $$`)
	f := d.functions(t)
	for claims, want := range map[string]bool{`{"sub":"ann"}`: true, `{"sub":"bob"}`: false, ``: false} {
		if got := may(t, f, "topic_7", claims); got != want {
			t.Errorf("Authorize(%s) = %v", claims, got)
		}
	}
}

// One connection serves one call after the other, and none finds anything of
// those before it.
func TestFunctions_leave_nothing_behind(t *testing.T) {
	t.Parallel()
	d := newDesk(t, `
CREATE OR REPLACE FUNCTION app.session(token text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE found jsonb := jsonb_build_object('claims', current_setting('request.jwt.claims', true), 'user', current_user,
  'own', coalesce(current_setting('app.own', true), ''), 'timeout', current_setting('statement_timeout'), 'read_only', current_setting('transaction_read_only'));
BEGIN
  PERFORM set_config('app.own', token, true);
  IF token = 'raise' THEN RAISE 'no'; END IF;
  RETURN found;
END $$`)
	web := pgtest.Role(t, d.owner.Config().ConnString())
	execute(t, d.owner, fmt.Sprintf("GRANT %s TO %s; GRANT USAGE ON SCHEMA app TO %[1]s; GRANT SELECT ON app.members TO %[1]s", web, d.role))
	f := d.functions(t, func(o *FunctionsOptions) { o.Connections, o.Role, o.Timeout = 1, web, 7*time.Second })
	want := map[string]string{"claims": "{}", "user": web, "own": "", "timeout": "7s", "read_only": "on"}
	for _, token := range []string{"one", "raise", "two", "three"} {
		may(t, f, "topic_7", `{"sub":"ann"}`)
		text, err := f.Authenticate(t.Context(), token)
		if token == "raise" {
			if err == nil {
				t.Error("no error")
			}
			continue
		}
		var got map[string]string
		if err := errors.Join(err, json.Unmarshal(text, &got)); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s found %v, want %v", token, got, want)
		}
	}
	// And the connection is as it was made.
	conn, err := f.pool.Load().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	got := ask[string](t, conn, `SELECT concat_ws(' ', current_user, current_setting('statement_timeout'), current_setting('transaction_read_only'),
		'claims:' || current_setting('request.jwt.claims', true), 'own:' || current_setting('app.own', true), 'prepared:' || (SELECT count(*) FROM pg_prepared_statements WHERE statement !~ 'pg_prepared_statements'))`)
	if want := d.role + " 0 off claims: own: prepared:0"; got != want {
		t.Errorf("left behind: %s, want %s", got, want)
	}
	if n := f.pool.Load().Stat().NewConnsCount(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
}

// A call is one message there and one back, and what is between two of those is
// one transaction: a transaction pooler may hand each to another session.
func TestFunctions_take_one_round_trip(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	config := pooled(t, d.url, true)
	var turns atomic.Int32
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return &turnstile{Conn: c, turns: &turns}, err
	}
	f := d.functions(t, func(o *FunctionsOptions) { o.Config = config })
	for range 3 {
		turns.Store(0)
		if !may(t, f, "topic_7", `{"sub":"ann"}`) {
			t.Error("not allowed")
		}
		if n := turns.Load(); n != 1 {
			t.Errorf("%d round trips", n)
		}
	}
}

// turnstile counts how often it is written to after it was read from.
type turnstile struct {
	net.Conn
	turns *atomic.Int32
	read  atomic.Bool
}

func (c *turnstile) Write(b []byte) (int, error) {
	if c.read.Swap(false) {
		c.turns.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *turnstile) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Store(true)
	return n, err
}

// A connection that broke is replaced, before a call and under it.
func TestFunctions_broken_connections(t *testing.T) {
	t.Parallel()
	d := newDesk(t, `
CREATE FUNCTION app.slow(topic text, claims jsonb) RETURNS boolean LANGUAGE sql AS
  $$ SELECT pg_sleep(CASE WHEN EXISTS (SELECT FROM app.members m WHERE m.topic = $1) THEN 30 ELSE 0 END) IS NOT NULL $$`)
	f := d.functions(t, func(o *FunctionsOptions) { o.Authorize, o.Timeout = "app.slow", time.Minute })
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() { may(t, f, "quick", "") })
	}
	calls.Wait()
	kill := `SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE usename = $1`
	if n := ask[int](t, d.owner, kill, d.role); n == 0 {
		t.Error("nobody to kill")
	}
	for range 4 {
		if !may(t, f, "quick", "") {
			t.Error("not allowed")
		}
	}

	done := make(chan bool, 1)
	go func() { done <- may(t, f, "topic_7", "") }()
	eventually(t, "the call runs", func() bool {
		return ask[int](t, d.owner, `SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event = 'PgSleep'`, d.role) == 1
	})
	execute(t, d.owner, `DELETE FROM app.members`) // the second attempt need not sleep
	ask[int](t, d.owner, kill, d.role)
	if !<-done {
		t.Error("not allowed after the kill")
	}
}

func TestFunctions_database_restarted(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	url := cluster.URL("postgres")
	if err := migrations.Up(t.Context(), url, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	execute(t, pgtest.Connect(t, url), application)
	f := functions(t, FunctionsOptions{URL: url, Authorize: "app.can_join", Timeout: 5 * time.Second})
	if !may(t, f, "topic_7", `{"sub":"ann"}`) {
		t.Error("not allowed")
	}
	for _, asked := range []bool{false, true} {
		if err := cluster.Stop(t.Context(), pgtemp.Fast); err != nil {
			t.Fatal(err)
		}
		if asked {
			if allowed, err := f.Authorize(t.Context(), "topic_7", []byte(`{"sub":"ann"}`)); allowed || err == nil {
				t.Errorf("while it is down: %v, %v", allowed, err)
			}
		}
		if err := cluster.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !may(t, f, "topic_7", `{"sub":"ann"}`) {
			t.Errorf("not allowed after the restart; asked meanwhile: %v", asked)
		}
	}
}

// The caller's patience ends before the function's.
func TestFunctions_canceled(t *testing.T) {
	t.Parallel()
	d := newDesk(t, `CREATE OR REPLACE FUNCTION app.can_join(topic text, claims jsonb) RETURNS boolean LANGUAGE sql AS $$ SELECT pg_sleep(30) IS NULL $$`)
	f := d.functions(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := f.Authorize(ctx, "topic_7", nil)
		done <- err
	}()
	running := `SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event = 'PgSleep'`
	eventually(t, "the call runs", func() bool { return ask[int](t, d.owner, running, d.role) == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Authorize: %v", err)
	}
	eventually(t, "the server stops too", func() bool { return ask[int](t, d.owner, running, d.role) == 0 })
}

// Whatever would keep the functions from being called is said at the start, with
// the setting's name and what mends it.
func TestFunctions_checked_at_the_start(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sql  string // ROLE stands for the role's name
		edit func(o *FunctionsOptions)
		want string
	}{
		"missing": {
			edit: func(o *FunctionsOptions) { o.Authorize = "app.may_join" },
			want: `auth.authorize: there is no function app.may_join(topic text, claims jsonb) returns boolean`,
		},
		"missing_schema": {
			edit: func(o *FunctionsOptions) { o.Authenticate = "ap.session" },
			want: `auth.authenticate: there is no function ap.session(token text) returns jsonb`,
		},
		"other_arguments": {
			sql:  `CREATE FUNCTION app.old(topic text, claims json) RETURNS boolean LANGUAGE sql AS 'SELECT true'`,
			edit: func(o *FunctionsOptions) { o.Authorize = "app.old" },
			want: `auth.authorize: there is no function app.old(topic text, claims jsonb) returns boolean, only app.old(topic text, claims json)`,
		},
		"other_result": {
			sql:  `CREATE FUNCTION app.old(text, jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
			edit: func(o *FunctionsOptions) { o.Authorize = "app.old" },
			want: `auth.authorize: app.old(topic text, claims jsonb) must be a function that returns one boolean`,
		},
		"a_set": {
			sql:  `CREATE FUNCTION app.old(text, jsonb) RETURNS SETOF boolean LANGUAGE sql AS 'SELECT true'`,
			edit: func(o *FunctionsOptions) { o.Authorize = "app.old" },
			want: `auth.authorize: app.old(topic text, claims jsonb) must be a function that returns one boolean`,
		},
		"no_right": {
			sql: `REVOKE EXECUTE ON FUNCTION app.can_join FROM PUBLIC; REVOKE USAGE ON SCHEMA app FROM ROLE`,
			want: `auth.authorize: app.can_join(topic text, claims jsonb) may not be called by role "ROLE" ` +
				`(its owner grants it: GRANT USAGE ON SCHEMA "app" TO "ROLE"; GRANT EXECUTE ON FUNCTION app.can_join(text, jsonb) TO "ROLE")`,
		},
		"no_such_role": {
			edit: func(o *FunctionsOptions) { o.Role = "nobody here" },
			want: `auth.role: there is no role "nobody here"`,
		},
		"no_member_of_the_role": {
			edit: func(o *FunctionsOptions) { o.Role = "pg_monitor" },
			want: `auth.role: "ROLE" may not become "pg_monitor" (its owner grants it: GRANT "pg_monitor" TO "ROLE")`,
		},
		"the_role_has_no_right": {
			sql:  `GRANT pg_monitor TO ROLE; REVOKE EXECUTE ON FUNCTION app.can_join FROM PUBLIC; GRANT EXECUTE ON FUNCTION app.can_join TO ROLE; GRANT USAGE ON SCHEMA app TO pg_monitor`,
			edit: func(o *FunctionsOptions) { o.Role = "pg_monitor" },
			want: `auth.authorize: app.can_join(topic text, claims jsonb) may not be called by role "pg_monitor" ` +
				`(its owner grants it: GRANT EXECUTE ON FUNCTION app.can_join(text, jsonb) TO "pg_monitor")`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			for statement := range strings.SplitSeq(tt.sql, "; ") {
				execute(t, d.owner, strings.ReplaceAll(statement, "ROLE", d.role))
			}
			o := FunctionsOptions{URL: d.url, Authorize: "app.can_join"}
			if tt.edit != nil {
				tt.edit(&o)
			}
			f, err := NewFunctions(o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patient10s)
			defer cancel()
			if err, want := f.Run(ctx), strings.ReplaceAll(tt.want, "ROLE", d.role); err == nil || err.Error() != want {
				t.Errorf("Run: %v\nwant %s", err, want)
			}
			if _, err := f.Authorize(t.Context(), "topic_7", nil); !errors.Is(err, ErrClosed) {
				t.Errorf("Authorize afterwards: %v", err)
			}
		})
	}
}

func TestNewFunctions_names(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"app.can_join":    `SELECT "app"."can_join"($1::text, $2::jsonb)`,
		"App.Can_Join":    `SELECT "app"."can_join"($1::text, $2::jsonb)`,
		`"App"."Can ""J"`: `SELECT "App"."Can ""J"($1::text, $2::jsonb)`,
		`"a.b".c$1`:       `SELECT "a.b"."c$1"($1::text, $2::jsonb)`,
		`größe.ist_da`:    `SELECT "größe"."ist_da"($1::text, $2::jsonb)`,
		"can_join":        "", "a.b.c": "", "app.": "", ".x": "", "app.x()": "", "app.x; DROP TABLE y": "", `app."x`: "", `"".x`: "", "app .x": "", "1.x": "",
	} {
		f, err := NewFunctions(FunctionsOptions{URL: "postgres://h/x", Authorize: text})
		switch {
		case want == "" && (err == nil || !strings.HasPrefix(err.Error(), "auth.authorize: must be")):
			t.Errorf("%s: %v", text, err)
		case want != "" && (err != nil || f.authorize.sql != want):
			t.Errorf("%s: %v, %v", text, f, err)
		}
	}
	if _, err := NewFunctions(FunctionsOptions{URL: "postgres://%", Authorize: "a.b"}); err == nil || !strings.Contains(err.Error(), "parse") {
		t.Errorf("an address that is none: %v", err)
	}
}

func BenchmarkFunctions_Authorize(b *testing.B) {
	url := pgtest.Database(b)
	execute(b, pgtest.Connect(b, url), application)
	f, err := NewFunctions(FunctionsOptions{URL: url, Authorize: "app.can_join"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}()
	<-f.Ready()
	for b.Loop() {
		if allowed, err := f.Authorize(ctx, "topic_7", []byte(`{"sub":"ann"}`)); err != nil || !allowed {
			b.Fatal(allowed, err)
		}
	}
}
