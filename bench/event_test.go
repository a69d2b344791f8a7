package bench

import (
	"encoding/json"
	"testing"

	"rowcast/internal/snapshot"
)

// TestEvents: they are of one size and valid, and each has the cursor that sees
// its own transaction and no later one.
func TestEvents(t *testing.T) {
	t.Parallel()
	events := newEvents()
	for range 3 {
		xid := events.xid
		e := events.next()
		if frame := e.frame(); len(frame) != wireBytes {
			t.Errorf("%d bytes on the wire", len(frame))
		}
		var got struct {
			Topics []string
			Cursor string
		}
		if err := json.Unmarshal(e.Data, &got); err != nil {
			t.Fatalf("%s: %v", e.Data, err)
		}
		c, err := snapshot.DecodeCursor(got.Cursor)
		if err != nil || got.Cursor != e.Cursor || e.XID != xid || !c.Snapshot.Visible(xid) || c.Snapshot.Visible(xid+1) {
			t.Errorf("event of %d: %s %v", xid, e.Data, err)
		}
		if len(got.Topics) != 1 || got.Topics[0] != e.Topics[0] {
			t.Error(got.Topics, e.Topics)
		}
	}
}
