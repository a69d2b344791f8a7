package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
	"rowcast/rooms"
)

// told is what an item says, without an event's bytes.
type told struct {
	ID     string // of an event
	Access string // of a change of access: what became of whose
	Reason rooms.Reason
	Topics string
	Cursor string // the snapshot's text
	XID    uint64
}

func tell(t *testing.T, items []rooms.Item) (all []told) {
	t.Helper()
	for _, item := range items {
		x := told{Reason: item.Reason, Topics: strings.Join(item.Topics, " "), XID: item.XID}
		switch {
		case item.Access != nil:
			x.Access = tellAccess(t, item)
		case item.Reason == "":
			checkItem(t, item)
			var e struct{ ID string }
			if err := json.Unmarshal(item.Data, &e); err != nil {
				t.Fatal(err)
			}
			x.ID = e.ID
		}
		if item.Cursor != "" {
			c, err := snapshot.DecodeCursor(item.Cursor)
			if err != nil || c.Epoch != "k3f9" {
				t.Errorf("cursor %q: %v, %v", item.Cursor, c, err)
			}
			x.Cursor = c.Snapshot.String()
		}
		all = append(all, x)
	}
	return all
}

func wantTold(t *testing.T, items []rooms.Item, want ...told) {
	t.Helper()
	got := tell(t, items)
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// logged returns a translator and what it logs.
func logged() (*translator, *bytes.Buffer) {
	var log bytes.Buffer
	return newTranslator(translatorOptions{
		Epoch: "k3f9", TransactionEvents: 3,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}), &log
}

func oneBatch(changes ...pglisten.Change) pglisten.Batch {
	return pglisten.Batch{Changes: changes, Snapshot: snapshot.New(735)}
}

// nth makes a change the n-th of a batch that began at the snapshot 730.
func nth(n int64, xid uint64) func(*pglisten.Change) {
	return func(c *pglisten.Change) { c.ID, c.XID, c.Resume = n, xid, snapshot.New(730) }
}

func of(n int64) func(*pglisten.Change) { return func(c *pglisten.Change) { c.TxChanges = n } }

func TestCursors(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	moves := func(change ...func(*pglisten.Change)) pglisten.Change {
		return changeOf(watchMessages(), pglisten.Update, movedRow, messageRow, change...)
	}
	// The last event of the batch's last change carries the batch's own
	// snapshot; those of the same change before it one without the change.
	wantTold(t, tr.batch(oneBatch(moves(nth(1, 733)), moves(nth(2, 734)), moves())).Items,
		told{ID: "k3f9.1", Topics: "topic_7", Cursor: "730:730:", XID: 733},
		told{ID: "k3f9.1.1", Topics: "topic_8 messages", Cursor: "730:730:", XID: 733},
		told{ID: "k3f9.2", Topics: "topic_7", Cursor: "730:730:", XID: 734},
		told{ID: "k3f9.2.1", Topics: "topic_8 messages", Cursor: "730:730:", XID: 734},
		told{ID: "k3f9.20481", Topics: "topic_7", Cursor: "734:734:", XID: 734},
		told{ID: "k3f9.20481.1", Topics: "topic_8 messages", Cursor: "735:735:", XID: 734})

	// Rows of the history carry snapshots of their own.
	exact := func(s snapshot.Snapshot) func(*pglisten.Change) {
		return func(c *pglisten.Change) { c.Resume = s }
	}
	wantTold(t, tr.history([]pglisten.Change{moves(nth(1, 733), exact(snapshot.New(740, 734, 737)))}),
		told{ID: "k3f9.1", Topics: "topic_7", Cursor: "733:740:733,734,737", XID: 733},
		told{ID: "k3f9.1.1", Topics: "topic_8 messages", Cursor: "734:740:734,737", XID: 733})
}

// Not parallel: it counts allocations.
func TestCursorIsEncodedOnce(t *testing.T) {
	tr, _ := logged()
	tr.cursor(snapshot.New(735, 700))
	if n := testing.AllocsPerRun(10, func() { tr.cursor(snapshot.New(735, 700)) }); n > 1 { // the snapshot's own
		t.Errorf("the cursor of the same snapshot allocates %v times", n)
	}
}

func TestBatchKeepsItsFrame(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	b := pglisten.Batch{Snapshot: snapshot.New(735, 700), Partial: true}
	got := tr.batch(b)
	if !got.Partial || !got.Snapshot.Equal(b.Snapshot) || len(got.Items) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestResyncs(t *testing.T) {
	t.Parallel()
	broken := errors.New("could not be read")
	for _, tt := range []struct {
		name   string
		change pglisten.Change
		reason rooms.Reason
		topics string
	}{
		{"truncate", changeOf(watchMessages(), pglisten.Truncate, "", ""), rooms.Truncated, "topic_* messages"},
		{"bulk", changeOf(watchMessages(), pglisten.Bulk, "", ""), rooms.Bulk, "topic_* messages"},
		{"unread", changeOf(watchMessages(), pglisten.Insert, "", "", func(c *pglisten.Change) { c.Err = broken }), rooms.Poison, "topic_* messages"},
		{"unread_without_watch", changeOf(nil, pglisten.Insert, "", "", func(c *pglisten.Change) { c.Err = broken }), rooms.Poison, "*"},
		{"without_watch", changeOf(nil, pglisten.Insert, messageRow, ""), rooms.Poison, "*"},
		{"no_row", changeOf(watchMessages(), pglisten.Insert, "", ""), rooms.Poison, "topic_* messages"},
		{"no_object", changeOf(watchMessages(), pglisten.Delete, "[]", ""), rooms.Poison, "topic_* messages"},
		{"torn", changeOf(watchMessages(), pglisten.Insert, messageRow[:20], ""), rooms.Poison, "topic_* messages"},
		{"torn_old", changeOf(watchMessages(), pglisten.Update, messageRow, messageRow[:20]), rooms.Poison, "topic_* messages"},
		{"no_utf8", changeOf(watchMessages(), pglisten.Insert, `{"content":"`+"\xff"+`"}`, ""), rooms.Poison, "topic_* messages"},
		{"unknown_op", changeOf(watchMessages(), 'X', messageRow, ""), rooms.Poison, "topic_* messages"},
		{"bad_entity", changeOf(watchMessages(func(w *pglisten.Watch) { w.Entity = "Bad" }), pglisten.Insert, messageRow, ""), rooms.Poison, "topic_* messages"},
		{"entity_like_a_field", changeOf(watchMessages(func(w *pglisten.Watch) { w.Entity = "old" }), pglisten.Insert, messageRow, ""), rooms.Poison, "topic_* messages"},
		{"emit_bad_type", changeOf(nil, pglisten.Emit, `{}`, "", emitted("Bad", "topic_7")), rooms.Poison, "topic_7"},
		{"emit_no_object", changeOf(nil, pglisten.Emit, `7`, "", emitted("bad", "topic_7")), rooms.Poison, "topic_7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr, log := logged()
			items := tr.batch(oneBatch(tt.change)).Items
			want := []told{{Reason: tt.reason, Topics: tt.topics, Cursor: "735:735:", XID: 734}}
			if tt.topics == "*" { // it may have been a change of access
				want = slices.Insert(want, 0, told{Access: "unknown everyone", Topics: "*"})
			}
			wantTold(t, items, want...)
			lines := strings.Count(log.String(), "\n")
			poison := int(tr.counts.poison.Load())
			if want := tt.reason == rooms.Poison; (lines == 1) != want || (poison == 1) != want {
				t.Errorf("%d lines, %d counted: %s", lines, poison, log)
			}
			for _, value := range []string{"hi", "981", "2026-11-23T01"} {
				if strings.Contains(log.String(), value) && len(tt.change.New) > 0 {
					t.Errorf("the row is in the log: %s", log)
				}
			}
		})
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, template, row, topics, pattern string
		bad                                  int64
	}{
		{"literal", "messages", `{"id":1}`, "messages", "messages", 0},
		{"column", "topic_{topic_id}", `{"topic_id":7}`, "topic_7", "topic_*", 0},
		{"columns", "{topic_id}/{id}", `{"topic_id":7,"id":8}`, "7/8", "*/*", 0},
		{"columns_side_by_side", "a{topic_id}{id}b", `{"topic_id":7,"id":8}`, "a78b", "a*b", 0},
		{"null", "topic_{topic_id}", `{"topic_id":null}`, "", "topic_*", 0},
		{"not_in_the_row", "topic_{topic_id}", `{}`, "", "topic_*", 0},
		{"unknown", "topic_{gone}", `{"id":1}`, "", "topic_*", 0},
		{"not_captured", "topic_{secret}", `{"secret":"x"}`, "topic_x", "topic_*", 0},
		{"open_brace", "topic_{topic_id", `{"topic_id":7}`, "topic_{topic_id", "topic_{topic_id", 0},
		{"text", "t_{content}", `{"content":"\u00e9\"\\\ud83d\ude00"}`, `t_é"\` + "\U0001F600", "t_*", 0},
		{"time", "t_{created_at}", `{"created_at":"2026-11-23T01:00:00+01:00"}`, "t_2026-11-23T00:00:00Z", "t_*", 0},
		{"space", "t_{content}", `{"content":"x y"}`, "", "t_*", 1},
		{"comma", "t_{content}", `{"content":"a,b"}`, "", "t_*", 1},
		{"star", "t_{content}", `{"content":"*"}`, "", "t_*", 1},
		{"control", "t_{content}", `{"content":"\u0000"}`, "", "t_*", 1},
		{"dollar", "{content}", `{"content":"$ping"}`, "", "*", 1},
		{"empty", "{content}", `{"content":""}`, "", "*", 1},
		{"long", "{content}", `{"content":"` + strings.Repeat("x", 201) + `"}`, "", "*", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr, log := logged()
			w := watchMessages(func(w *pglisten.Watch) { w.Templates = []string{tt.template, tt.template} })
			c := changeOf(w, pglisten.Insert, tt.row, "")
			for range 2 {
				items := tr.batch(oneBatch(c)).Items
				if tt.topics == "" {
					wantTold(t, items)
				} else {
					wantTold(t, items, told{ID: "k3f9.20481", Topics: tt.topics, Cursor: "735:735:", XID: 734})
				}
			}
			if n := tr.counts.badTopics.Load(); n != 4*tt.bad || strings.Count(log.String(), "\n") != 2*int(tt.bad) {
				t.Errorf("counted %d, logged %s", n, log)
			}
			if value := strings.Trim(strings.SplitN(tt.row, ":", 2)[len(strings.SplitN(tt.row, ":", 2))-1], `"}`); len(value) > 1 && strings.Contains(log.String(), value) {
				t.Errorf("the value is in the log: %s", log)
			}
			if got := tr.plan(w).patterns; !slices.Equal(got, []string{tt.pattern}) {
				t.Errorf("patterns %q, want %q", got, tt.pattern)
			}
		})
	}
}

