package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rowcast/internal/pgtemp/pgtest"
)

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	url := "DATABASE_URL=" + pgtest.Database(t)
	contains(t, must(t, url, "migrate", "status"), "1  log", "20")
	must(t, url, "migrate", "up") // once more
	must(t, url, "migrate", "down")
	if status := must(t, url, "migrate", "status"); strings.Count(status, "not applied") != strings.Count(status, "\n") {
		t.Errorf("after down:\n%s", status)
	}
	_, errs, code := run(t, url, "watches")
	if code != exitFailed || !strings.Contains(errs, "run rowcast migrate up") {
		t.Errorf("exit code %d, stderr %q", code, errs)
	}
	must(t, url, "migrate", "up")
	must(t, url, "watches")
}

// What print writes is what up does, for whoever migrates with other tools.
func TestMigratePrint(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	must(t, "DATABASE_URL="+url, "migrate", "down")
	conn := pgtest.Connect(t, url)
	query(t, conn, must(t, "migrate", "print"))
	if status := must(t, "DATABASE_URL="+url, "migrate", "status"); strings.Contains(status, "not applied") {
		t.Errorf("after print up:\n%s", status)
	}
	query(t, conn, must(t, "migrate", "print", "down"))
	if status := must(t, "DATABASE_URL="+url, "migrate", "status"); !strings.Contains(status, "not applied") {
		t.Errorf("after print down:\n%s", status)
	}
}

func TestWatchCommands(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	at := "--database.url=" + url
	conn := pgtest.Connect(t, url)
	query(t, conn, `CREATE TABLE messages (id int PRIMARY KEY, topic_id int, content text, secret text)`)

	plan := must(t, "watch", "messages", "--topic-column=topic_id", "--topic=topic_{topic_id}", "--topic=messages",
		"--entity=note", "--ops=insert,update", "--exclude=secret", "--level=row", "--include-old", "--max-bytes=1000",
		`--derive=[{"type":"shouted","on":"insert","column":"content","equals":"A"}]`, "--unchanged", "--always", "--dry-run", at)
	contains(t, plan, "SELECT rowcast.watch('messages'", "'topic_id'", "'topic_{topic_id}', 'messages'", "'note'", "'insert', 'update'",
		"'secret'", "'row'", "include_old => true", "1000", "shouted", "unchanged => true", "always => true", "locks:", "unwatch")
	if list := must(t, "watches", at); strings.Contains(list, "messages") {
		t.Errorf("a dry run left\n%s", list)
	}

	contains(t, must(t, "watch", "messages", "--topic-column=topic_id", "--entity=note", at), "messages")
	contains(t, must(t, "watches", at), "TABLE", "messages", "note_*", "topic_{topic_id}", "insert,update,delete")
	contains(t, must(t, "watch", "messages", "--columns=", "--dry-run", at), "columns => ARRAY[]")
	query(t, conn, `SELECT rowcast.watch_access('messages', 'secret', '{"topic_{topic_id}"}', columns => '{}')`)
	if list := must(t, "watches", at); !regexp.MustCompile(`(?m)^messages +note_\* +- +insert,.*\nmessages +- +secret +insert,update,delete +topic_\{topic_id\} `).MatchString(list) {
		t.Errorf("both kinds of watch\n%s", list)
	}
	query(t, conn, `SELECT rowcast.unwatch_access('messages')`)
	must(t, "unwatch", "messages", at)
	if list := must(t, "watches", at); strings.Contains(list, "messages") {
		t.Errorf("after unwatch\n%s", list)
	}

	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"watch", "nothing", at}, exitFailed, "nothing"},
		{[]string{"watch", "messages", "--topic-column=colour", at}, exitFailed, "colour"},
		{[]string{"watch", at}, exitUsage, "watch --help"},
		{[]string{"unwatch", "messages"}, exitUsage, "database.url: is missing"},
		{[]string{"migrate", "sideways"}, exitUsage, `unknown command "sideways"`},
		{[]string{"migrate"}, exitUsage, "up, down, status or print"},
		{[]string{"migrate", "print", "sideways"}, exitUsage, "sideways"},
	} {
		out, errs, code := run(t, tt.args...)
		if code != tt.code || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 || out != "" {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", tt.args, code, out, errs)
		}
	}
}

func TestConfigCommand(t *testing.T) {
	t.Parallel()
	printed := must(t, "DATABASE_URL=postgres://u:s3cret@h/db", "ROWCAST_AUTH_JWT_SECRET=s3cret", "ROWCAST_HISTORY_AGE=90m",
		"config", "--limits.queue_bytes=2MB", "--auth.mode=jwt")
	contains(t, printed, `url: "postgres://u:xxxxx@h/db"`, `secret: "xxxxx"`, "age: 1h30m\n", "queue_bytes: 2MB\n")

	file := filepath.Join(t.TempDir(), "rowcast.yaml")
	if err := os.WriteFile(file, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := must(t, "config", "--config="+file); again != printed {
		t.Errorf("printed\n%sread as\n%s", printed, again)
	}
	if out := must(t, "ROWCAST_AUTH_JWT_SECRET="+tokenSecret, "config", "--check", "--config="+file); out != "" {
		t.Errorf("a good configuration: %q", out)
	}
	_, errs, code := run(t, "config", "--check", "--http.addr=:80", "--log.level=loud")
	if code != exitUsage || strings.Count(errs, "\n") != 3 || strings.Count(errs, "rowcast: ") != 3 {
		t.Errorf("exit code %d, stderr %q, want all three faults", code, errs)
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	help := must(t)
	contains(t, help, "Run:", "serve", "dev", "Set up the database:", "migrate", "watch ", "unwatch", "watches", "Look:", "tail", "version", "config")
	contains(t, must(t, "serve", "--help"), "--http.addr", "--shutdown.timeout")
	if got := must(t, "version"); !regexp.MustCompile(`^rowcast \S+, commit \S+, go1\.\S+ \w+/\w+\n$`).MatchString(got) {
		t.Errorf("version: %q", got)
	}
}

// A release says what the linker was told.
func TestVersionOfARelease(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "rowcast")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-X main.version=v1.2.3 -X main.commit=abc", "-o", bin, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), bin, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "rowcast v1.2.3, commit abc, ") {
		t.Errorf("%q, %v", out, err)
	}
}
