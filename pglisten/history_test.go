package pglisten

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/internal/snapshot"
)

// Whatever the order of xids: a loaded change's Resume sees none of the changes
// from x0 on after it, is within the first cursor, and could see no transaction
// more.
func TestResumeHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		running := rapid.SliceOfN(rapid.Uint64Range(1, 30), 0, 5).Draw(t, "running")
		s0 := snapshot.New(rapid.Uint64Range(1, 32).Draw(t, "xmax"), running...)
		var history []Change
		for i, xid := range rapid.SliceOfN(rapid.Uint64Range(1, 31).Filter(s0.Visible), 0, 20).Draw(t, "xids") {
			history = append(history, Change{ID: int64(i), XID: xid})
		}
		x0 := rapid.Uint64Range(0, 31).Draw(t, "x0")
		resumeHistory(history, x0, s0)
		for i, c := range history {
			if !c.Resume.Within(s0) {
				t.Fatalf("%v sees more than %v", c.Resume, s0)
			}
			lowest := s0.Xmax()
			for _, later := range history[i+1:] {
				if later.XID < x0 {
					continue // a revocation
				}
				lowest = min(lowest, later.XID)
				if c.Resume.Visible(later.XID) {
					t.Fatalf("resuming after %d at %v would skip %d", c.ID, c.Resume, later.ID)
				}
			}
			if !c.Resume.Equal(s0.Below(lowest)) {
				t.Fatalf("%v is coarser than it must be", c.Resume)
			}
		}
	}) // some draws have no visible xid: rapid skips them
}

// What is loaded at the start: the newest whole transactions within the bound;
// everything the floor does not see is loaded or yet to come.
func TestSource_history(t *testing.T) {
	t.Parallel()
	t.Logf("-seed=%d", *seed)
	url, _ := filled(t)
	rng := rand.New(rand.NewPCG(*seed, 11))
	var open []pgx.Tx
	for range 6 {
		conn := pgtest.Connect(t, url)
		open = append(open, begin(t, conn))
	}
	for range 60 { // transactions whose ids cross
		i := rng.IntN(len(open))
		for range 1 + rng.IntN(3) {
			execute(t, open[i], "INSERT INTO messages (topic_id, content) VALUES (7, repeat('x', $1))", rng.IntN(500))
		}
		if rng.IntN(2) == 0 {
			conn := open[i].Conn()
			commit(t, open[i])
			open[i] = begin(t, conn)
		}
	}
	for _, bytes := range []int64{-1, 4_000, 16_000, 1 << 20} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			_, sink := run(t, Options{URL: url, HistoryBytes: bytes})
			checkHistory(t, url, sink.resets[0], bytes)
		})
	}
	_, sink := run(t, Options{URL: url})
	loaded := len(sink.resets[0].History)
	for _, tx := range open {
		execute(t, tx, insertMessage)
		commit(t, tx)
	}
	want := ask[int](t, pgtest.Connect(t, url), "SELECT count(*) FROM rowcast.log")
	sink.until(t, "what was open", func() bool { return loaded+len(sink.changes()) == want })
}

func checkHistory(t *testing.T, url string, r Reset, bytes int64) {
	t.Helper()
	loaded, size := map[int64]Change{}, int64(0)
	var events []Change
	for i, c := range r.History {
		loaded[c.ID] = c
		if i > 0 && c.ID <= r.History[i-1].ID {
			t.Errorf("change %d after %d", c.ID, r.History[i-1].ID)
		}
		if !r.Floor.Visible(c.XID) { // else a revocation, which has a bound of its own
			events = append(events, c)
			size += int64(len(c.New) + len(c.Old))
		}
		if !r.Floor.Within(c.Resume) {
			t.Errorf("change %d: resume %v below the floor %v", c.ID, c.Resume, r.Floor)
		}
	}
	if size > max(bytes, 0) {
		t.Errorf("%d bytes loaded, %d allowed", size, bytes)
	}
	rows, err := pgtest.Connect(t, url).Query(t.Context(), `SELECT id, xid, count(*) FILTER (WHERE op <> 'R' AND watch <> ALL (`+accessWatches+`)) OVER (PARTITION BY xid) FROM rowcast.log`)
	if err != nil {
		t.Fatal(err)
	}
	var id, together int64
	var xid uint64
	below := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &xid, &together}, func() error {
		switch c, found := loaded[id]; {
		case r.Floor.Visible(xid):
			below++
		case r.Snapshot.Visible(xid) && !found:
			t.Errorf("change %d of %d: not visible in the floor %v and not loaded", id, xid, r.Floor)
		case found && c.TxChanges != together:
			t.Errorf("change %d: %d in its transaction, loaded as one of %d", id, together, c.TxChanges)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if bytes == 1<<20 && (below != 0 || !r.Floor.Equal(snapshot.Snapshot{})) {
		t.Errorf("the whole log fits, yet the floor is %v", r.Floor)
	}
	if bytes < 16_000 && below == 0 {
		t.Error("everything fitted: the bound was not tried")
	}
	checkResume(t, "history", events)
}

// Rows rotated away before they were read: everyone refetches.
func TestSource_gap(t *testing.T) {
	t.Parallel()
	url, epoch := filled(t)
	conn := pgtest.Connect(t, url)
	s, sink := New(Options{URL: pgtest.Daemon(t, url)}), newRecord()
	start(t, s, sink)
	sink.until(t, "first Reset", func() bool { return len(sink.resets) == 1 })

	tx := begin(t, conn)
	execute(t, tx, insertMessage)
	xid := ask[uint64](t, tx, "SELECT pg_current_xact_id()")
	others, err := snapshot.Parse(ask[string](t, tx, "SELECT pg_current_snapshot()::text")) // of other tests' databases, too
	if err != nil {
		t.Fatal(err)
	}
	running := others.InProgress()
	for x := others.Xmax(); x < xid; x++ {
		running = append(running, x)
	}
	execute(t, tx, "INSERT INTO rowcast.mark SELECT 0, $1::text::pg_snapshot, now()", snapshot.New(xid+1, running...).String())
	execute(t, tx, "TRUNCATE rowcast.log")
	newTurner(t, url).turn(t)
	commit(t, tx)
	sink.until(t, "a second Reset", func() bool { return len(sink.resets) == 2 })
	r := sink.resets[1]
	if !r.Restart || r.Epoch != epoch || !r.Floor.Visible(xid) || s.Stats().Gaps != 1 {
		t.Errorf("%+v", r)
	}
	if err := s.Refresh(t.Context()); err != nil || len(sink.resets) != 2 {
		t.Errorf("refresh: %v, %d resets", err, len(sink.resets))
	}
}
