package bridge

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// guarded is an application's database whose function says who may join what. The
// victim is in topic_7 and topic_8, mallory in topic_9 only.
const guarded = watched + `
CREATE TABLE members (subject text, topic text, PRIMARY KEY (subject, topic));
SELECT rowcast.watch_access('members', 'subject', array['{topic}']);
INSERT INTO members VALUES ('victim', 'topic_7'), ('victim', 'topic_8'), ('mallory', 'topic_9');
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO PUBLIC;
CREATE FUNCTION app.may_join(name text, claims jsonb) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
	SELECT EXISTS (SELECT FROM public.members WHERE topic = name AND subject = claims->>'sub')
$$;`

// hmacSecret signs the tokens of daemons that have no other key.
const hmacSecret = "a secret of thirty-two bytes, no less"

// claim makes claims that are good for an hour, but for some: name, value, …
func claim(subject string, but ...any) jwt.MapClaims {
	claims := jwt.MapClaims{"sub": subject, "exp": time.Now().Add(time.Hour).Unix()}
	for i := 0; i < len(but); i += 2 {
		claims[but[i].(string)] = but[i+1]
	}
	return claims
}

func sign(t *testing.T, m jwt.SigningMethod, key any, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(m, claims)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// tokenOf is a good one where hmacSecret counts.
func tokenOf(t *testing.T, subject string, but ...any) string {
	t.Helper()
	return sign(t, jwt.SigningMethodHS256, []byte(hmacSecret), nil, claim(subject, but...))
}

// bySecret is a daemon that believes tokenOf's tokens, and asks app.may_join.
func bySecret(o *Options) {
	o.Gate.Mode, o.Gate.JWT.Secret = auth.JWT, hmacSecret
	o.Functions.Authorize = "app.may_join"
	o.WS.HandshakeTimeout, o.SSE.HandshakeTimeout = patience, patience // a slow machine is no attack
}

// siege is a daemon that is attacked while somebody uses it.
type siege struct {
	*running
	url    string
	conn   *pgx.Conn
	victim *client // in topic_7
	rows   int
}

// besiege launches a daemon and signs the victim in, with a token.
func besiege(t *testing.T, token string, edit ...func(*Options)) *siege {
	t.Helper()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	exec(t, conn, guarded)
	return besiegeAt(t, url, conn, token, edit...)
}

func besiegeAt(t *testing.T, url string, conn *pgx.Conn, token string, edit ...func(*Options)) *siege {
	t.Helper()
	s := &siege{running: launch(t, url, edit...), url: url, conn: conn}
	s.victim = s.enter(t, token, "topic_7")
	s.step(t)
	return s
}

// enter joins a topic at the library level, with a token.
func (s *siege) enter(t *testing.T, token, topic string) *client {
	t.Helper()
	c, res := knock(t, s.http, "", nil, "rowcast.v1", "bearer."+token)
	if c == nil {
		t.Fatal(res.Status)
	}
	c.join(topic, "")
	return c
}

// attack runs one line of the table. Nobody may lose by it, and nothing of it may
// be left.
func (s *siege) attack(t *testing.T, name string, attack func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Run("attack", attack)
		s.step(t)
		s.rest(t)
	})
}

// step commits a row, which the victim gets next.
func (s *siege) step(t *testing.T) {
	t.Helper()
	s.rows++
	content := fmt.Sprint("private ", s.rows)
	if _, err := s.conn.Exec(t.Context(), `INSERT INTO messages (topic_id, content) VALUES (7, $1)`, content); err != nil {
		t.Fatal(err)
	}
	f := s.victim.next()
	for f.Type == "probe" { // at a door of the victim's topic
		f = s.victim.next()
	}
	if f.Payload.Message["content"] != content {
		t.Fatalf("the victim got %v, want %q", f, content)
	}
}

// rest waits until nobody but the victim is there. (Goroutines are counted when
// all tests have ended.)
func (s *siege) rest(t *testing.T) {
	t.Helper()
	poll(t, func() bool {
		f := s.figures()
		return f.ws.Sessions == 1 && f.streams == 0 && f.gate.Connections == 1 && f.hub.Subscribers == 1 && f.hub.Memberships == 1
	})
}

