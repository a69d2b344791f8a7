package bridge

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"rowcast/internal/snapshot"
)

// wish sends a join and returns its answer, after which nothing comes that was not
// asked for. Nothing is replayed.
func wish(t *testing.T, c *client, topic string, more ...any) frame {
	t.Helper()
	request := map[string]any{"type": "join", "topics": []string{topic}}
	for i := 0; i < len(more); i += 2 {
		request[more[i].(string)] = more[i+1]
	}
	c.send(request)
	return c.want("$joined")
}

// denial is the code with which a topic was denied.
func denial(f frame, topic string) string {
	d, _ := f.Payload.Denied[topic].(map[string]any)
	code, _ := d["code"].(string)
	return code
}

// TestAttackTopicName: a name is what it is, byte by byte, and reaches the
// function as it is.
func TestAttackTopicName(t *testing.T) {
	t.Parallel()
	s := besiege(t, tokenOf(t, "victim"), bySecret)
	mallory := tokenOf(t, "mallory")
	exec(t, s.conn, `INSERT INTO members VALUES ('mallory', U&'caf\00e9')`)
	long := strings.Repeat("x", 200)
	for _, tt := range []struct{ name, topic, frame, url string }{
		{"own", "topic_9", "", ""},
		{"of_another", "topic_7", "forbidden", "forbidden"},
		{"percent_encoded", "topic%5F7", "forbidden", "forbidden"},
		{"percent_encoded_twice", "topic%255F7", "forbidden", "forbidden"},
		{"nul", "topic_9\x00", "bad_topic", "bad_topic"},
		{"nul_within", "topic_9\x00_7", "bad_topic", "bad_topic"},
		{"line_ends", "topic_9\r\ntopic_7", "bad_topic", "bad_topic"},
		{"all", "*", "bad_topic", "bad_topic"},
		{"pattern", "topic_*", "bad_topic", "bad_topic"},
		{"pattern_of_SQL", "topic__", "forbidden", "forbidden"},
		{"template", "{topic}", "forbidden", "forbidden"},
		{"two_as_one", "topic_9,topic_7", "bad_topic", "forbidden"}, // in a URL they are two
		{"dollar", "$welcome", "bad_topic", "bad_topic"},
		{"space", " topic_9", "bad_topic", "bad_topic"},
		{"next_line", "topic_9\u0085", "bad_topic", "bad_topic"},
		{"empty", "", "bad_topic", "bad_topic"},
		{"right_to_left", "\u202etopic_9", "forbidden", "forbidden"},
		{"zero_width", "topic_9\u200b", "forbidden", "forbidden"},
		{"byte_order_mark", "\ufefftopic_9", "forbidden", "forbidden"},
		{"full_width", "topic_\uff19", "forbidden", "forbidden"},
		{"upper_case", "TOPIC_9", "forbidden", "forbidden"},
		{"SQL", "topic_9'OR'1'='1", "forbidden", "forbidden"},
		{"path", "topic_9/../topic_7", "forbidden", "forbidden"},
		{"composed", "caf\u00e9", "", ""},
		{"decomposed", "cafe\u0301", "forbidden", "forbidden"},
		{"of_200_bytes", long, "forbidden", "forbidden"},
		{"of_201_bytes", long + "x", "bad_topic", "bad_topic"},
		{"huge", strings.Repeat("x", 20<<10), "bad_topic", "bad_topic"},
	} {
		s.attack(t, tt.name, func(t *testing.T) {
			for _, d := range doors {
				code := tt.frame
				if d.name == "plain" || d.name == "sse" {
					code = tt.url
				}
				if got, want := d.knock(t, s, mallory, tt.topic), (outcome{code, d.ends[code]}); got != want {
					t.Errorf("%s: %v, want %v", d.name, got, want)
				}
			}
		})
	}
	s.attack(t, "overlong_UTF-8", func(t *testing.T) {
		for _, topic := range []string{"topic_%C0%B9", "topic_%E0%80%B9", "topic_9%ff", "topic_%ED%A0%80", "topic_%zz", "topic_9%"} {
			c, _ := knock(t, s.http, "topics="+topic, nil, "rowcast.plain", "bearer."+mallory)
			if got, want := refusedBy(t, c, c.next()), (outcome{"bad_topic", 4400}); got != want {
				t.Errorf("plain: %s: %v, want %v", topic, got, want)
			}
			stream, res := request(t, s.http, "topics="+topic, http.Header{"Authorization": {"Bearer " + mallory}})
			if f := stream.next(); res.StatusCode != 400 || f.Payload.Code != "bad_topic" {
				t.Errorf("sse: %s: %s, %v", topic, res.Status, f)
			}
		}
		c := s.enter(t, mallory, "topic_9")
		if err := c.conn.Write(t.Context(), websocket.MessageText, []byte("{\"type\":\"join\",\"topics\":[\"topic_\xc0\xb9\"]}")); err != nil {
			t.Fatal(err)
		}
		if code := c.ended(); code != websocket.StatusInvalidFramePayloadData {
			t.Errorf("library: %v", c.end)
		}
	})
}

