package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/bridge"
	"rowcast/config"
	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
)

func query(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Whatever keeps the daemon from starting is one line and the right exit code.
func TestStartUpFailures(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	bare := pgtest.Database(t)
	query(t, pgtest.Connect(t, bare), `DROP SCHEMA rowcast CASCADE`)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // after the parallel tests
	file := filepath.Join(t.TempDir(), "rowcast.yaml")
	if err := os.WriteFile(file, []byte("http:\n  adr: 127.0.0.1:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	free := []string{"--http.addr=127.0.0.1:0", "--admin.addr="}

	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no url", []string{"serve"}, exitUsage, "database.url: is missing"},
		{"no url at all", []string{"DATABASE_URL=nonsense", "serve"}, exitUsage, "nonsense"},
		{"bad url", []string{"DATABASE_URL=postgres://u:s3cret@h:port/x", "serve"}, exitUsage, "parse"},
		{"nobody there", []string{"DATABASE_URL=postgres://127.0.0.1:1/x", "serve"}, exitFailed, "connection refused (see database.url)"},
		{"no such database", []string{"DATABASE_URL=" + strings.Replace(url, "?", "x?", 1), "serve"}, exitFailed, "does not exist"},
		{"no schema", []string{"DATABASE_URL=" + bare, "serve"}, exitFailed, "rowcast migrate up"},
		{"no rights", []string{"DATABASE_URL=" + url + "&options=-c%20role%3Dpg_monitor", "serve"}, exitFailed, "rowcast.grant_daemon("},
		{"port taken", []string{"DATABASE_URL=" + url, "serve", "--http.addr=" + taken.Addr().String()}, exitFailed, "http.addr: listen"},
		{"a weak secret", []string{"DATABASE_URL=" + url, "ROWCAST_AUTH_JWT_SECRET=s3cret", "serve", "--auth.mode=jwt"}, exitUsage, "auth.jwt.secret: must be"},
		{"a weak secret, only checked", []string{"DATABASE_URL=" + url, "ROWCAST_AUTH_JWT_SECRET=s3cret", "config", "--check", "--auth.mode=jwt"}, exitUsage, "auth.jwt.secret: must be"},
		{"no function", []string{"DATABASE_URL=" + url, "serve", "--auth.mode=sql", "--auth.authenticate=app.session"}, exitFailed, "auth.authenticate: there is no function app.session("},
		{"no function's name", []string{"DATABASE_URL=" + url, "serve", "--auth.mode=sql", "--auth.authenticate=session"}, exitUsage, "auth.authenticate: must be"},
		{"unknown key", []string{"DATABASE_URL=" + url, "serve", "--config=" + file}, exitUsage, "http.adr: unknown key"},
		{"unknown variable", []string{"ROWCAST_HTTP_ADR=x", "DATABASE_URL=" + url, "serve"}, exitUsage, "ROWCAST_HTTP_ADR: unknown variable"},
		{"bad value", []string{"DATABASE_URL=" + url, "serve", "--history.bytes=much"}, exitUsage, "history.bytes: must be a size"},
		{"open to all", []string{"DATABASE_URL=" + url, "serve", "--http.addr=:0"}, exitUsage, "auth.mode"},
		{"no file", []string{"serve", "--config=nowhere.yaml"}, exitUsage, "--config: open nowhere.yaml"},
		{"no url, only checked", []string{"DATABASE_URL=nonsense", "config", "--check"}, exitUsage, "database.url: cannot parse"},
		{"another protocol", []string{"tail", "topic_7", "--url=ftp://localhost"}, exitUsage, "--url: must be an address"},
		{"unknown flag", []string{"serve", "--bogus"}, exitUsage, `unknown flag: --bogus (see "rowcast serve --help")`},
		{"unknown command", []string{"serv"}, exitUsage, `unknown command "serv"`},
		{"too much", []string{"serve", "now"}, exitUsage, "now"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := tt.args
			if !strings.Contains(strings.Join(args, " "), "--http.addr") && args[len(args)-1] == "serve" {
				args = append(args, free...)
			}
			out, errs, code := run(t, args...)
			if code != tt.code || !strings.Contains(errs, tt.want) {
				t.Errorf("exit code %d, want %d; stderr %q, want %q", code, tt.code, errs, tt.want)
			}
			if strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "rowcast: ") || out != "" {
				t.Errorf("want one line on stderr, got %q and %q", errs, out)
			}
			if strings.Contains(errs, "s3cret") {
				t.Errorf("a secret in %q", errs)
			}
		})
	}
}

