package bridge

import (
	"testing"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

// Whatever happens to Postgres: the daemon comes back by itself, and every
// connection gets what was committed meanwhile, or is told to refetch.
func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fault  func(t *testing.T, c *pgtemp.Cluster)
		resync bool // history is void
	}{
		{"restarted", func(t *testing.T, c *pgtemp.Cluster) {
			if err := c.Stop(t.Context(), pgtemp.Fast); err != nil {
				t.Fatal(err)
			}
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"killed", func(t *testing.T, c *pgtemp.Cluster) {
			if err := c.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"backends_terminated", func(t *testing.T, c *pgtemp.Cluster) {
			exec(t, pgtest.Connect(t, c.URL("postgres")), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// What was committed must outlive the kill.
			cluster := pgtest.Cluster(t, pgtemp.Options{Fast: true, Settings: map[string]string{"synchronous_commit": "on"}})
			url := cluster.URL("postgres")
			if err := migrations.Up(t.Context(), url, migrations.Options{}); err != nil {
				t.Fatal(err)
			}
			conn := pgtest.Connect(t, url)
			exec(t, conn, watched)
			d := launch(t, url)
			library := dial(t, d.http, "")
			library.join("topic_7", "")
			clients := map[string]*client{
				"library": library, "plain": dial(t, d.http, "topics=topic_7"), "sse": stream(t, d.http, "topics=topic_7"),
			}
			exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'before')`)
			for _, c := range clients {
				c.want("message_created")
			}

			tt.fault(t, cluster)
			conn = pgtest.Connect(t, url)
			exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'meanwhile')`)
			for name, c := range clients {
				f := c.next()
				if tt.resync && f.Type == "$resync" && f.Payload.Reason == "source_gap" {
					continue // it may or may not contain the row
				}
				if tt.resync || f.Payload.Message["content"] != "meanwhile" {
					t.Errorf("%s: got %v", name, f)
				}
			}
			poll(t, func() bool { return d.ready() == nil })
			exec(t, conn, `INSERT INTO messages (topic_id, content) VALUES (7, 'after')`)
			for name, c := range clients {
				f := c.next()
				if tt.resync && f.Payload.Message["content"] == "meanwhile" {
					f = c.next()
				}
				if f.Payload.Message["content"] != "after" {
					t.Errorf("%s: got %v", name, f)
				}
			}
			// A cursor from before holds, or is answered.
			again := dial(t, d.http, "")
			if _, joined := again.join("topic_7", library.cursor); !*joined.Payload.Recover {
				t.Errorf("the newest cursor is not good any more: %v", joined)
			}
			if d.source.Stats().Connects < 2 {
				t.Error("the fault was none")
			}
		})
	}
}