// TestAttackAnotherTopic: no road leads to events of a topic that one may not
// join.
func TestAttackAnotherTopic(t *testing.T) {
	t.Parallel()
	s := besiege(t, tokenOf(t, "victim"), bySecret)
	mallory := tokenOf(t, "mallory")
	bearer := http.Header{"Authorization": {"Bearer " + mallory}}
	cursor := s.victim.cursor // it is no secret
	s.step(t)
	outside := func(t *testing.T, c *client) {
		t.Helper()
		s.step(t)
		hearsNothing(t, c)
	}

	s.attack(t, "join", func(t *testing.T) {
		c := s.enter(t, mallory, "topic_9")
		for name, more := range map[string][]any{
			"": nil, "since": {"since", cursor}, "since its own": {"since", c.cursor}, "lookback": {"lookback_ms", 60_000}, "with fields": {"subject", "victim", "token", tokenOf(t, "victim")},
		} {
			f := wish(t, c, "topic_7", more...)
			if denial(f, "topic_7") != "forbidden" || f.Payload.Replayed != 0 {
				t.Errorf("%s: %v", name, f)
			}
			outside(t, c)
		}
		c.send(map[string]any{"type": "leave", "topics": []string{"topic_7"}})
		if f := c.want("$left"); len(f.Payload.Topics) != 0 {
			t.Errorf("left %v", f)
		}
	})
	s.attack(t, "join_beside_ones_own", func(t *testing.T) {
		c, _ := knock(t, s.http, "", nil, "rowcast.v1", "bearer."+mallory)
		c.want("$welcome")
		c.send(map[string]any{"type": "join", "topics": []string{"topic_9", "topic_7", "topic_8"}, "since": cursor})
		if f := c.want("$joined"); !slices.Equal(f.Payload.Topics, []string{"topic_9"}) || f.Payload.Replayed != 0 {
			t.Errorf("got %v", f)
		}
		outside(t, c)
	})
	s.attack(t, "URL", func(t *testing.T) {
		for _, query := range []string{
			"topics=topic_7", "topics=topic_9,topic_7", "topics=topic_9&topics=topic_7", "topics=topic_7&since=" + cursor, "topics=topic_7&sub=victim&topics=topic_9",
		} {
			c, _ := knock(t, s.http, query, nil, "rowcast.plain", "bearer."+mallory)
			if got, want := refusedBy(t, c, c.next()), (outcome{"forbidden", 4403}); got != want {
				t.Errorf("plain: %s: %v", query, got)
			}
			withID := bearer.Clone()
			withID.Set("Last-Event-ID", cursor)
			for _, h := range []http.Header{bearer, withID} {
				c, res := request(t, s.http, query, h.Clone())
				if f := c.next(); res.StatusCode != http.StatusForbidden || f.Payload.Code != "forbidden" {
					t.Errorf("sse: %s: %s, %v", query, res.Status, f)
				}
				c.ended()
			}
		}
	})
	s.attack(t, "renewing_with_the_token_of_another", func(t *testing.T) {
		c := s.enter(t, mallory, "topic_9")
		c.send(map[string]any{"type": "auth", "token": tokenOf(t, "victim")})
		if f := c.want("$error"); f.Payload.Code != "forbidden" {
			t.Errorf("got %v", f)
		}
		if f := wish(t, c, "topic_7"); denial(f, "topic_7") != "forbidden" {
			t.Errorf("got %v", f)
		}
		outside(t, c)
	})
	s.attack(t, "renewing_with_a_token_for_more", func(t *testing.T) {
		c := s.enter(t, tokenOf(t, "mallory", "topics", []string{"topic_9"}), "topic_9")
		c.send(map[string]any{"type": "auth", "token": tokenOf(t, "mallory", "topics", []string{"*"})})
		c.want("$authed")
		if f := wish(t, c, "topic_7"); denial(f, "topic_7") != "forbidden" { // the function is asked, too
			t.Errorf("got %v", f)
		}
		outside(t, c)
	})
	s.attack(t, "renewing_with_a_token_for_less", func(t *testing.T) {
		c := s.enter(t, mallory, "topic_9")
		c.send(map[string]any{"type": "auth", "token": tokenOf(t, "mallory", "topics", []string{})})
		c.want("$authed")
		if f := c.want("$left"); f.Payload.Code != "revoked" {
			t.Errorf("got %v", f)
		}
		exec(t, s.conn, `SELECT rowcast.emit('probe', '{}', '{topic_9}')`)
		outside(t, c)
	})
	s.attack(t, "replay_after_a_revocation", func(t *testing.T) {
		exec(t, s.conn, `INSERT INTO members VALUES ('mallory', 'topic_7')`)
		c := s.enter(t, mallory, "topic_9")
		poll(t, func() bool { return denial(wish(t, c, "topic_7"), "topic_7") == "" }) // the grant has arrived
		s.step(t)
		before := c.want("message_created").Cursor
		exec(t, s.conn, `DELETE FROM members WHERE subject = 'mallory' AND topic = 'topic_7'`)
		if f := c.want("$left"); f.Payload.Code != "revoked" || !slices.Equal(f.Payload.Topics, []string{"topic_7"}) {
			t.Errorf("got %v", f)
		}
		s.step(t)
		for name, more := range map[string][]any{"join": nil, "since": {"since", before}, "lookback": {"lookback_ms", 60_000}} {
			if f := wish(t, c, "topic_7", more...); denial(f, "topic_7") != "forbidden" || f.Payload.Replayed != 0 {
				t.Errorf("%s: %v", name, f)
			}
		}
		plain, _ := knock(t, s.http, "topics=topic_7&since="+before, nil, "rowcast.plain", "bearer."+mallory)
		if got, want := refusedBy(t, plain, plain.next()), (outcome{"forbidden", 4403}); got != want {
			t.Errorf("plain: %v", got)
		}
		h := bearer.Clone()
		h.Set("Last-Event-ID", before)
		if c, res := request(t, s.http, "topics=topic_7", h); res.StatusCode != http.StatusForbidden {
			t.Errorf("sse: %s, %v", res.Status, c.next())
		}
		outside(t, c)
	})
	s.attack(t, "a_subject_called_everybody", func(t *testing.T) {
		for _, subject := range []string{"*", "", "victim ", "Victim", "victim\u200b", "mallory' OR sub = 'victim"} {
			s.refuses(t, tokenOf(t, subject), "topic_7", "forbidden")
		}
		exec(t, s.conn, `INSERT INTO members VALUES ('*', 'topic_7'); DELETE FROM members WHERE subject = '*'`)
	})
}

