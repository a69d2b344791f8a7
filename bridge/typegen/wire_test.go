package typegen_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"rowcast/bridge"
	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
	"rowcast/pglisten"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// eventBytes is the daemon's limit: a row that no trigger has cut can be over it
// with its key alone.
const eventBytes = 3500

// TestWire sends rows of all kinds through the daemon. Every event must be what
// its type's schema says, with no field more; every look that a schema gives an
// event must come.
func TestWire(t *testing.T) {
	t.Parallel()
	for _, bin := range pgtest.Versions() {
		cluster := pgtest.Cluster(t, pgtemp.Options{BinDir: bin, Fast: true})
		for _, name := range schemas {
			execute(t, pgtest.Connect(t, cluster.URL("postgres")), "CREATE DATABASE "+name)
			t.Run(fmt.Sprintf("%s_on_postgres_%d", name, cluster.Version()), func(t *testing.T) {
				t.Parallel()
				checkWire(t, cluster, name)
			})
		}
	}
}

func checkWire(t *testing.T, cluster *pgtemp.Cluster, name string) {
	database := cluster.URL(name)
	if err := migrations.Up(t.Context(), database, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, database)
	execute(t, conn, read(t, name+".sql"))
	if name == "values" && cluster.Version() >= 18 { // no trigger can see it
		execute(t, conn, "ALTER TABLE things ADD virtual_i4 int GENERATED ALWAYS AS (i4) VIRTUAL")
	}
	c := newContract(t, model(t, conn).JSONSchema())

	frames := listen(t, database, "all", "things", "topic_7", "topic_8", "user_2", "note_x", "note_y",
		`tagged_["a"]`, `tagged_["a"%2C"c"]`, "it's`$a\\x", "it's`$b\\x", "t_1_3", "end")
	for statement := range strings.SplitSeq(read(t, name+".changes.sql"), ";\n") {
		execute(t, conn, statement)
	}
	execute(t, conn, `SELECT rowcast.emit('end', '{}', '{end}')`)
	for frame := range frames {
		if bytes.HasPrefix(frame, []byte(`{"type":"end"`)) {
			break
		}
		c.check(frame)
	}
	for _, look := range slices.Sorted(maps.Keys(c.unseen)) {
		t.Errorf("no event is %s", look)
	}
}

// TestFrames holds the protocol's examples against the schema of such tables.
func TestFrames(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.Database(t))
	execute(t, conn, read(t, "frames.sql"))
	c := newContract(t, model(t, conn).JSONSchema())
	frames, err := filepath.Glob("../testdata/frames/*.json")
	if err != nil || len(frames) == 0 {
		t.Fatal(len(frames), err)
	}
	for _, file := range frames {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "emit") || strings.HasPrefix(name, "channel") { // of no table
			continue
		}
		frame, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c.check(frame)
	}
}

// listen starts a daemon and yields the frames of some topics.
func listen(t *testing.T, database string, topics ...string) <-chan []byte {
	t.Helper()
	address := make(chan net.Addr, 1)
	d, err := bridge.New(bridge.Options{
		HTTPAddr: "127.0.0.1:0", Source: pglisten.Options{URL: pgtest.Daemon(t, database)}, EventBytes: eventBytes,
		Ready: func(public, _ net.Addr) { address <- public },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("daemon: %v", err)
		}
	})
	var public net.Addr
	select {
	case public = <-address:
	case <-time.After(patience):
		t.Fatal("not ready")
	}
	for i, topic := range topics {
		topics[i] = url.PathEscape(topic)
	}
	conn, _, err := websocket.Dial(t.Context(), "ws://"+public.String()+"/ws?topics="+strings.Join(topics, ","), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	frames := make(chan []byte)
	go func() { // ends with the connection
		defer close(frames)
		for {
			_, frame, err := conn.Read(ctx)
			if err != nil {
				return
			}
			select {
			case frames <- frame:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { _ = conn.CloseNow() })
	return frames
}

// contract is a schema that allows no field it does not name.
type contract struct {
	t      *testing.T
	whole  *jsonschema.Schema
	types  map[string]*jsonschema.Schema
	looks  map[string]*jsonschema.Schema // by pointer, of each look of each event type
	unseen map[string]bool
}

func newContract(t *testing.T, schema []byte) *contract {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", strict(document)); err != nil {
		t.Fatal(err)
	}
	compile := func(pointer string) *jsonschema.Schema {
		s, err := c.Compile("schema.json" + pointer)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	schemas := func() map[string]*jsonschema.Schema { return map[string]*jsonschema.Schema{} }
	k := &contract{t: t, whole: compile(""), types: schemas(), looks: schemas(), unseen: map[string]bool{}}
	for name, def := range document.(map[string]any)["$defs"].(map[string]any) {
		if name[0] < 'a' { // no event type
			continue
		}
		k.types[name] = compile("#/$defs/" + name)
		pointers := []string{"#/$defs/" + name}
		if looks, several := def.(map[string]any)["anyOf"].([]any); several {
			pointers = nil
			for i := range looks {
				pointers = append(pointers, fmt.Sprintf("#/$defs/%s/anyOf/%d", name, i))
			}
		}
		for _, pointer := range pointers {
			k.looks[pointer], k.unseen[pointer] = compile(pointer), true
		}
	}
	return k
}

// strict closes all objects of a schema.
func strict(schema any) any {
	switch s := schema.(type) {
	case map[string]any:
		if _, is := s["properties"].(map[string]any); is && s["type"] == "object" {
			s["additionalProperties"] = false
		}
		for _, inner := range s {
			strict(inner)
		}
	case []any:
		for _, inner := range s {
			strict(inner)
		}
	}
	return schema
}

func (c *contract) check(frame []byte) {
	c.t.Helper()
	event, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.whole.Validate(event); err != nil {
		typ, _ := event.(map[string]any)["type"].(string)
		if own := c.types[typ]; own != nil {
			err = own.Validate(event) // says it without all the other types
		}
		c.t.Errorf("%.3000s\n%v", frame, err)
	}
	for pointer, look := range c.looks {
		if look.Validate(event) == nil {
			delete(c.unseen, pointer)
		}
	}
}
