package rooms

import (
	"reflect"
	"testing"

	"rowcast/internal/snapshot"
)

// Who is hidden hears what is hidden, and nothing else; nobody else does, and no
// figure, history or change of access knows of either.
func TestHidden(t *testing.T) {
	t.Parallel()
	f := setup(t, Options{})
	hidden := f.enter(SubscriberOptions{Hidden: true})
	f.join(hidden, JoinRequest{Topics: []string{"$x", "a"}})
	member := f.member("a")
	before := f.hub.Stats()

	item := event(1, "$x")
	item.Hidden = true
	f.hub.Publish(Batch{Items: []Item{item}, Snapshot: snapshot.New(2)})
	f.want(hidden, "1")
	f.want(member, "")
	if got := f.hub.Stats(); !reflect.DeepEqual(got, before) || got.Subscribers != 1 || got.Memberships != 1 || got.Rooms != 1 {
		t.Errorf("figures\n got %+v\nwant %+v", got, before)
	}
	if f.hub.Cursor() != cursorAt(1) {
		t.Errorf("cursor %s: a reading ends here as well", f.hub.Cursor())
	}

	f.xid = 1
	f.publish(1, "a")
	f.resync(Bulk, "*")
	f.want(member, "2 resync(a bulk)")
	f.access(Revoked, "*", "*")
	f.access(Unknown, "*", "*")
	f.hub.Reset(Reset{Epoch: "e2", Snapshot: snapshot.New(9), Floor: snapshot.New(9), History: []Item{item}, Restart: true})
	if n := f.hub.Stats().HistoryItems; n != 1 {
		t.Errorf("%d items in the history, want the resync", n)
	}
	f.want(hidden, "")
	f.hub.Publish(Batch{Items: []Item{item}, Snapshot: snapshot.New(10)})
	f.want(hidden, "1")

	hidden.Close(nil)
	f.hub.Publish(Batch{Items: []Item{item}, Snapshot: snapshot.New(11)})
	if n := f.hub.Stats().Memberships; len(f.hub.hidden) != 0 || n != 0 {
		t.Errorf("a closed one is still there, or was counted when it left: %d memberships", n)
	}
}
