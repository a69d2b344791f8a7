package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rowcast/internal/snapshot"
	"rowcast/pglisten"
	"rowcast/rooms"
)

// tellAccess says what a change of access is: what became of whose.
func tellAccess(t *testing.T, item rooms.Item) string {
	t.Helper()
	a := item.Access
	if item.Reason != "" || item.Data != nil || item.Cursor != "" || item.XID != 0 || a.At.IsZero() {
		t.Errorf("a change of access and something else: %+v", item)
	}
	whose := fmt.Sprintf("%q", a.Subject)
	if a.Everyone {
		whose = "everyone"
		if a.Subject != "" {
			t.Errorf("everyone's and %q's", a.Subject)
		}
	}
	return map[rooms.Effect]string{rooms.Granted: "granted", rooms.Revoked: "revoked", rooms.Unknown: "unknown"}[a.Effect] + " " + whose
}

func granted(subject, topics string) told {
	return told{Access: fmt.Sprintf("granted %q", subject), Topics: topics}
}

func revoked(subject, topics string) told {
	return told{Access: fmt.Sprintf("revoked %q", subject), Topics: topics}
}

func everyone(effect, topics string) told { return told{Access: effect + " everyone", Topics: topics} }

// members is the access watch of a table of memberships.
func members(change ...func(*pglisten.Watch)) *pglisten.Watch {
	w := &pglisten.Watch{
		ID: 2, Schema: "public", Table: "members", Entity: "access", Key: []string{"id"},
		SubjectColumn: "user_id", Templates: []string{"topic_{topic_id}"},
		Columns: []pglisten.Column{
			{Name: "id", Type: exactType},
			{Name: "user_id", Type: textType},
			{Name: "topic_id", Type: exactType},
			{Name: "role", Type: textType},
		},
		Ops: []string{"insert", "update", "delete"},
	}
	for _, f := range change {
		f(w)
	}
	return w
}

const (
	maksIn7  = `{"id":1,"user_id":"maks","topic_id":7,"role":"reader"}`
	maksIn8  = `{"id":1,"user_id":"maks","topic_id":8,"role":"reader"}`
	olenaIn7 = `{"id":1,"user_id":"olena","topic_id":7,"role":"reader"}`
	editsIn7 = `{"id":1,"user_id":"maks","topic_id":7,"role":"editor"}`
)

