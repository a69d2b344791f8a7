package bridge

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
	"rowcast/pglisten"
)

// often has a daemon sing as often as a test has patience for.
func often(o *Options) {
	o.Source.Inspect, o.ReadyLag = 50*time.Millisecond, 300*time.Millisecond
}

// hears waits for a canary that is written from now on.
func (r *running) hears(t *testing.T) canaryFigures {
	t.Helper()
	now := time.Now()
	poll(t, func() bool {
		r.canary.mu.Lock()
		defer r.canary.mu.Unlock()
		return r.canary.took > 0 && r.canary.last.After(now)
	})
	return r.canary.figures()
}

// turns waits until /readyz answers so: "" is 200.
func (r *running) turns(t *testing.T, words ...string) {
	t.Helper()
	var code int
	var body string
	defer func() {
		if t.Failed() {
			t.Logf("it says %d %q, want %q", code, body, words)
		}
	}()
	poll(t, func() bool {
		code, body = get(t, "http://"+r.admin+"/readyz")
		for _, w := range words {
			if !strings.Contains(body, w) {
				return false
			}
		}
		return (code == http.StatusOK) == (len(words) == 0) && strings.Count(body, "\n") == 1
	})
}

func text(t *testing.T, conn *pgx.Conn, sql string, args ...any) (s string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&s); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return s
}

// Capture breaks though sockets look fine: readiness says so, and what to do; and
// is well again when capture is.
func TestCanary_faults(t *testing.T) {
	t.Parallel()
	const function = `SELECT pg_get_functiondef('rowcast.capture_row()'::regprocedure)`
	const trigger = `SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'rowcast.canary'::regclass AND tgname = '00_rowcast_update'`
	tests := []struct {
		name   string
		before string // asks for what mends it, if mends does not say
		breaks string // %role is the daemon's
		mends  string
		says   []string
	}{
		{
			"trigger_dropped", trigger, `DROP TRIGGER "00_rowcast_update" ON rowcast.canary`, "",
			[]string{"the canary is", "late", "trigger missing: update", "rowcast migrate print"},
		},
		{
			"trigger_disabled", "", `ALTER TABLE rowcast.canary DISABLE TRIGGER USER`, `ALTER TABLE rowcast.canary ENABLE TRIGGER USER`,
			[]string{"the canary is", "late", "trigger disabled:", "on rowcast.canary"},
		},
		{
			"function_does_nothing", function, `CREATE OR REPLACE FUNCTION rowcast.capture_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NULL; END'`, "",
			[]string{"the canary is", "late", "does not come through", "rowcast migrate print"},
		},
		{
			"no_right", "", `REVOKE EXECUTE ON FUNCTION rowcast.sing FROM %role`, `SELECT rowcast.grant_daemon('%role')`,
			[]string{"the canary could not be written for", "permission denied", "SELECT rowcast.grant_daemon('%role')"},
		},
		{
			"no_function", `SELECT pg_get_functiondef('rowcast.sing'::regproc) || '; SELECT rowcast.grant_daemon(''%role'')'`, `DROP FUNCTION rowcast.sing`, "",
			[]string{"the canary could not be written for", "rowcast.sing", "run rowcast migrate up"},
		},
		{
			"disk_full", "", `CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
				CREATE TRIGGER no_space BEFORE INSERT ON rowcast.canary EXECUTE FUNCTION no_space()`, `DROP FUNCTION no_space CASCADE`,
			[]string{"the canary could not be written for", "No space left on device"},
		},
		{
			"unwatched", `SELECT string_agg(pg_get_triggerdef(oid), '; ') || '; UPDATE rowcast.watch SET ended = NULL' FROM pg_trigger WHERE tgrelid = 'rowcast.canary'::regclass`,
			`SELECT rowcast.unwatch('rowcast.canary')`, "",
			[]string{"the canary could not be written for", "rowcast.canary is not watched any more"},
		},
		{
			"locked", "", `BEGIN; LOCK TABLE rowcast.canary`, `COMMIT`,
			[]string{"the canary is", "late"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, conn := application(t)
			role := role(t, url)
			filled := func(s string) string { return strings.ReplaceAll(s, "%role", role) }
			d := launch(t, url, often)
			c := dial(t, d.http, "topics=messages")
			d.hears(t)
			d.turns(t)

			if tt.before != "" {
				tt.mends = text(t, conn, filled(tt.before))
			}
			exec(t, conn, filled(tt.breaks))
			for i := range tt.says {
				tt.says[i] = filled(tt.says[i])
			}
			d.turns(t, tt.says...)
			if _, body := get(t, "http://"+d.admin+"/metrics"); strings.Contains(body, "rowcast_canary_overdue_seconds 0\n") {
				t.Error("the metric says that it is not late")
			}
			exec(t, conn, filled(tt.mends))
			d.turns(t)
			d.hears(t)

			// Nobody else heard any of it.
			exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
			c.want("message_created")
		})
	}
}

