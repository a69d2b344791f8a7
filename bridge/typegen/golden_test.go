package typegen_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowcast/bridge/typegen"
	"rowcast/examples/chat"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/pglisten"
)

var update = flag.Bool("update", false, "write the golden files")

// schemas are the test databases: testdata/NAME.sql makes one, NAME.ts and
// NAME.schema.json are what is generated of it. The tests of clients/ts compile
// the TypeScript.
var schemas = []string{"values", "events", "names"}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := pgtest.Connect(t, pgtest.Database(t))
			execute(t, conn, read(t, name+".sql"))
			m := model(t, conn)
			compare(t, name+".ts", m.TypeScript())
			compare(t, name+".schema.json", m.JSONSchema())
		})
	}
}

// The demo's page is compiled with the types of its tables.
func TestDemo(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.Database(t))
	execute(t, conn, chat.Schema)
	compare(t, "../../../examples/chat/web/src/rowcast.ts", model(t, conn).TypeScript())
}

// compare compares a text with a file, named as seen from testdata.
func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", name), got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, name); string(got) != want {
		t.Errorf("%s is not what is generated now (-update writes it); the first line that differs is\n%s", name, difference(string(got), want))
	}
}

// difference returns the first line of a text that another does not have there.
func difference(a, b string) string {
	others := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(others) || line != others[i] {
			return line
		}
	}
	return "behind the end"
}

// model is the model of a database's watches.
func model(t *testing.T, conn *pgx.Conn) *typegen.Model {
	t.Helper()
	watches, err := pglisten.LoadWatches(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return typegen.New(watches)
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