func TestAccess(t *testing.T) {
	t.Parallel()
	const I, U, D, T, B, R = pglisten.Insert, pglisten.Update, pglisten.Delete, pglisten.Truncate, pglisten.Bulk, pglisten.Revoke
	numbered := func(w *pglisten.Watch) { w.Columns[1].Type = exactType }
	twoTopics := func(w *pglisten.Watch) { w.Templates = []string{"topic_{topic_id}", "{role}s", "all"} }
	failed := func(c *pglisten.Change) { c.Err = errors.New("could not be read") }
	cut := func(c *pglisten.Change) { c.NewCut = true }
	oldCut := func(c *pglisten.Change) { c.OldCut = true }
	row := func(subject string) string { return `{"id":1,"user_id":` + subject + `,"topic_id":7,"role":"reader"}` }
	long := strings.Repeat("é", cutAt)
	unknown := []told{everyone("unknown", "topic_*")}
	for _, tt := range []struct {
		name   string
		change pglisten.Change
		want   []told
		poison bool
	}{
		{"insert", changeOf(members(), I, maksIn7, ""), []told{granted("maks", "topic_7")}, false},
		{"delete", changeOf(members(), D, maksIn7, ""), []told{revoked("maks", "topic_7")}, false},
		{"move", changeOf(members(), U, maksIn8, maksIn7), []told{revoked("maks", "topic_7"), granted("maks", "topic_8")}, false},
		{"another_subject", changeOf(members(), U, olenaIn7, maksIn7), []told{revoked("maks", "topic_7"), granted("olena", "topic_7")}, false},
		{"another_role", changeOf(members(), U, editsIn7, maksIn7), []told{revoked("maks", "topic_7"), granted("maks", "topic_7")}, false},
		{"truncate", changeOf(members(), T, "", ""), []told{everyone("revoked", "topic_*")}, false},
		{"bulk", changeOf(members(), B, "", ""), unknown, false},
		{"several_topics", changeOf(members(twoTopics), D, maksIn7, ""), []told{revoked("maks", "topic_7 readers all")}, false},
		{"topic_null", changeOf(members(twoTopics), D, `{"id":1,"user_id":"maks","topic_id":null,"role":"reader"}`, ""), []told{revoked("maks", "readers all")}, false},
		{"no_topic", changeOf(members(), D, `{"id":1,"user_id":"maks","topic_id":null,"role":"reader"}`, ""), nil, false},

		// Whatever a row holds, it is about one subject.
		{"subject_null", changeOf(members(), D, row(`null`), ""), nil, false},
		{"subject_empty", changeOf(members(), D, row(`""`), ""), []told{revoked("", "topic_7")}, false},
		{"subject_star", changeOf(members(), D, row(`"*"`), ""), []told{revoked("*", "topic_7")}, false},
		{"subject_dollar", changeOf(members(), D, row(`"$x"`), ""), []told{revoked("$x", "topic_7")}, false},
		{"subject_comma", changeOf(members(), D, row(`"a,b c"`), ""), []told{revoked("a,b c", "topic_7")}, false},
		{"subject_escaped", changeOf(members(), D, row(`"\u00e9\"\\\u0000\ud83d\ude00"`), ""), []told{revoked("é\"\\\x00\U0001F600", "topic_7")}, false},
		{"subject_long", changeOf(members(), D, row(`"`+long+`"`), ""), []told{revoked(long, "topic_7")}, false},
		{"subject_number", changeOf(members(numbered), D, row(`9223372036854775807`), ""), []told{revoked("9223372036854775807", "topic_7")}, false},
		{"came_to_nobody", changeOf(members(), U, row(`null`), maksIn7), []told{revoked("maks", "topic_7")}, false},
		{"came_from_nobody", changeOf(members(), U, maksIn7, row(`null`)), []told{granted("maks", "topic_7")}, false},

		// What cannot be understood is anybody's.
		{"unread", changeOf(members(), D, "", "", failed), unknown, true},
		{"no_row", changeOf(members(), D, "", ""), unknown, true},
		{"torn", changeOf(members(), D, maksIn7[:20], ""), unknown, true},
		{"torn_old", changeOf(members(), U, maksIn7, maksIn7[:20]), unknown, true},
		{"no_utf8", changeOf(members(), D, row("\"\xff\""), ""), unknown, true},
		{"unknown_op", changeOf(members(), 'X', maksIn7, ""), unknown, true},
		{"subject_renamed", changeOf(members(), D, `{"id":1,"member_id":"maks","topic_id":7}`, ""), unknown, true},
		{"topic_renamed", changeOf(members(), I, `{"id":1,"user_id":"maks","room_id":7}`, ""), unknown, true},
		{"renamed_before", changeOf(members(), U, maksIn7, `{"id":1,"member_id":"maks","topic_id":7}`), unknown, true},
		{"renamed_after", changeOf(members(), U, `{"id":1,"member_id":"maks","topic_id":7}`, maksIn7), unknown, true},
		{"cut", changeOf(members(), D, `{"id":1,"user_id":"maks","topic_id":7}`, "", cut), []told{revoked("maks", "topic_7")}, false},
		// Who may write a row could send everybody away, again and again, if a long text were anybody's.
		{"cut_subject", changeOf(members(), D, row(`"`+long+`"`), "", cut), []told{revoked(long, "topic_7")}, false},
		{"cut_old_subject", changeOf(members(), U, maksIn7, row(`"`+long+`"`), oldCut), []told{revoked(long, "topic_7"), granted("maks", "topic_7")}, false},
		{
			"cut_parts", changeOf(members(func(w *pglisten.Watch) { w.Columns[1].Type = arrayOf(textType) }), D, row(`"{maks}"`), "", cut),
			unknown, true,
		},
		{"cut_bytes", changeOf(members(func(w *pglisten.Watch) { w.Columns[1].Type = byteType }), D, row(`"\\x61"`), "", cut), unknown, true},

		{"revoke", changeOf(nil, R, "", "", emitted("maks", "topic_7")), []told{revoked("maks", "topic_7")}, false},
		{"revoke_pattern", changeOf(nil, R, "", "", emitted("maks", "topic_*")), []told{revoked("maks", "topic_*")}, false},
		{"revoke_all", changeOf(nil, R, "", "", emitted("maks", "*")), []told{revoked("maks", "*")}, false},
		{"revoke_everyone", changeOf(nil, R, "", "", emitted("", "topic_7")), []told{everyone("revoked", "topic_7")}, false},
		{"revoke_unread", changeOf(nil, R, "", "", emitted("maks", "topic_7"), failed), []told{everyone("unknown", "*")}, true},
		{"revoke_nothing", changeOf(nil, R, "", "", emitted("maks")), []told{everyone("unknown", "*")}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr, log := logged()
			wantTold(t, tr.batch(oneBatch(tt.change)).Items, tt.want...)
			if n, lines := tr.counts.poison.Load(), strings.Count(log.String(), "\n"); (n == 1) != tt.poison || (lines == 1) != tt.poison {
				t.Errorf("%d counted, logged %q", n, log)
			}
			if strings.Contains(log.String(), "maks") {
				t.Errorf("the row is in the log: %s", log)
			}
			if tr.counts.events.Load()+tr.counts.resyncs.Load() != 0 {
				t.Error("counted as an event")
			}
		})
	}
}