func role(t *testing.T, url string) string {
	t.Helper()
	c, err := pgx.ParseConfig(pgtest.Daemon(t, url))
	if err != nil {
		t.Fatal(err)
	}
	return c.User
}

// Nobody rings: all that is lost is time. Readiness stays, the latency shows it.
func TestCanary_shows_a_silent_doorbell(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	// Whatever else wakes the reader comes seldom.
	d := launch(t, url, func(o *Options) {
		o.Source.Inspect, o.Source.PollInterval, o.ReadyLag = 2*time.Second, patience, patience
	})
	poll(t, func() bool { return d.hears(t).took < 500*time.Millisecond })
	exec(t, conn, `CREATE OR REPLACE FUNCTION rowcast.must_ring(bell bigint, ms bigint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT false'`)
	poll(t, func() bool { return d.hears(t).took > time.Second })
	d.turns(t)
}

// The reader's server process stands still, then the server is away, then it has
// crashed and begins a new epoch.
func TestCanary_outages(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	url := cluster.URL("postgres")
	if err := migrations.Up(t.Context(), url, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	d := launch(t, url, often)
	d.hears(t)
	d.turns(t)

	conn := pgtest.Connect(t, url)
	var pid int
	if err := conn.QueryRow(t.Context(), `SELECT pid FROM pg_stat_activity WHERE application_name = 'rowcast' AND query ~ 'rowcast[.]log|rowcast[.]doorbell'`).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	d.turns(t, "the log was last read")
	poll(t, func() bool { return d.canary.overdue() > time.Second })
	signal(syscall.SIGCONT)
	d.turns(t)
	d.hears(t)

	if err := cluster.Stop(t.Context(), pgtemp.Fast); err != nil {
		t.Fatal(err)
	}
	d.turns(t, "not connected")
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.turns(t)
	d.hears(t)

	epoch := d.source.Stats().Epoch
	if err := cluster.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	poll(t, func() bool { return d.source.Stats().Connected && d.source.Stats().Epoch != epoch })
	d.hears(t)
	d.turns(t)
}

// In either mode, on two instances, over an epoch that a third party began: each
// hears its own, and no figure, no client and no history knows of any.
func TestCanary_is_hidden(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]pglisten.Mode{"doorbell": pglisten.Doorbell, "poll": pglisten.Poll} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, conn := application(t)
			quick := func(o *Options) {
				often(o)
				if o.Source.Mode = mode; mode == pglisten.Poll {
					o.Source.PollInterval = 20 * time.Millisecond
				}
				o.EventBytes = 100 // of which a canary's has more
				o.ReadyLag = patience
			}
			a, b := launch(t, url, quick), launch(t, url, quick)
			clients := map[string]*client{
				"plain": dial(t, a.http, "topics=messages,canary"), "sse": stream(t, b.http, "topics=messages,canary"), "library": dial(t, b.http, ""),
			}
			clients["library"].join("messages", "")
			for _, topic := range []string{"$canary", "*"} {
				clients["library"].send(map[string]any{"type": "join", "ref": 2, "topics": []string{topic}})
				if f := clients["library"].want("$joined"); len(f.Payload.Denied) != 1 {
					t.Errorf("%s is joined: %v", topic, f)
				}
			}
			for range 3 {
				a.hears(t)
				b.hears(t)
			}
			late := launch(t, url, quick) // finds canaries in the log
			late.hears(t)
			for name, d := range map[string]*running{"a": a, "b": b, "late": late} {
				f := d.figures()
				got := [...]int{
					int(f.source.Changes), f.source.Watches, f.source.Drifted, int(f.counts.events.Load()), int(f.counts.truncated.Load()), int(f.counts.badTopics.Load()),
					int(f.hub.Published), int(f.hub.Delivered), f.hub.HistoryItems, f.hub.Subscribers,
				}
				if want := [...]int{0, 1, 0, 0, 0, 0, 0, 0, 0, map[string]int{"a": 1, "b": 2}[name]}; got != want {
					t.Errorf("%s counts %v, want %v", name, got, want)
				}
			}
			if got, want := a.schema.hash(), hash(t, conn); got != want {
				t.Errorf("schema %s, want %s", got, want)
			}
			if n := text(t, conn, `SELECT count(*)::text FROM rowcast.canary`); n != "3" {
				t.Errorf("%s rows", n)
			}

			exec(t, conn, `SELECT rowcast.revoke('*', '*')`) // who is not guarded, too
			poll(t, func() bool { return a.figures().hub.Changes == 1 && b.figures().hub.Changes == 1 })
			if f := clients["library"].want("$left"); len(f.Payload.Topics) != 1 {
				t.Errorf("left: %v", f)
			}
			clients["library"].join("messages", "")
			a.hears(t)
			b.hears(t)

			exec(t, conn, `SELECT rowcast.new_epoch((SELECT epoch FROM rowcast.epoch))`)
			if f := clients["library"].want("$resync"); len(f.Payload.Topics) != 1 || f.Payload.Topics[0] != "messages" {
				t.Errorf("resync: %v", f)
			}
			a.hears(t)
			b.hears(t)
			exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
			clients["library"].want("message_created")
			if f := a.figures(); f.hub.Rooms != 0 || f.hub.Resyncs["source_gap"] != 0 {
				t.Errorf("rooms %d, resyncs %v", f.hub.Rooms, f.hub.Resyncs)
			}
		})
	}
}