func TestStandbyIsRefused(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	must(t, "DATABASE_URL="+cluster.URL("postgres"), "migrate", "up")
	standby, err := cluster.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	})
	_, errs, code := run(t, "DATABASE_URL="+standby.URL("postgres"), "serve", "--http.addr=127.0.0.1:0", "--admin.addr=")
	if code != exitFailed || !strings.Contains(errs, "standby") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit code %d, stderr %q", code, errs)
	}
}

// watched is a database with a watched table, and a connection to it.
func watched(t *testing.T) (string, *pgx.Conn) {
	t.Helper()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	query(t, conn, `CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic_id bigint, content text)`)
	must(t, "DATABASE_URL="+url, "watch", "messages", "--topic-column=topic_id")
	return url, conn
}

func insert(t *testing.T, conn *pgx.Conn, content string) {
	t.Helper()
	query(t, conn, fmt.Sprintf(`INSERT INTO messages (topic_id, content) VALUES (7, '%s')`, content))
}

func TestTail(t *testing.T) {
	t.Parallel()
	url, conn := watched(t)
	d := serve(t, url)
	tail := start(t, "tail", "topic_7", "--url=ws://"+d.http)
	asJSON := start(t, "tail", "topic_7", "--json", "--url=http://"+d.http+"/ws")
	for _, p := range []*process{tail, asJSON} {
		p.stderr.wait(t, "joined topic_7")
	}
	insert(t, conn, "hello")
	line := tail.stdout.wait(t, "message_created")
	if !strings.Contains(line, "topic_7") || !strings.Contains(line, `"content":"hello"`) {
		t.Errorf("tail shows %q", line)
	}
	if line := asJSON.stdout.wait(t, "hello"); !strings.HasPrefix(line, `{"type":"message_created"`) {
		t.Errorf("tail --json shows %q", line)
	}
	query(t, conn, `TRUNCATE messages`)
	tail.stdout.wait(t, "$resync")

	tail.signal(syscall.SIGINT)
	if code := tail.end(); code != exitDone {
		t.Errorf("exit code %d after an interrupt", code)
	}
	tail.stderr.mustSay(t, "--since")
}

// The daemon is killed between two inserts. The cursor of the first event leads
// to the second, on the daemon that comes after; a tail that goes on running
// needs nobody's help.
func TestTailOverKill(t *testing.T) {
	t.Parallel()
	url, conn := watched(t)
	first := serve(t, url)
	tail := start(t, "tail", "topic_7", "--json", "--url=ws://"+first.http)
	tail.stderr.wait(t, "joined topic_7")
	insert(t, conn, "zero")
	cursor := field(t, tail.stdout.wait(t, "zero"), "cursor")
	insert(t, conn, "one")
	tail.stdout.wait(t, "one")

	first.kill()
	insert(t, conn, "two")
	second := serve(t, url, "--http.addr="+first.http)
	tail.stdout.wait(t, "two")
	insert(t, conn, "three")
	tail.stdout.wait(t, "three")

	since := start(t, "tail", "topic_7", "--json", "--since="+cursor, "--url=ws://"+second.http)
	for _, content := range []string{"one", "two", "three"} {
		if line := since.stdout.wait(t, `"type":`); !strings.Contains(line, `"content":"`+content+`"`) {
			t.Errorf("got %s, want %q", line, content)
		}
	}
}