// Names that templates or revoke() make and that are none are counted, and
// nobody can be there.
func TestAccessToBadTopics(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"*", "a b", "a,b", "", "$x", strings.Repeat("x", 300), strings.Repeat("x", cutAt)} {
		tr, log := logged()
		w := members(func(w *pglisten.Watch) { w.Templates = []string{"{role}"} })
		cut := func(c *pglisten.Change) { c.NewCut = true } // nor does a long one make everybody's access unknown
		row := strings.Replace(maksIn7, "reader", value, 1)
		revokes := []pglisten.Change{changeOf(nil, pglisten.Revoke, "", "", emitted("maks", strings.ReplaceAll(value, "*", "$*"), "topic_7"))}
		wantTold(t, tr.batch(oneBatch(changeOf(w, pglisten.Insert, row, ""), changeOf(w, pglisten.Delete, row, "", cut))).Items)
		wantTold(t, tr.batch(oneBatch(revokes...)).Items, revoked("maks", "topic_7"))
		if n := tr.counts.badTopics.Load(); n != 3 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%q: %d counted, logged %s", value, n, log)
		}
	}
}

// A change of access keeps its place among the events, and the cursors are as
// if it were not there.
func TestAccessInItsPlace(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	wantTold(t, tr.batch(oneBatch(
		inTopic(7, nth(1, 733)),
		changeOf(members(), pglisten.Delete, maksIn7, "", nth(2, 733)),
		inTopic(7, nth(3, 733)),
		changeOf(nil, pglisten.Revoke, "", "", nth(4, 734), emitted("olena", "messages")),
		inTopic(7),
	)).Items,
		told{ID: "k3f9.1", Topics: "topic_7 messages", Cursor: "730:730:", XID: 733},
		revoked("maks", "topic_7"),
		told{ID: "k3f9.3", Topics: "topic_7 messages", Cursor: "730:730:", XID: 733},
		revoked("olena", "messages"),
		told{ID: "k3f9.20481", Topics: "topic_7 messages", Cursor: "735:735:", XID: 734})
}

// Of a transaction that is too large to be streamed, the changes of access are.
func TestAccessInLargeTransaction(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	gone := func(n, of4 int64) pglisten.Change {
		return changeOf(members(), pglisten.Delete, maksIn7, "", nth(n, 732), of(of4))
	}
	wantTold(t, tr.batch(oneBatch(
		inTopic(1, nth(1, 732), of(4)), gone(2, 4), inTopic(2, nth(3, 732), of(4)), inTopic(3, nth(4, 732), of(4)), gone(5, 4),
		inTopic(4, nth(6, 732), of(4)), gone(7, 4),
	)).Items,
		revoked("maks", "topic_7"), revoked("maks", "topic_7"),
		bulk("messages topic_1 topic_2 topic_3 topic_4", "730:730:", 732),
		revoked("maks", "topic_7"))
	// Its events are not too many, however many those of access are.
	wantTold(t, tr.batch(oneBatch(gone(1, 1), gone(2, 1), gone(3, 1), gone(4, 1), inTopic(1, of(1)))).Items,
		revoked("maks", "topic_7"), revoked("maks", "topic_7"), revoked("maks", "topic_7"), revoked("maks", "topic_7"),
		told{ID: "k3f9.20481", Topics: "topic_1 messages", Cursor: "735:735:", XID: 734})
	// The batch broke off behind it.
	wantTold(t, tr.batch(oneBatch(inTopic(1, nth(1, 732), of(9)), gone(2, 9))).Items,
		revoked("maks", "topic_7"), bulk("messages topic_1", "730:730:", 732))
}

// One Unknown is as good as many, until something else can have been decided.
func TestUnknownOnceInAPiece(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	renamed := changeOf(members(), pglisten.Delete, `{"id":1}`, "")
	renamed.Watch = members()
	nobodys := changeOf(nil, pglisten.Delete, maksIn7, "")
	piece := oneBatch(renamed, renamed, changeOf(members(), pglisten.Delete, maksIn7, "", func(c *pglisten.Change) { c.Watch = renamed.Watch }), renamed, nobodys, nobodys)
	poison := told{Reason: rooms.Poison, Topics: "*", Cursor: "735:735:", XID: 734}
	for range 2 {
		wantTold(t, tr.batch(piece).Items,
			everyone("unknown", "topic_*"), revoked("maks", "topic_7"), everyone("unknown", "*"), poison, poison)
	}
}