// One that has never come is late, too, whoever else's comes. When the connection was lost, what is late is
// no news of capture: it is waited for anew.
func TestCanary_is_waited_for_anew(t *testing.T) {
	t.Parallel()
	url, conn := application(t)
	exec(t, conn, `ALTER TABLE rowcast.canary DISABLE TRIGGER USER`)
	d := launch(t, url, often)
	d.turns(t, "the canary is", "trigger disabled:")
	poll(t, func() bool { return d.canary.overdue() > 2*time.Second })
	c := dial(t, d.http, "topics=messages")
	exec(t, conn, `BEGIN; ALTER TABLE rowcast.canary ENABLE TRIGGER USER; SELECT rowcast.sing('another', 1000000000000); ALTER TABLE rowcast.canary DISABLE TRIGGER USER; COMMIT`)
	exec(t, conn, `INSERT INTO messages (topic_id) VALUES (7)`)
	c.want("message_created") // and so the other's has come
	if late := d.canary.overdue(); late < 2*time.Second {
		t.Errorf("with another's it is %v late", late)
	}

	now := time.Now()
	exec(t, conn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rowcast' AND datname = current_database()`)
	poll(t, func() bool { return d.source.Stats().Attached.After(now) })
	if late, most := d.canary.overdue(), time.Since(now); late > most {
		t.Errorf("%v after its loss it is %v late", most, late)
	}
	d.turns(t, "the canary is", "trigger disabled:")
}