// TestAttackCursor: whatever a cursor says, it opens nothing and holds nobody up.
func TestAttackCursor(t *testing.T) {
	t.Parallel()
	s := besiege(t, tokenOf(t, "victim"), bySecret)
	elsewhere := besiege(t, tokenOf(t, "victim"), bySecret)
	mallory := tokenOf(t, "mallory")
	s.step(t)
	own, err := snapshot.DecodeCursor(s.hub.Cursor())
	if err != nil {
		t.Fatal(err)
	}
	forge := func(xmax uint64, xip ...uint64) string {
		return snapshot.Cursor{Epoch: own.Epoch, Snapshot: snapshot.New(xmax, xip...)}.Encode()
	}
	raw, err := base64.RawURLEncoding.DecodeString(s.hub.Cursor())
	if err != nil {
		t.Fatal(err)
	}
	flipped := func(i int) string {
		b := slices.Clone(raw)
		b[i/8] ^= 1 << (i % 8)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	tests := []struct{ name, cursor, reason string }{
		{"of_another_database", elsewhere.hub.Cursor(), "cursor_foreign"},
		{"of_before_all", forge(1), "cursor_expired"},
		{"of_the_future", forge(1 << 62), "cursor_foreign"},
		{"of_the_end_of_time", forge(1<<64 - 1), "cursor_foreign"},
		{"no_cursor", "topic_7", "cursor_foreign"},
		{"of_513_bytes", strings.Repeat("A", 513), "cursor_foreign"},
		{"of_50_KB", strings.Repeat("A", 50<<10), "cursor_foreign"},
		{"with_SQL", "'; DROP SCHEMA rowcast; --", "cursor_foreign"},
		{"padded", s.hub.Cursor() + "==", "cursor_foreign"},
	}
	for i := range 8 * min(len(raw), 1+len(own.Epoch)) { // its length and its epoch
		tests = append(tests, struct{ name, cursor, reason string }{fmt.Sprint("with_bit_", i), flipped(i), "cursor_foreign"})
	}
	for _, tt := range tests {
		s.attack(t, tt.name, func(t *testing.T) {
			c := s.enter(t, mallory, "topic_9")
			f := wish(t, c, "topic_9", "since", tt.cursor)
			if f.Payload.Recover == nil || *f.Payload.Recover || f.Payload.Replayed != 0 {
				t.Errorf("library: %v", f)
			}
			if f := c.want("$resync"); f.Payload.Reason != tt.reason {
				t.Errorf("library: %v", f)
			}
			hearsNothing(t, c)
			plain, _ := knock(t, s.http, "topics=topic_9&since="+url.QueryEscape(tt.cursor), nil, "rowcast.plain", "bearer."+mallory)
			if f := plain.want("$resync"); f.Payload.Reason != tt.reason {
				t.Errorf("plain: %v", f)
			}
			stream, _ := request(t, s.http, "topics=topic_9", http.Header{"Authorization": {"Bearer " + mallory}, "Last-Event-Id": {tt.cursor}})
			if f := stream.want("$resync"); f.Payload.Reason != tt.reason {
				t.Errorf("sse: %v", f)
			}
		})
	}
	s.attack(t, "of_100_KB", func(t *testing.T) {
		c := s.enter(t, mallory, "topic_9")
		c.send(map[string]any{"type": "join", "topics": []string{"topic_9"}, "since": strings.Repeat("A", 100<<10)})
		if got, want := refusedBy(t, c, c.next()), (outcome{"too_large", 1009}); got != want {
			t.Errorf("library: %v", got)
		}
		if _, res := request(t, s.http, "topics=topic_9", http.Header{"Last-Event-Id": {strings.Repeat("A", 100<<10)}}); res.StatusCode != 431 {
			t.Errorf("sse: %s", res.Status)
		}
	})
}
