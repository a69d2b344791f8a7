package pglisten

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rowcast/internal/pgtemp/pgtest"
)

func TestCatalogue_types(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.Database(t))
	execute(t, conn, `
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN big AS bigint;
CREATE DOMAIN bigger AS big NOT NULL;
CREATE DOMAIN biggest AS bigger;
CREATE DOMAIN grid AS bigger[][];
CREATE TYPE pair AS (n bigint, at timestamptz);
CREATE TYPE nest AS (p pair, all_p pair[], d bigger);
CREATE TABLE seam (n int NOT NULL);
CREATE TABLE odd ("k 1" int, k2 text, i2 int2, f float8, n numeric(10,2), m money, b bool NOT NULL, j jsonb,
  tz timestamptz, ts timestamp, raw bytea, e mood, d big, dd bigger, a int8[], aa text[][], c pair, nn nest, ddd biggest, g grid, gg grid[], l seam, secret text,
  PRIMARY KEY (k2, "k 1"));
SELECT rowcast.watch('odd', 'i2', exclude => '{secret}', entity => 'odd', derive => '[{"type":"odd_sad","on":"update","column":"e","becomes":"sad"}]')`)
	c, err := loadCatalogue(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	w := watchOf(t, c, "odd")
	var got []string
	for _, column := range w.Columns {
		got = append(got, describeColumn(column))
	}
	want := []string{
		"k 1 number", "k2 text", "i2? number", "f? float", "n? exact", "m? exact", "b bool", "j? json",
		"tz? timestamp", "ts? text", "raw? bytes", "e? (sad happy)", "d? exact", "dd exact", "a? [exact]", "aa? [[text]]",
		"c? {n? exact, at? timestamp}", "nn? {p? {n? exact, at? timestamp}, all_p? [{n? exact, at? timestamp}], d exact}",
		"ddd exact", "g? [[exact]]", "gg? [[[exact]]]", "l? {n? number}",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !slices.Equal(w.Key, []string{"k2", "k 1"}) {
		t.Errorf("key %q", w.Key)
	}
	if n := slices.IndexFunc(w.Columns, func(c Column) bool { return c.Name == "n" }); w.Columns[n].Type.Name != "numeric(10,2)" {
		t.Errorf("type name %q", w.Columns[n].Type.Name)
	}
	if len(w.Derive) != 1 || w.Derive[0].Type != "odd_sad" || string(w.Derive[0].Becomes) != `"sad"` {
		t.Errorf("derive %+v", w.Derive)
	}
}

// What only rides along in the key's index is no key; what has somebody's own
// cast to json comes from the triggers as text.
func TestCatalogue_included_and_cast_columns(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.Database(t))
	execute(t, conn, `
CREATE TYPE tag AS ENUM ('a');
CREATE FUNCTION tag_json(tag) RETURNS json LANGUAGE sql AS $$ SELECT '"b"'::json $$;
CREATE CAST (tag AS json) WITH FUNCTION tag_json(tag);
CREATE TABLE riders (id int, note text, tags tag[], PRIMARY KEY (id) INCLUDE (note));
SELECT rowcast.watch('riders')`)
	c, err := loadCatalogue(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	w := watchOf(t, c, "riders")
	if !slices.Equal(w.Key, []string{"id"}) {
		t.Errorf("key %q", w.Key)
	}
	if got := describe(w.Columns[2].Type); got != "text" {
		t.Errorf("tags: %s", got)
	}
}

func watchOf(t *testing.T, c *catalogue, table string) *Watch {
	t.Helper()
	for _, w := range c.watches {
		if w.Table == table {
			return w
		}
	}
	t.Fatalf("no watch of %s", table)
	return nil
}

func describeColumn(c Column) string {
	null := ""
	if c.Nullable {
		null = "?"
	}
	return c.Name + null + " " + describe(c.Type)
}

func describe(t *Type) string {
	switch t.Kind {
	case Array:
		return strings.Repeat("[", t.Dims) + describe(t.Elem) + strings.Repeat("]", t.Dims)
	case Composite:
		var fields []string
		for _, f := range t.Fields {
			fields = append(fields, describeColumn(f))
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	if t.Enum != nil {
		return "(" + strings.Join(t.Enum, " ") + ")"
	}
	return [...]string{"text", "number", "float", "exact", "bool", "json", "timestamp", "bytes"}[t.Kind]
}

// What has ended is left out.
func TestLoadWatches(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.Database(t))
	execute(t, conn, `
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY);
SELECT rowcast.watch('a'), rowcast.watch('b', ops => '{delete,insert}');
SELECT rowcast.unwatch('a')`)
	list, err := LoadWatches(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(w *Watch) bool { return w.Table == "b" })
	if i < 0 || !slices.Equal(list[i].Ops, []string{"insert", "delete"}) || slices.ContainsFunc(list, func(w *Watch) bool { return w.Table == "a" || w.Hidden }) {
		t.Errorf("got %+v", list)
	}
}

// Watches and columns made while the source runs are known when their first
// change is handed on.
func TestSource_follows_ddl(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	_, sink := run(t, Options{URL: url})
	n := 0
	next := func(sql string) Change {
		t.Helper()
		execute(t, conn, sql)
		n++
		sink.until(t, sql, func() bool { return len(sink.changes()) == n })
		return sink.all()[n-1]
	}
	execute(t, conn, "CREATE TABLE news (id int PRIMARY KEY, body text); SELECT rowcast.watch('news', entity => 'item')")
	if c := next("INSERT INTO news VALUES (1, 'x')"); c.Err != nil || c.Watch.Table != "news" {
		t.Errorf("new watch: %+v", c)
	}
	execute(t, conn, `ALTER TABLE news ADD "a ""quoted"" one" int8`)
	if c := next("INSERT INTO news VALUES (2, 'x', 3)"); len(c.Watch.Columns) != 3 || c.Watch.Columns[2].Type.Kind != Exact {
		t.Errorf("new column: %+v", c.Watch)
	}
	execute(t, conn, "ALTER TABLE news RENAME body TO words")
	if c := next("INSERT INTO news VALUES (3, 'x', 3)"); c.Watch.Columns[1].Name != "words" {
		t.Errorf("renamed column: %+v", c.Watch)
	}
	execute(t, conn, "INSERT INTO news VALUES (5, 'x', 3); ALTER TABLE news DROP words; ALTER TABLE news ADD more text")
	n++
	if c := next("INSERT INTO news VALUES (6, 4, 'y')"); c.Watch.Columns[2].Name != "more" {
		t.Errorf("dropped and added columns: %+v", c.Watch)
	}
	old := sink.all()[n-1].Watch.ID
	execute(t, conn, "SELECT rowcast.unwatch('news'); SELECT rowcast.watch('news', entity => 'story')")
	if c := next("INSERT INTO news VALUES (4, 3, 'x')"); c.Watch.Entity != "story" || c.Watch.ID == old {
		t.Errorf("watched again: %+v", c.Watch)
	}
}

func TestSource_reports_drift(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	s, sink := run(t, Options{URL: url})
	c := newChores(s)
	defer c.aside.close(t.Context())
	losses := 0
	for _, sql := range []string{
		"ALTER TABLE messages DISABLE TRIGGER ALL",
		"ALTER TABLE messages ENABLE TRIGGER ALL",
		"ALTER TABLE messages RENAME topic_id TO other_id",
		"DROP TABLE messages",
	} {
		execute(t, conn, sql)
		for range 2 { // once per finding
			if err := c.inspect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		losses++
		sink.until(t, sql, func() bool { return len(sink.losses) >= losses })
		if w := sink.losses[len(sink.losses)-1].Watch; w == nil || w.Table != "messages" || len(sink.losses) != losses {
			t.Errorf("%s: %d losses, %+v", sql, len(sink.losses), w)
		}
	}
}

func FuzzUnknownKey(f *testing.F) {
	nothing := func(string) bool { return false }
	f.Add("a", `{"x":["}\"",2]}`)
	f.Add(`q"\,`, "text")
	f.Fuzz(func(t *testing.T, name, value string) {
		inner, _ := json.Marshal(value)
		if json.Valid([]byte(value)) {
			inner = []byte(value)
		}
		key, _ := json.Marshal(name)
		if err := json.Unmarshal(key, &name); err != nil {
			t.Fatal(err)
		}
		row := fmt.Appendf(nil, `{"first":%s,%s:%s,"last":[%s]}`, inner, key, inner, inner)
		w := &Watch{known: map[string]bool{"first": true, "last": true}}
		got, found := w.unknownKey(row, nothing)
		if known := w.known[name]; found == known || found && got != name {
			t.Errorf("%s: %q, %v", row, got, found)
		}
		w.known[name] = true
		if got, found := w.unknownKey(row, nothing); found {
			t.Errorf("%s: %q", row, got)
		}
	})
}