// A daemon that asks who one is, and the application who may join: from the
// membership's row to its end, and no token anywhere in what is printed.
func TestTailWithToken(t *testing.T) {
	t.Parallel()
	url, conn := watched(t)
	query(t, conn, `
CREATE TABLE members (topic_id bigint, subject text);
CREATE FUNCTION can_join(topic text, claims jsonb) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
  $$ SELECT EXISTS (SELECT FROM members m WHERE topic = 'topic_' || m.topic_id AND m.subject = claims->>'sub') $$;
SELECT rowcast.watch_access('members', 'subject', array['topic_{topic_id}']);
INSERT INTO members VALUES (7, 'ann')`)
	mint := func(args ...string) string {
		return strings.TrimSpace(must(t, append([]string{"ROWCAST_AUTH_JWT_SECRET=" + tokenSecret, "token", "--sub=ann"}, args...)...))
	}
	d := serve(t, url, "--auth.mode=jwt", "--auth.jwt.secret="+tokenSecret, "--auth.authorize=public.can_join")
	at := "--url=ws://" + d.http
	token := mint()

	tail := start(t, "ROWCAST_TOKEN="+token, "tail", "topic_7", at)
	tail.stderr.wait(t, "joined topic_7")
	insert(t, conn, "hello")
	tail.stdout.wait(t, "hello")
	flag := start(t, "tail", "topic_7", "topic_8", at, "--token="+token)
	flag.stderr.wait(t, `join "topic_8"`)
	flag.stderr.wait(t, "joined topic_7")
	query(t, conn, `DELETE FROM members`)
	for _, p := range []*process{tail, flag} {
		p.stderr.wait(t, "left topic_7: revoked")
	}
	if code := tail.end(); code != exitFailed {
		t.Errorf("exit code %d of who was put out", code)
	}
	said := tail.stderr.String() + flag.stderr.String()

	expired := mint("--ttl=-1m")
	for name, tt := range map[string]struct{ token, want string }{
		"none":    {"", "unauthenticated"},
		"forged":  {token[:len(token)-5] + "AAAAA", "unauthenticated"},
		"expired": {expired, "token_expired"},
		"no_more": {token, "forbidden"},
	} {
		_, errs, code := run(t, "ROWCAST_TOKEN="+tt.token, "tail", "topic_7", at, "--token=")
		if code != exitFailed || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit code %d, stderr %q", name, code, errs)
		}
		said += errs
	}
	_, errs, _ := run(t, "tail", "topic_7", "--url=ws://127.0.0.1:1/ws?token="+token)
	said += errs + d.stderr.String()
	if strings.Contains(said, token) || strings.Contains(said, expired) || strings.Contains(said, tokenSecret) {
		t.Errorf("a secret in what was printed:\n%s", said)
	}
}

func TestTailFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nobody there": {[]string{"tail", "x", "--url=ws://127.0.0.1:1"}, exitFailed, "is the daemon running"},
		"no topic":     {[]string{"tail"}, exitUsage, "rowcast tail --help"},
		"no address":   {[]string{"tail", "x", "--url=here"}, exitUsage, "--url"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs, code := run(t, tt.args...)
			if code != tt.code || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit code %d, stderr %q", code, errs)
			}
		})
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	url, _ := watched(t)

	t.Run("sigterm_is_a_clean_stop", func(t *testing.T) {
		t.Parallel()
		d := serve(t, url)
		tail := start(t, "tail", "topic_7", "--json", "--url=ws://"+d.http)
		tail.stderr.wait(t, "joined topic_7")
		d.signal(syscall.SIGTERM)
		if code := d.end(); code != exitDone {
			t.Errorf("exit code %d\n%s", code, d.stderr)
		}
		tail.stderr.wait(t, "1012")
	})

	t.Run("a_second_one_is_the_end", func(t *testing.T) {
		t.Parallel()
		d := serve(t, url, "--shutdown.drain_delay=10m", "--shutdown.timeout=20m")
		d.signal(syscall.SIGINT)
		d.stderr.wait(t, "shutting down")
		d.signal(syscall.SIGINT)
		if code := d.end(); code != exitFailed {
			t.Errorf("exit code %d", code)
		}
	})
}

// The daemon's own defaults and those of the configuration are the same.
func TestDefaultsAgree(t *testing.T) {
	t.Parallel()
	if config.DefaultHTTPAddr != bridge.DefaultHTTPAddr || config.DefaultEventBytes != bridge.DefaultEventBytes ||
		config.DefaultTransactionEvents != bridge.DefaultTransactionEvents || config.DefaultHeaderBytes != bridge.DefaultHeaderBytes ||
		config.DefaultHandshakeTimeout != bridge.DefaultHandshakeTimeout ||
		config.DefaultShutdownTimeout != bridge.DefaultShutdownTimeout {
		t.Error("config and bridge have different defaults")
	}
}

