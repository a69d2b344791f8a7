package pglisten

import (
	"testing"

	"rowcast/internal/pgtemp/pgtest"
)

// A source that sleeps looks into the slot whose turn it is, and finds what is
// written into the next, too.
func TestSource_reads_one_slot_until_the_log_turns(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn, turner := pgtest.Connect(t, url), newTurner(t, url)
	s, sink := lightSleeper(t, url)
	for n := range 10 {
		state(t, s, "asleep")
		narrow := s.Stats().Narrow
		execute(t, conn, insertMessage)
		sink.until(t, "the change", func() bool { return len(sink.changes()) == 3*n+1 })
		narrowed(t, s, narrow) // settled anew, for the log has turned
		execute(t, conn, insertMessage)
		sink.until(t, "a second change", func() bool { return len(sink.changes()) == 3*n+2 })
		turner.turn(t)
		execute(t, conn, insertMessage)
		sink.until(t, "a change in the next slot", func() bool { return len(sink.changes()) == 3*n+3 })
	}
}

// narrowed waits until a source has looked into one slot only, more often than
// before times, and sleeps.
func narrowed(t *testing.T, s *Source, before uint64) {
	t.Helper()
	eventually(t, "a narrow poll", func() bool {
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.Stats().Narrow > before && s.Stats().State == "asleep"
	})
}

// The forced schedule of the turns: a writer has its row's place in one slot and
// commits when it is another's turn. Whoever looks only there loses the row.
func TestSource_finds_rows_in_earlier_slots(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"running_at_the_cursor", "above_the_cursor"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			conn, slow, turner := pgtest.Connect(t, url), pgtest.Connect(t, url), newTurner(t, url)
			s, sink := lightSleeper(t, url)
			execute(t, conn, insertMessage)
			sink.until(t, "the first change", func() bool { return len(sink.changes()) == 1 })
			narrowed(t, s, 0)

			// Who moves the turn may have taken its xid before the writer: then the
			// writer's is above the snapshot, not in it.
			turning := begin(t, turner.conn)
			if name == "above_the_cursor" {
				execute(t, turning, "SELECT pg_current_xact_id()")
			}
			tx := begin(t, slow)
			execute(t, tx, insertMessage)
			for range 2 {
				execute(t, turning, "SELECT setval('rowcast.log_id_seq', (rowcast.turn() + 1) * 10000000000)")
			}
			commit(t, turning)
			for range 3 { // it sees the turn, and would take it for settled
				if err := s.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			commit(t, tx)
			sink.until(t, "the change", func() bool { return len(sink.changes()) == 2 })
			if n := ask[int](t, conn, "SELECT count(*) FROM rowcast.log_2"); n != 0 {
				t.Errorf("%d rows in the slot whose turn it is: the schedule was not forced", n)
			}
		})
	}
}
