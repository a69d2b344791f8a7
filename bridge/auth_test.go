package bridge

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/pglisten"
	"rowcast/rooms/auth"
)

// private is an application with sessions and private topics. Its functions read
// what the daemon's role may not.
const private = `
CREATE TABLE sessions (token text PRIMARY KEY, subject text);
CREATE TABLE members (topic_id bigint, subject text);
CREATE FUNCTION session(token text) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
  $$ SELECT jsonb_build_object('sub', s.subject) FROM sessions s WHERE s.token = $1 $$;
CREATE FUNCTION can_join(topic text, claims jsonb) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
  $$ SELECT pg_sleep(CASE topic WHEN 'slow' THEN 30 ELSE 0 END) IS NOT NULL
        AND EXISTS (SELECT FROM members m WHERE topic = 'topic_' || m.topic_id AND m.subject = claims->>'sub') $$;
SELECT rowcast.watch_access('members', 'subject', array['topic_{topic_id}']);
INSERT INTO sessions VALUES ('s3cret', 'ann');
INSERT INTO members VALUES (7, 'ann');`

// asking makes a daemon ask the application.
func asking(o *Options) {
	o.Gate.Mode, o.Gate.Cookie = auth.SQL, "session"
	o.Functions = pglisten.FunctionsOptions{Authenticate: "public.session", Authorize: "public.can_join"}
}

// visit opens a WebSocket at the library level with a session's cookie, from a
// page of the daemon's own.
func visit(t *testing.T, addr, session string) *client {
	t.Helper()
	c, res := knock(t, addr, "", http.Header{"Cookie": {"session=" + session}, "Origin": {"http://" + addr}}, "rowcast.v1")
	if c == nil {
		t.Fatalf("dial: %s", res.Status)
	}
	return c
}

func TestAuth(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	exec(t, conn, private)
	a, b := launch(t, url, asking), launch(t, url, asking)

	t.Run("a_stranger_learns_nothing", func(t *testing.T) {
		t.Parallel()
		c := visit(t, a.http, "guessed")
		if f := c.want("$error"); f.Payload.Code != "unauthenticated" {
			t.Errorf("got %v", f)
		}
		if code := c.ended(); code != 4401 {
			t.Errorf("closed with %v", code)
		}
	})

	// Two instances: each evicts its own members.
	t.Run("a_membership_is_the_right_to_be_there", func(t *testing.T) {
		t.Parallel()
		ann, elsewhere := visit(t, a.http, "s3cret"), visit(t, b.http, "s3cret")
		for _, c := range []*client{ann, elsewhere} {
			c.want("$welcome")
			c.send(map[string]any{"type": "join", "ref": 1, "topics": []string{"topic_7", "topic_8"}})
			f := c.want("$joined")
			if denial, _ := f.Payload.Denied["topic_8"].(map[string]any); len(f.Payload.Topics) != 1 || denial["code"] != "forbidden" {
				t.Errorf("joined: %v", f)
			}
		}
		exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'a')`)
		exec(t, conn, `BEGIN; DELETE FROM members; INSERT INTO messages (topic_id, content) VALUES (7, 'not for ann'); COMMIT`)
		for _, c := range []*client{ann, elsewhere} {
			c.want("message_created")
			if f := c.want("$left"); f.Payload.Code != "revoked" || f.Payload.Topics[0] != "topic_7" {
				t.Errorf("got %v", f)
			}
		}
		exec(t, conn, `INSERT INTO members VALUES (8, 'ann')`)
		poll(t, func() bool { // what was denied a moment ago is not remembered for longer
			ann.send(map[string]any{"type": "join", "ref": 2, "topics": []string{"topic_8"}})
			return len(ann.want("$joined").Payload.Topics) == 1
		})
		exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (8, 'b')`)
		if f := ann.want("message_created"); f.Payload.Message["content"] != "b" {
			t.Errorf("got %v", f)
		}

		_, body := get(t, "http://"+a.admin+"/metrics")
		for _, want := range []string{
			"rowcast_evictions_total 1\n", "rowcast_access_changes_total 2\n", `rowcast_refused_total{setting="auth.authorize"}`, `rowcast_denied_total{code="forbidden"}`,
		} {
			if !strings.Contains(body, "\n"+want) {
				t.Errorf("metrics lack %q", want)
			}
		}
		if strings.Contains(body, "rowcast_auth_question_seconds_count 0") || strings.Contains(body, "rowcast_auth_connections 0") {
			t.Error("the functions were not asked")
		}
	})

	t.Cleanup(func() {
		if log := a.log.String() + b.log.String(); strings.Contains(log, "s3cret") || strings.Contains(log, "guessed") {
			t.Errorf("a session in the log:\n%s", log)
		}
	})
}

// A function that does not answer holds nobody up but who waits for it, and not
// the end either.
func TestAuth_slow_function(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	exec(t, conn, private)
	d := launch(t, url, asking, func(o *Options) { o.Functions.Timeout = time.Minute })
	ann, waiting := visit(t, d.http, "s3cret"), visit(t, d.http, "s3cret")
	for _, c := range []*client{ann, waiting} {
		c.want("$welcome")
		c.send(map[string]any{"type": "join", "ref": 1, "topics": []string{"topic_7"}})
		c.want("$joined")
	}
	waiting.send(map[string]any{"type": "join", "ref": 2, "topics": []string{"slow"}})
	poll(t, func() bool {
		_, body := get(t, "http://"+d.admin+"/metrics")
		return strings.Contains(body, "\nrowcast_auth_connections_busy 1\n")
	})
	exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
	for _, c := range []*client{ann, waiting} {
		c.want("message_created")
	}
	begin := time.Now()
	if err := d.end(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestAuth_start_refused(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	exec(t, conn, private+`REVOKE EXECUTE ON FUNCTION can_join FROM PUBLIC`)
	for name, tt := range map[string]struct {
		edit func(o *Options)
		want string
	}{
		"no_right":     {func(*Options) {}, "auth.authorize: public.can_join(topic text, claims jsonb) may not be called by role"},
		"no_function":  {func(o *Options) { o.Functions.Authenticate = "public.who" }, "auth.authenticate: there is no function public.who(token text) returns jsonb"},
		"no_name":      {func(o *Options) { o.Functions.Authorize = "can_join" }, "auth.authorize: must be a function's name"},
		"no_key":       {func(o *Options) { o.Gate.Mode = auth.JWT }, "auth.jwt"},
		"nobody_asked": {func(o *Options) { o.Functions.Authenticate = "" }, "auth."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &buffer{}
			o := Options{
				HTTPAddr: "127.0.0.1:0", Source: pglisten.Options{URL: pgtest.Daemon(t, url)},
				Logger: slog.New(slog.NewTextHandler(log, nil)),
			}
			asking(&o)
			tt.edit(&o)
			d, err := New(o)
			if err == nil {
				err = d.Run(t.Context())
			}
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if log.String() != "" {
				t.Errorf("it said more than its error:\n%s", log)
			}
		})
	}
}
