package bridge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
	"rowcast/rooms/auth"
)

// tricky answers as the topic says, and else as may_join does. Each call rings.
const tricky = `
CREATE FUNCTION app.tricky(name text, claims jsonb) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	PERFORM pg_notify('asked', name);
	CASE name
	WHEN 'raises' THEN RAISE 'the claims are %', claims;
	WHEN 'null' THEN RETURN NULL;
	WHEN 'writes' THEN DELETE FROM members; RETURN true;
	WHEN 'nonsense' THEN RETURN claims->>'sub' = name::bigint::text;
	WHEN 'slow' THEN PERFORM pg_sleep(2); RETURN true;
	WHEN 'shared' THEN RETURN true;
	WHEN 'waits' THEN PERFORM pg_advisory_xact_lock_shared(7); RETURN true;
	ELSE RETURN app.may_join(name, claims);
	END CASE;
END $$;`

// TestAttackAuthorizer: whatever the application's function does, it opens nothing,
// and delays only who waits for it.
func TestAttackAuthorizer(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	exec(t, conn, guarded+tricky)
	s := besiegeAt(t, url, conn, tokenOf(t, "victim"), bySecret, func(o *Options) {
		o.Functions.Authorize = "app.tricky"
		o.Gate.Limits.JoinsPerSecond, o.WS.FramesPerSecond = -1, -1
	})
	mallory := tokenOf(t, "mallory")
	for topic, code := range map[string]string{"raises": "unavailable", "null": "forbidden", "writes": "unavailable", "nonsense": "forbidden"} {
		s.attack(t, topic, func(t *testing.T) {
			for _, d := range doors {
				want := outcome{code, d.ends[code]}
				if d.ends["forbidden"] == 0 {
					want.end = 0 // a topic's denial ends no connection
				}
				if got := d.knock(t, s, mallory, topic); got != want {
					t.Errorf("%s: %v, want %v", d.name, got, want)
				}
			}
			if strings.Contains(s.log.String(), "the claims are") {
				t.Error("the function's words are in the log")
			}
		})
	}
	s.attack(t, "takes_two_seconds", func(t *testing.T) {
		const rows = 100
		latency := func() (p99 time.Duration) {
			var all []time.Duration
			for range rows {
				begin := time.Now()
				s.step(t)
				all = append(all, time.Since(begin))
			}
			slices.Sort(all)
			return all[rows*99/100-1]
		}
		without := latency()
		var waiting []*client
		for i := range 8 { // more than there are connections to the database
			c, _ := knock(t, s.http, "", nil, "rowcast.v1", "bearer."+tokenOf(t, fmt.Sprint("slow ", i)))
			c.want("$welcome")
			c.send(map[string]any{"type": "join", "topics": []string{"slow"}})
			waiting = append(waiting, c)
		}
		poll(t, func() bool { return s.figures().functions.Busy == 4 })
		with := latency()
		t.Logf("p99 from commit to arrival, commit included: %v; with 8 joins that wait: %v", without, with)
		if with > time.Second {
			t.Errorf("a slow function delays events: p99 %v, without it %v", with, without)
		}
		for _, c := range waiting {
			c.want("$joined")
		}
	})
	s.attack(t, "ten_thousand_joins_are_one_query", func(t *testing.T) {
		const clients, joins = 20, 500
		ear := pgtest.Connect(t, url)
		exec(t, ear, `LISTEN asked`)
		var all []*client
		for range clients {
			c, _ := knock(t, s.http, "", nil, "rowcast.v1", "bearer."+tokenOf(t, "shared", "jti", fmt.Sprint(len(all))))
			c.want("$welcome")
			all = append(all, c)
		}
		for _, c := range all {
			go func() {
				for range joins {
					c.send(map[string]any{"type": "join", "topics": []string{"shared"}})
				}
			}()
		}
		for _, c := range all {
			for range joins {
				if f := c.want("$joined"); len(f.Payload.Topics) != 1 {
					t.Fatalf("got %v", f)
				}
			}
		}
		exec(t, conn, `NOTIFY asked, 'enough'`)
		asked := 0
		for {
			n, err := ear.WaitForNotification(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n.Payload == "enough" {
				break
			}
			asked++
		}
		if asked != 1 {
			t.Errorf("%d joins were %d queries", clients*joins, asked)
		}
	})
}

// TestAttackRestart: joins that wait while Postgres goes away are denied for now,
// and good when it is back.
func TestAttackRestart(t *testing.T) {
	t.Parallel()
	cluster := pgtest.Cluster(t, pgtemp.Options{Fast: true})
	url := cluster.URL("postgres")
	if err := migrations.Up(t.Context(), url, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, url)
	exec(t, conn, guarded+tricky+`SELECT pg_advisory_lock(7)`)
	s := besiegeAt(t, url, conn, tokenOf(t, "victim"), bySecret, func(o *Options) {
		o.Functions.Authorize, o.Functions.Timeout = "app.tricky", 2*time.Second
	})
	mallory := tokenOf(t, "mallory")
	library := s.enter(t, mallory, "topic_9")
	library.send(map[string]any{"type": "join", "topics": []string{"waits"}})
	poll(t, func() bool { return s.figures().functions.Busy == 1 })
	if err := cluster.Stop(t.Context(), pgtemp.Fast); err != nil {
		t.Fatal(err)
	}
	if f := library.want("$joined"); denial(f, "waits") != "unavailable" {
		t.Errorf("library: %v", f)
	}
	plain, _ := knock(t, s.http, "topics=waits", nil, "rowcast.plain", "bearer."+mallory)
	if got, want := refusedBy(t, plain, plain.next()), (outcome{"unavailable", 1013}); got != want {
		t.Errorf("plain: %v", got)
	}
	stream, res := request(t, s.http, "topics=waits", http.Header{"Authorization": {"Bearer " + mallory}})
	if f := stream.next(); res.StatusCode != http.StatusOK || f.Payload.Code != "unavailable" {
		t.Errorf("sse: %s, %v", res.Status, f)
	}
	stream.ended()
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.conn = pgtest.Connect(t, url)
	if f := wish(t, library, "waits"); denial(f, "waits") != "" {
		t.Errorf("Postgres is back: %v", f)
	}
	library.close()
	s.step(t)
	s.rest(t)
}

// TestAttackKeySet: without keys nobody is let in and nobody is told that their
// token is bad; keys that are known go on counting.
func TestAttackKeySet(t *testing.T) {
	t.Parallel()
	secret := keys().ours
	var down atomic.Bool
	set := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprint(w, keys().set)
	}))
	t.Cleanup(set.Close)
	byKeySet := func(o *Options) {
		bySecret(o)
		o.Gate.JWT = auth.JWTOptions{JWKSURL: set.URL}
		o.WS.HandshakeTimeout, o.SSE.HandshakeTimeout = 2*time.Second, 2*time.Second
	}
	with := func(kid string) string {
		return sign(t, jwt.SigningMethodRS256, secret, map[string]any{"kid": kid}, claim("victim"))
	}
	s := besiege(t, with("ours"), byKeySet)
	s.attack(t, "down_later", func(t *testing.T) {
		down.Store(true)
		s.refuses(t, with("ours"), "topic_8", "")
		s.refuses(t, with("unknown"), "topic_8", "unavailable")
		s.refuses(t, with("ours"), "topic_8", "")
	})
	t.Run("down_at_start", func(t *testing.T) {
		late := &siege{running: launch(t, s.url, byKeySet), url: s.url, conn: s.conn}
		late.refuses(t, with("ours"), "topic_8", "unavailable")
		down.Store(false)
		poll(t, func() bool {
			c, _ := knock(t, late.http, "", nil, "rowcast.v1", "bearer."+with("ours"))
			return c.next().Type == "$welcome"
		})
	})
}

