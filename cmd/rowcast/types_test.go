package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"rowcast/internal/pgtemp/pgtest"
)

func TestTypes(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	at := "--database.url=" + url
	conn := pgtest.Connect(t, url)
	query(t, conn, `CREATE TABLE messages (id int8 PRIMARY KEY, topic_id int8 NOT NULL, content text);
SELECT rowcast.watch('messages', 'topic_id')`)
	file := filepath.Join(t.TempDir(), "rowcast.ts")

	refused := func(want string, args ...string) {
		t.Helper()
		out, errs, code := run(t, append([]string{"types", at}, args...)...)
		if code != exitFailed || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q, want %q", args, code, out, errs, want)
		}
	}
	silent := func(args ...string) {
		t.Helper()
		if out := must(t, append([]string{"types", at}, args...)...); out != "" {
			t.Errorf("%v: it said %q", args, out)
		}
	}
	refused("rowcast.ts does not exist: make it with rowcast types --out "+file, "--out", file, "--check")
	silent("--out", file)
	silent("--out", file, "--check")

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(text), "export interface Message {", "message_created:", "`topic_${string}`")
	if out := must(t, "types", at); out != string(text) {
		t.Errorf("another text on stdout:\n%s", out)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	silent("--out", file, "--check")

	query(t, conn, `ALTER TABLE messages ADD author text`)
	refused("rowcast.ts is out of date: renew it with rowcast types --out "+file, "--out", file, "--check")
	silent("--out", file)
	silent("--out", file, "--check")

	query(t, conn, `CREATE TABLE members (user_id text, topic_id int8); SELECT rowcast.watch_access('members', 'user_id', '{"topic_{topic_id}"}')`)
	silent("--out", file, "--check")

	schema := filepath.Join(t.TempDir(), "schema.json")
	silent("--lang", "jsonschema", "--out", schema)
	silent("--lang", "jsonschema", "--out", schema, "--check")
	query(t, conn, `ALTER TABLE messages ALTER content SET NOT NULL`)
	refused("renew it with rowcast types --out "+schema+" --lang jsonschema", "--lang", "jsonschema", "--out", schema, "--check")
	if out := must(t, "types", at, "--lang=jsonschema"); !json.Valid([]byte(out)) {
		t.Errorf("no JSON:\n%s", out)
	}

	query(t, conn, `SELECT rowcast.unwatch('messages')`)
	refused("no table is watched", "--out", file)
	refused("no table is watched", "--out", file, "--check")
}

func TestTypesUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--check"}, "--check needs --out"},
		{[]string{"--lang=elm"}, `--lang must be ts or jsonschema (got "elm")`},
		{[]string{"messages"}, "types --help"},
		{nil, "database.url: is missing"},
	} {
		out, errs, code := run(t, append([]string{"types"}, tt.args...)...)
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", tt.args, code, out, errs)
		}
	}

	url := "DATABASE_URL=" + pgtest.Database(t)
	must(t, url, "migrate", "down")
	if _, errs, code := run(t, url, "types"); code != exitFailed || !strings.Contains(errs, "run rowcast migrate up") {
		t.Errorf("without the schema: exit code %d, stderr %q", code, errs)
	}
}

// The daemon tells its clients the hash that the generated file has.
func TestTypesOfADaemon(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	query(t, pgtest.Connect(t, url), `CREATE TABLE messages (id int8 PRIMARY KEY); SELECT rowcast.watch('messages')`)
	d := serve(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+d.http+"/ws", &websocket.DialOptions{Subprotocols: []string{"rowcast.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	_, welcome, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hash := regexp.MustCompile(`export const schema = '(\w+)'`).FindStringSubmatch(must(t, "DATABASE_URL="+url, "types"))
	if hash == nil {
		t.Fatal("no hash")
	}
	contains(t, string(welcome), `"schema":"`+hash[1]+`"`)
}