// Every setting reaches the daemon.
func TestDaemonOptions(t *testing.T) {
	t.Parallel()
	want := daemonOptions(config.Default(), nil)
	for _, edit := range []func(*config.Config){
		func(c *config.Config) { c.Database.URL = "x" },
		func(c *config.Config) { c.HTTP.Addr = "x" },
		func(c *config.Config) { c.HTTP.AllowedOrigins = []string{"x"} },
		func(c *config.Config) { c.HTTP.Compression = true },
		func(c *config.Config) { c.HTTP.TLS.Cert = "x" },
		func(c *config.Config) { c.HTTP.TLS.Key = "x" },
		func(c *config.Config) { c.Admin.Addr = "x" },
		func(c *config.Config) { c.HTTP.TrustedProxies = []string{"::1"} },
		func(c *config.Config) { c.Auth.Mode = "none" },
		func(c *config.Config) { c.Auth.JWT.Secret = "x" },
		func(c *config.Config) { c.Auth.JWT.PublicKey = "x" },
		func(c *config.Config) { c.Auth.JWT.JWKSURL = "x" },
		func(c *config.Config) { c.Auth.JWT.Issuer = "x" },
		func(c *config.Config) { c.Auth.JWT.Audience = "x" },
		func(c *config.Config) { c.Auth.JWT.Leeway++ },
		func(c *config.Config) { c.Auth.TopicsClaim = "x" },
		func(c *config.Config) { c.Auth.SubjectClaim = "x" },
		func(c *config.Config) { c.Auth.Authorize = "x" },
		func(c *config.Config) { c.Auth.Authenticate = "x" },
		func(c *config.Config) { c.Auth.Role = "x" },
		func(c *config.Config) { c.Auth.Connections++ },
		func(c *config.Config) { c.Auth.Timeout++ },
		func(c *config.Config) { c.Auth.Cache = 0 },
		func(c *config.Config) { c.Auth.Anonymous = true },
		func(c *config.Config) { c.Auth.Cookie = "x" },
		func(c *config.Config) { c.Auth.QueryToken = true },
		func(c *config.Config) { c.History.Bytes++ },
		func(c *config.Config) { c.History.Age++ },
		func(c *config.Config) { c.Limits.Connections++ },
		func(c *config.Config) { c.Limits.ConnectionsPerAddress++ },
		func(c *config.Config) { c.Limits.TopicsPerConnection++ },
		func(c *config.Config) { c.Limits.HeaderBytes++ },
		func(c *config.Config) { c.Limits.ReplayBytes++ },
		func(c *config.Config) { c.Limits.FramesPerSecond = 0 },
		func(c *config.Config) { c.Limits.HandshakeTimeout++ },
		func(c *config.Config) { c.Limits.FrameBytes++ },
		func(c *config.Config) { c.Limits.EventBytes++ },
		func(c *config.Config) { c.Limits.QueueBytes++ },
		func(c *config.Config) { c.Limits.JoinsPerSecond++ },
		func(c *config.Config) { c.Limits.HandshakesPerSecond++ },
		func(c *config.Config) { c.Limits.WriteTimeout++ },
		func(c *config.Config) { c.Limits.Lookback++ },
		func(c *config.Config) { c.Limits.TransactionEvents++ },
		func(c *config.Config) { c.Heartbeat.Interval++ },
		func(c *config.Config) { c.Capture.Mode = "poll" },
		func(c *config.Config) { c.Capture.PollInterval++ },
		func(c *config.Config) { c.Channels = []config.Channel{{Name: "x"}} },
		func(c *config.Config) { c.Shutdown.Timeout++ },
		func(c *config.Config) { c.Shutdown.DrainDelay++ },
		func(c *config.Config) { c.Shutdown.Spread++ },
	} {
		c := config.Default()
		edit(&c)
		if got := daemonOptions(c, nil); reflect.DeepEqual(got, want) {
			t.Errorf("lost on the way:\n%v", c)
		}
	}
}