// TestAttackRevoked: who loses a membership is out within a second, everywhere, and
// nothing that was committed afterwards reaches them, by any road. It runs alone:
// it takes the time.
func TestAttackRevoked(t *testing.T) {
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	exec(t, conn, guarded+`INSERT INTO members VALUES ('mallory', 'topic_7')`)
	small := func(o *Options) { o.Hub.QueueBytes = 16 << 10 }
	a := besiegeAt(t, url, conn, tokenOf(t, "victim"), bySecret, small)
	b := &siege{running: launch(t, url, bySecret, small), url: url, conn: conn}
	mallory := tokenOf(t, "mallory")
	bearer := http.Header{"Authorization": {"Bearer " + mallory}}
	var libraries, plains, streams []*client
	var slow []*rawConn
	for _, s := range []*siege{a, b} {
		c := s.enter(t, mallory, "topic_9")
		c.join("topic_7", "")
		libraries = append(libraries, c)
		p, _ := knock(t, s.http, "topics=topic_7,topic_9", nil, "rowcast.plain", "bearer."+mallory)
		plains = append(plains, p)
		e, _ := request(t, s.http, "topics=topic_7", bearer.Clone())
		streams = append(streams, e)
		r := upgraded(t, s.http, mallory)
		r.write(masked(0x81, `{"type":"join","ref":1,"topics":["topic_7"]}`))
		r.read()
		slow = append(slow, r)
	}
	all := slices.Concat(libraries, plains, streams)
	a.step(t)
	for _, c := range all {
		c.want("message_created")
	}
	// The slow ones read nothing from here on, until their queues have overflowed.
	overflows := func() uint64 { return min(a.hub.Stats().Overflows, b.hub.Stats().Overflows) }
	for begin := overflows(); overflows() == begin; {
		exec(t, conn, `INSERT INTO messages (topic_id, content) SELECT 7, repeat('x', 30000) FROM generate_series(1, 20)`)
		for _, c := range append(all, a.victim) {
			for range 20 {
				if f := c.next(); f.Type != "message_created" && f.Type != "$resync" {
					t.Fatalf("got %v", f)
				}
			}
		}
	}
	cursor := libraries[0].cursor
	begin := time.Now()
	exec(t, conn, `BEGIN; DELETE FROM members WHERE subject = 'mallory' AND topic = 'topic_7'; INSERT INTO messages (topic_id, content) VALUES (7, 'not for mallory'); COMMIT`)
	for _, c := range libraries {
		if f := c.want("$left"); f.Payload.Code != "revoked" {
			t.Errorf("library: %v", f)
		}
	}
	for _, c := range plains {
		if got, want := refusedBy(t, c, c.next()), (outcome{"forbidden", 4403}); got != want {
			t.Errorf("plain: %v", got)
		}
	}
	for _, c := range streams {
		if f := c.want("$error"); f.Payload.Code != "forbidden" {
			t.Errorf("sse: %v", f)
		}
		c.ended()
	}
	took := time.Since(begin)
	t.Logf("six members on two instances were out after %v", took)
	if took > time.Second {
		t.Errorf("it took %v", took)
	}
	if f := a.victim.next(); f.Payload.Message["content"] != "not for mallory" {
		t.Errorf("the victim got %v", f)
	}
	a.step(t)
	for _, c := range libraries {
		hearsNothing(t, c)
		if f := wish(t, c, "topic_7", "since", cursor); denial(f, "topic_7") != "forbidden" || f.Payload.Replayed != 0 {
			t.Errorf("again: %v", f)
		}
	}
	for _, c := range slow {
		c.write(masked(0x81, `{"type":"ping","ref":2}`))
		left := false
		for {
			_, payload := c.read()
			text := string(payload)
			if payload == nil || strings.Contains(text, "$pong") {
				break
			}
			left = left || strings.Contains(text, "$left")
			if strings.Contains(text, "not for mallory") || left && !strings.Contains(text, "$left") && !strings.Contains(text, "$ping") {
				t.Fatalf("slow: %.200s", text)
			}
		}
		if !left {
			t.Error("slow: it never heard that it left")
		}
	}
	for _, s := range []*siege{a, b} {
		plain, _ := knock(t, s.http, "topics=topic_7&since="+cursor, nil, "rowcast.plain", "bearer."+mallory)
		if got, want := refusedBy(t, plain, plain.next()), (outcome{"forbidden", 4403}); got != want {
			t.Errorf("plain again: %v", got)
		}
		h := bearer.Clone()
		h.Set("Last-Event-ID", cursor)
		if c, res := request(t, s.http, "topics=topic_7", h); res.StatusCode != http.StatusForbidden {
			t.Errorf("sse again: %s, %v", res.Status, c.next())
		}
	}
}
