package bridge

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
	"rowcast/rooms"
)

var update = flag.Bool("update", false, "write the golden frames anew")

const framesDir = "testdata/frames"

// frameCase is a change and the files that hold the frames it makes.
type frameCase struct {
	change pglisten.Change
	frames []string
}

// TestFrames compares what changes become with the golden frames, which are the
// protocol's examples: clients are tested with the same files.
func TestFrames(t *testing.T) {
	t.Parallel()
	var files []string
	for _, tt := range frameCases() {
		files = append(files, tt.frames...)
		t.Run(tt.frames[0], func(t *testing.T) {
			t.Parallel()
			checkFrames(t, translated(t, tt.change, 4096), tt.frames)
		})
	}
	t.Run("notification", func(t *testing.T) {
		t.Parallel()
		checkFrames(t, notified(`{"order_id": 77, "state": "packed"}`), []string{"channel_order_changed"})
	})
	t.Run("notification_of_text", func(t *testing.T) {
		t.Parallel()
		checkFrames(t, notified(`77 is "packed"`), []string{"channel_text"})
	})
	files = append(files, "channel_order_changed", "channel_text")
	t.Run("no_other_files", func(t *testing.T) {
		t.Parallel()
		entries, err := os.ReadDir(framesDir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !slices.Contains(files, strings.TrimSuffix(e.Name(), ".json")) {
				t.Errorf("%s is no test's", e.Name())
			}
		}
	})
}

// translated returns the items of a change that is the last of its batch.
func translated(t *testing.T, c pglisten.Change, limit int) []rooms.Item {
	t.Helper()
	tr := newTranslator(translatorOptions{Epoch: "k3f9", EventBytes: limit})
	b := tr.batch(pglisten.Batch{Changes: []pglisten.Change{c}, Snapshot: c.Resume})
	if n := tr.counts.poison.Load(); n != 0 {
		t.Errorf("poison: %d", n)
	}
	return b.Items
}

// notified returns the items of a notification of the channel orders.
func notified(payload string) []rooms.Item {
	tr := newTranslator(translatorOptions{Epoch: "k3f9", Channels: []Channel{
		{Name: "orders", Type: "order_changed", Topics: []string{"order_{order_id}", "orders"}},
	}})
	tr.now = func() time.Time { return at }
	return tr.notification(pglisten.Notification{Channel: "orders", Payload: payload})
}

func checkFrames(t *testing.T, items []rooms.Item, names []string) {
	t.Helper()
	if len(items) != len(names) {
		t.Fatalf("%d items, want %d: %+v", len(items), len(names), items)
	}
	for i, name := range names {
		checkItem(t, items[i])
		file := filepath.Join(framesDir, name+".json")
		if *update {
			if err := os.WriteFile(file, append(items[i].Data, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(items[i].Data) + "\n"; got != string(want) {
			t.Errorf("%s:\n got %swant %s", name, got, want)
		}
	}
}

// checkItem checks what holds for every event.
func checkItem(t testing.TB, item rooms.Item) {
	t.Helper()
	if strings.ContainsAny(string(item.Data), "\r\n") {
		t.Errorf("more than a line: %q", item.Data)
	}
	var e struct {
		Type    string
		Topics  []string
		Payload map[string]json.RawMessage
		ID      string
		Cursor  string
	}
	if err := json.Unmarshal(item.Data, &e); err != nil {
		t.Fatalf("%v in %q", err, item.Data)
	}
	if !validType(e.Type) || !slices.Equal(e.Topics, item.Topics) || e.Payload == nil || e.Cursor != item.Cursor {
		t.Errorf("bad event %+v in %q", e, item.Data)
	}
	if (item.XID == 0) != (e.ID == "") || (item.XID == 0) != (e.Cursor == "") {
		t.Errorf("id and cursor do not fit xid %d in %q", item.XID, item.Data)
	}
}

var at = time.Date(2026, 11, 23, 0, 42, 55, 279e6, time.UTC)

// watchMessages is a watch of the protocol's example.
func watchMessages(change ...func(w *pglisten.Watch)) *pglisten.Watch {
	w := &pglisten.Watch{
		ID: 1, Schema: "public", Table: "messages", Entity: "message",
		TopicColumn: "topic_id", Templates: []string{"topic_{topic_id}", "messages"}, Key: []string{"id"},
		Columns: []pglisten.Column{
			{Name: "id", Type: exactType},
			{Name: "topic_id", Type: exactType},
			{Name: "content", Type: textType},
			{Name: "created_at", Type: timeType},
		},
	}
	for _, f := range change {
		f(w)
	}
	return w
}

const (
	messageRow = `{"id":981,"topic_id":7,"content":"hi","created_at":"2026-11-23T01:42:55.278+01:00"}`
	editedRow  = `{"id":981,"topic_id":7,"content":"hi\nyou","created_at":"2026-11-23T01:42:55.278+01:00"}`
	movedRow   = `{"id":981,"topic_id":8,"content":"hi\nyou","created_at":"2026-11-23T01:42:55.278+01:00"}`
)

// changeOf is a change, the last of its batch.
func changeOf(w *pglisten.Watch, op pglisten.Op, row, old string, change ...func(c *pglisten.Change)) pglisten.Change {
	c := pglisten.Change{
		ID: 20481, XID: 734, Op: op, Watch: w, At: at, TxChanges: 1,
		New: []byte(row), Resume: snapshot.New(735),
	}
	if old != "" {
		c.Old = []byte(old)
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func withOld(w *pglisten.Watch)       { w.IncludeOld = true }
func withUnchanged(w *pglisten.Watch) { w.Unchanged = true }
func withoutTopic(w *pglisten.Watch)  { w.TopicColumn, w.Templates = "", []string{"messages"} }

func withMutation(c *pglisten.Change) { c.MutationID = "c1d8-\"é\"" }
func withMicros(c *pglisten.Change)   { c.At = at.Add(123 * time.Microsecond) }

func cutNew(changed ...string) func(*pglisten.Change) {
	return func(c *pglisten.Change) { c.NewCut, c.Changed = true, changed }
}

func cutOld(changed ...string) func(*pglisten.Change) {
	return func(c *pglisten.Change) { c.OldCut, c.Changed = true, changed }
}

func emitted(typ string, topics ...string) func(*pglisten.Change) {
	return func(c *pglisten.Change) { c.Type, c.Topics = typ, topics }
}