// hearsNothing fails when an event reached a client of the library level that is
// in no topic of it.
func hearsNothing(t *testing.T, c *client) {
	t.Helper()
	c.send(map[string]any{"type": "ping"})
	if f := c.next(); f.Type != "$pong" {
		t.Errorf("the attacker got %v", f)
	}
}

// outcome is what came of knocking at a door: an error code, "" when it opened;
// the close code, or the HTTP status.
type outcome struct {
	code string
	end  int
}

// door is a way to come in with a token and join a topic.
type door struct {
	name  string
	knock func(t *testing.T, s *siege, token, topic string) outcome
	ends  map[string]int // how it says no, by the code
}

var (
	closes   = map[string]int{"": 0, "unauthenticated": 4401, "token_expired": 4401, "unavailable": 1013, "forbidden": 4403, "bad_topic": 4400, "rate_limited": 4429}
	statuses = map[string]int{"": 200, "unauthenticated": 401, "token_expired": 401, "unavailable": 200, "forbidden": 403, "bad_topic": 400, "rate_limited": 200}
	// Topics are denied one by one where they are joined one by one.
	perTopic = map[string]int{"": 0, "unauthenticated": 4401, "token_expired": 4401, "unavailable": 1013, "forbidden": 0, "bad_topic": 0}
)

var doors = []door{
	{"auth_frame", func(t *testing.T, s *siege, token, topic string) outcome {
		c, _ := knock(t, s.http, "", nil, "rowcast.v1")
		c.send(map[string]any{"type": "auth", "token": token})
		if f := c.next(); f.Type != "$authed" {
			return refusedBy(t, c, f)
		}
		return joins(t, c, topic)
	}, perTopic},
	{"library", func(t *testing.T, s *siege, token, topic string) outcome {
		c, _ := knock(t, s.http, "", nil, "rowcast.v1", "bearer."+token)
		return joins(t, c, topic)
	}, perTopic},
	{"plain", func(t *testing.T, s *siege, token, topic string) outcome {
		c, _ := knock(t, s.http, "topics="+url.PathEscape(topic), nil, "rowcast.plain", "bearer."+token)
		return s.probe(t, c, topic)
	}, closes},
	{"sse", func(t *testing.T, s *siege, token, topic string) outcome {
		c, res := request(t, s.http, "topics="+url.PathEscape(topic), http.Header{"Authorization": {"Bearer " + token}})
		a := s.probe(t, c, topic)
		a.end = res.StatusCode
		return a
	}, statuses},
}

// joins asks for a topic at the library level.
func joins(t *testing.T, c *client, topic string) outcome {
	t.Helper()
	f := c.next()
	if f.Type != "$welcome" {
		return refusedBy(t, c, f)
	}
	c.send(map[string]any{"type": "join", "topics": []string{topic}})
	f = c.want("$joined")
	if d, denied := f.Payload.Denied[topic].(map[string]any); denied {
		return outcome{code: fmt.Sprint(d["code"])}
	}
	return outcome{}
}

// probe finds out whether a client is in the topic of its URL: it gets what is
// emitted there, or was told why not.
func (s *siege) probe(t *testing.T, c *client, topic string) outcome {
	t.Helper()
	if rooms.ValidTopic(topic) {
		if _, err := s.conn.Exec(t.Context(), `SELECT rowcast.emit('probe', '{}', array[$1])`, topic); err != nil {
			t.Fatal(err)
		}
	}
	f := c.next()
	if f.Type == "probe" {
		return outcome{}
	}
	return refusedBy(t, c, f)
}

// refusedBy reads the end that follows an $error.
func refusedBy(t *testing.T, c *client, f frame) outcome {
	t.Helper()
	if f.Type != "$error" {
		t.Fatalf("got %v", f)
	}
	return outcome{fmt.Sprint(f.Payload.Code), max(int(c.ended()), 0)}
}

// refuses checks that each door answers with the code.
func (s *siege) refuses(t *testing.T, token, topic, code string) {
	t.Helper()
	for _, d := range doors {
		if got, want := d.knock(t, s, token, topic), (outcome{code, d.ends[code]}); got != want {
			t.Errorf("%s: %v, want %v", d.name, got, want)
		}
	}
}