// A token that was issued before the commit is older than the change, whenever in
// its transaction that was made. Of the log's history only that time is known.
func TestAccessIsOfItsCommit(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	made := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	heard := made.Add(time.Minute)
	tr.now = func() time.Time { return heard }
	at := func(d time.Duration) func(*pglisten.Change) {
		return func(c *pglisten.Change) { c.At = made.Add(d) }
	}
	changes := []pglisten.Change{
		changeOf(members(), pglisten.Delete, maksIn7, "", at(0)),
		changeOf(nil, pglisten.Revoke, "", "", emitted("maks", "topic_7"), at(0)),
		changeOf(members(), pglisten.Delete, maksIn7, "", at(time.Hour)), // the server's clock is ahead
	}
	for i, item := range tr.batch(oneBatch(changes...)).Items {
		if want := []time.Time{heard, heard, made.Add(time.Hour)}[i]; !item.Access.At.Equal(want) {
			t.Errorf("%d: %v, want %v", i, item.Access.At, want)
		}
	}
	for i, item := range tr.history(changes) {
		if !item.Access.At.Equal(changes[i].At) {
			t.Errorf("history, %d: %v, want %v", i, item.Access.At, changes[i].At)
		}
	}
}

// What the log held when an epoch began.
func TestAccessInHistory(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	wantTold(t, tr.history([]pglisten.Change{
		changeOf(members(), pglisten.Delete, maksIn7, "", nth(1, 733)), inTopic(7), changeOf(nil, pglisten.Revoke, "", "", emitted("", "messages")),
	}),
		revoked("maks", "topic_7"),
		told{ID: "k3f9.20481", Topics: "topic_7 messages", Cursor: "735:735:", XID: 734},
		everyone("revoked", "messages"))
}

func TestAccessLost(t *testing.T) {
	t.Parallel()
	tr, _ := logged()
	w := members(func(w *pglisten.Watch) { w.Templates = []string{"topic_{topic_id}", "{role}_{topic_id}", "all"} })
	wantTold(t, tr.loss(pglisten.Loss{Watch: w, At: snapshot.New(735)}), everyone("unknown", "topic_* *_* all"))
}

// FuzzAccess: whatever a row holds, a change of it is about the subject that
// JSON says it has, or Unknown.
func FuzzAccess(f *testing.F) {
	f.Add(byte('D'), []byte(maksIn7), []byte(nil), byte(0), "topic_{topic_id}")
	f.Add(byte('U'), []byte(maksIn8), []byte(olenaIn7), byte(0), "{role}")
	f.Add(byte('I'), []byte(`{"user_id":"*","topic_id":7}`), []byte(nil), byte(1), "*")
	f.Add(byte('R'), []byte(`{"user_id":null}`), []byte(nil), byte(2), "")
	f.Fuzz(func(t *testing.T, op byte, row, old []byte, flags byte, template string) {
		tr := newTranslator(translatorOptions{})
		w := members(func(w *pglisten.Watch) { w.Templates = []string{template, "all"} })
		c := changeOf(w, pglisten.Op(op), string(row), "", func(c *pglisten.Change) {
			c.Old, c.NewCut, c.OldCut = old, flags&1 != 0, flags&2 != 0
		})
		for _, item := range tr.items([]pglisten.Change{c}, true) {
			tellAccess(t, item)
			if item.Access.Everyone {
				if item.Access.Effect == rooms.Revoked && c.Op != pglisten.Truncate {
					t.Fatalf("a row revoked everyone's access: %+v", item.Access)
				}
				continue
			}
			if s := item.Access.Subject; !slices.Contains(slices.Concat(subjectsOf(row), subjectsOf(old)), s) {
				t.Fatalf("%q is nobody's subject in %s, %s", s, row, old)
			}
			if !slices.Contains(item.Topics, "all") {
				t.Fatalf("topics %q", item.Topics)
			}
			for _, name := range item.Topics {
				if !rooms.ValidTopic(name) {
					t.Fatalf("topic %q", name)
				}
			}
		}
	})
}

// subjectsOf reads a row as encoding/json does: the texts it has for user_id.
func subjectsOf(row []byte) (all []string) {
	d := json.NewDecoder(bytes.NewReader(row))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return nil
		}
		if key == "user_id" && string(value) != "null" {
			var text bytes.Buffer
			if err := json.Compact(&text, value); err != nil {
				return nil
			}
			s := text.String()
			if value[0] == '"' && json.Unmarshal(value, &s) != nil {
				return nil
			}
			all = append(all, s)
		}
	}
	return all
}
