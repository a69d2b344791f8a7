package pglisten

import (
	"encoding/json"
	"testing"
	"time"

	"rowcast/internal/pgtemp/pgtest"
)

// The canary comes as a change like others, says when it was written, and is
// counted nowhere. (Two tables of the template are watched.)
func TestCanary(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]Mode{"doorbell": Doorbell, "poll": Poll} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			url := pgtest.Database(t)
			o := Options{URL: pgtest.Daemon(t, url), Mode: mode, Inspect: 40 * time.Millisecond, Canary: "me"}
			sink := newRecord()
			s := New(o)
			start(t, s, sink)
			sink.until(t, "three canaries", func() bool { return len(sink.changes()) >= 3 })
			last := time.Hour
			for _, c := range sink.all() {
				var row struct {
					Instance string
					Note     int64
				}
				if err := json.Unmarshal(c.New, &row); err != nil {
					t.Fatal(err)
				}
				ago := s.Sung(row.Note)
				if !c.Watch.Hidden || row.Instance != "me" || ago <= 0 || ago >= last || ago > time.Since(begun) {
					t.Errorf("change %s of %+v, %v ago after one of %v ago", c.New, c.Watch, ago, last)
				}
				last = ago
			}
			if f := s.Stats(); f.Changes != 0 || f.Watches != 2 || f.Canary != (CanaryStats{}) {
				t.Errorf("figures %+v", f)
			}
		})
	}
}

// Without a name nothing is written; what is wrong with the canary is told apart
// from what is wrong with watched tables.
func TestCanary_stats(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	execute(t, conn, `CREATE TABLE n (id int); SELECT rowcast.watch('n');
		DROP TRIGGER "00_rowcast_insert" ON n; DROP TRIGGER "00_rowcast_insert" ON rowcast.canary; DROP FUNCTION rowcast.sing`)
	run := func(canary string) *Source {
		s := New(Options{URL: pgtest.Daemon(t, url), Inspect: 40 * time.Millisecond, Canary: canary})
		start(t, s, newRecord())
		eventually(t, "both are missed", func() bool { return s.Stats().Canary.Fault == "trigger missing: insert" && s.Stats().Drifted == 1 })
		return s
	}
	quiet := run("")
	loud := run("me")
	eventually(t, "an error", func() bool { return loud.Stats().Canary.Err != nil })
	if err := quiet.Stats().Canary.Err; err != nil {
		t.Errorf("who has no canary sings: %v", err)
	}
}