func TestUpdates(t *testing.T) {
	t.Parallel()
	const U = pglisten.Update
	hidden := func(w *pglisten.Watch) { w.Templates = []string{"topic_{topic_id}", "s_{secret}"} }
	for _, tt := range []struct {
		name   string
		change pglisten.Change
		want   []string // id and topics, then the changed fields
	}{
		{"nothing_changed", changeOf(watchMessages(), U, messageRow, messageRow), nil},
		{"only_an_excluded_column", changeOf(watchMessages(), U, `{"id":1,"topic_id":7,"secret":1}`, `{"id":1,"topic_id":7,"secret":2}`), nil},
		{"only_a_dropped_column_of_a_cut_row", changeOf(watchMessages(), U, `{"id":1,"topic_id":7}`, `{"id":1,"topic_id":7}`, cutNew("gone")), nil},
		{
			"cut_without_a_list", changeOf(watchMessages(), U, `{"id":1,"topic_id":7}`, `{"id":1,"topic_id":7}`, func(c *pglisten.Change) { c.OldCut = true }),
			[]string{"topic_7 messages true []"},
		},
		{
			"moved_by_an_excluded_column", changeOf(watchMessages(hidden), U, `{"id":1,"topic_id":7,"secret":"b"}`, `{"id":1,"topic_id":7,"secret":"a"}`),
			[]string{"s_a true -", "topic_7 s_b true []"},
		},
		{
			"moved_in", changeOf(watchMessages(), U, `{"id":1,"topic_id":7}`, `{"id":1,"topic_id":null}`),
			[]string{`topic_7 messages true ["topic_id"]`},
		},
		{
			"moved_nowhere", changeOf(watchMessages(func(w *pglisten.Watch) { w.Templates = w.Templates[:1] }), U, `{"id":1,"topic_id":null}`, `{"id":1,"topic_id":7}`),
			[]string{"topic_7 true -"},
		},
		{
			"topic_id_alone", changeOf(watchMessages(func(w *pglisten.Watch) { w.Templates = w.Templates[1:] }), U, `{"id":1,"topic_id":8}`, `{"id":1,"topic_id":7}`),
			[]string{`messages true ["topic_id"]`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, item := range translated(t, tt.change, 0) {
				checkItem(t, item)
				var e struct {
					Payload struct {
						Changed       bool
						ChangedFields json.RawMessage `json:"changed_fields"`
					}
				}
				if err := json.Unmarshal(item.Data, &e); err != nil {
					t.Fatal(err)
				}
				fields := string(e.Payload.ChangedFields)
				if fields == "" {
					fields = "-"
				}
				got = append(got, fmt.Sprint(strings.Join(item.Topics, " "), " ", e.Payload.Changed, " ", fields))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDerived(t *testing.T) {
	t.Parallel()
	const I, U, D = pglisten.Insert, pglisten.Update, pglisten.Delete
	becomes := func(v string) pglisten.Derive { return pglisten.Derive{Column: "id", Becomes: json.RawMessage(v)} }
	equals := func(v string) pglisten.Derive { return pglisten.Derive{Column: "id", Equals: json.RawMessage(v)} }
	for _, tt := range []struct {
		name     string
		rule     pglisten.Derive
		on       string
		op       pglisten.Op
		row, old string
		want     bool
	}{
		{"becomes", becomes(`7`), "update", U, `{"id":7}`, `{"id":6}`, true},
		{"becomes_as_text", becomes(`"7"`), "update", U, `{"id":7}`, `{"id":6}`, true},
		{"becomes_other", becomes(`7`), "update", U, `{"id":8}`, `{"id":6}`, false},
		{"became_before", becomes(`7`), "update", U, `{"id":7,"content":"a"}`, `{"id":7,"content":"b"}`, false},
		{"becomes_null", becomes(`null`), "update", U, `{"id":null}`, `{"id":6}`, true},
		{"becomes_not_null", becomes(`7`), "update", U, `{"id":null}`, `{"id":7}`, false},
		{"null_is_no_text", becomes(`"null"`), "update", U, `{"id":null}`, `{"id":7}`, false},
		{"becomes_on_insert", becomes(`7`), "insert", I, `{"id":7}`, ``, true},
		{"other_op", becomes(`7`), "insert", U, `{"id":7}`, `{"id":6}`, false},
		{"bad_op", becomes(`7`), "emit", U, `{"id":7}`, `{"id":6}`, false},
		{"equals", equals(`7`), "update", U, `{"id":7,"content":"a"}`, `{"id":7,"content":"b"}`, true},
		{"equals_other", equals(`7`), "insert", I, `{"id":8}`, ``, false},
		{"equals_missing", equals(`7`), "insert", I, `{}`, ``, false},
		{"null_equals_missing", equals(`null`), "insert", I, `{}`, ``, false},
		{"equals_on_delete", equals(`7`), "delete", D, `{"id":7}`, ``, true},
		{"changes", pglisten.Derive{Column: "id", Changes: true}, "update", U, `{"id":7}`, `{"id":6}`, true},
		{"changes_not", pglisten.Derive{Column: "id", Changes: true}, "update", U, `{"id":7,"content":"a"}`, `{"id":7,"content":"b"}`, false},
		{"changes_excluded", pglisten.Derive{Column: "secret", Changes: true}, "update", U, `{"id":1,"secret":1}`, `{"id":2,"secret":2}`, true},
		{"changes_on_insert", pglisten.Derive{Column: "id", Changes: true}, "insert", I, `{"id":7}`, ``, true},
		{"always", pglisten.Derive{}, "delete", D, `{"id":7}`, ``, true},
		{"no_column", pglisten.Derive{Changes: true}, "insert", I, `{"id":7}`, ``, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.rule.Type, tt.rule.On = "derived", tt.on
			w := watchMessages(func(w *pglisten.Watch) { w.Derive = []pglisten.Derive{tt.rule} })
			items := translated(t, changeOf(w, tt.op, tt.row, tt.old), 0)
			if got := len(items) == 2; got != tt.want || len(items) < 1 {
				t.Errorf("%d events: %v", len(items), tell(t, items))
			}
		})
	}
}

func TestWatchIsPreparedAgain(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	tr.batch(oneBatch(changeOf(watchMessages(), pglisten.Insert, messageRow, "")))
	renamed := watchMessages(func(w *pglisten.Watch) { w.Templates = []string{"new_{topic_id}"} })
	wantTold(t, tr.batch(oneBatch(changeOf(renamed, pglisten.Insert, messageRow, ""))).Items,
		told{ID: "k3f9.20481", Topics: "new_7", Cursor: "735:735:", XID: 734})
}

func TestLoss(t *testing.T) {
	t.Parallel()
	tr := newTranslator(translatorOptions{Epoch: "k3f9", Channels: []Channel{{Name: "orders", Type: "order", Topics: []string{"order_{id}"}}}})
	// Nobody who has read only so far sees the transaction 735.
	wantTold(t, tr.loss(pglisten.Loss{Watch: watchMessages(), At: snapshot.New(735, 700)}),
		told{Reason: rooms.SourceGap, Topics: "topic_* messages", Cursor: "700:735:700", XID: 735})
	wantTold(t, tr.loss(pglisten.Loss{Channel: "orders", At: snapshot.New(735)}),
		told{Reason: rooms.SourceGap, Topics: "order_*"})
	wantTold(t, tr.loss(pglisten.Loss{Channel: "strange", At: snapshot.New(735)}))
	if items := tr.notification(pglisten.Notification{Channel: "strange", Payload: "{}"}); len(items) != 0 {
		t.Errorf("%d items", len(items))
	}
}

func TestNotificationOfBadBytes(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"", "{", "7", "\xff\n\x00", `{"order_id":"a b"}`, `{"order_id":null,"a":"` + "\xff" + `"}`} {
		items := notified(payload)
		if len(items) != 1 || !slices.Equal(items[0].Topics, []string{"orders"}) {
			t.Errorf("%q: %+v", payload, items)
			continue
		}
		checkItem(t, items[0])
	}
}
