package chat

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signedIn is the header of somebody who has logged in.
func (w *world) signedIn(user string) string {
	w.Helper()
	var login struct {
		Token   string
		Expires time.Time
	}
	answer := w.ask("POST /api/login", `{"user":"`+user+`"}`)
	if err := json.Unmarshal([]byte(answer.body), &login); err != nil || login.Token == "" {
		w.Fatalf("login: %d %s", answer.status, answer.body)
	}
	if left := time.Until(login.Expires); left < tokenLife-time.Minute || left > tokenLife {
		w.Errorf("the login lasts %v", left)
	}
	return "Authorization: Bearer " + login.Token
}

// TestAPI_keeps_a_private_topic_to_its_members asks for all there is, as the
// owner, as a member, as somebody else and as nobody.
func TestAPI_keeps_a_private_topic_to_its_members(t *testing.T) {
	t.Parallel()
	w := setup(t)
	olena, maks := w.signedIn("olena"), w.signedIn("maks")
	secret := value[string](w, "SELECT id FROM messages WHERE topic_id = 8")
	const hi = `{"author":"Maks","content":"hi"}`
	const content = "The budget allows one raise. I would start with Maks."

	refused := func(who string, headers ...string) {
		t.Helper()
		for _, s := range []step{
			{"GET /api/topics/8/messages", "", 403, `{"error":"only its members may"}`},
			{"POST /api/topics/8/messages", hi, 403, `{"error":"only its members may"}`},
			{"PATCH /api/messages/" + secret, `{"content":"ho"}`, 404, `{"error":"there is no such row"}`},
			{"DELETE /api/messages/" + secret, "", 404, `{"error":"there is no such row"}`},
			{"POST /api/burst", `{"topic_id":"8","count":1,"per_second":1,"author":"Maks"}`, 403, `{"error":"only its members may"}`},
			{"GET /api/topics/8/members", "", 403, `{"error":"only its members may"}`},
			{"POST /api/topics/8/members", `{"member":"maks"}`, 403, `{"error":"only its owner may"}`},
			{"DELETE /api/topics/8/members/olena", "", 403, `{"error":"only its owner may"}`},
		} {
			w.ask(s.what, s.body, headers...).expect(t, who+": "+s.what, s.status, s.want)
		}
		if topics := w.ask("GET /api/topics", "", headers...).body; !strings.Contains(topics, `"private":true,"allowed":false`) {
			t.Errorf("%s: %s", who, topics)
		}
	}
	refused("nobody")
	refused("maks", maks)

	const members = `{"member":"olena","name":"Olena","owner":true}`
	const withMaks = `{"member":"maks","name":"Maks","owner":false}`
	for _, s := range []step{
		{"GET /api/topics/8/messages", "", 200, `{"total":1,"messages":[{"id":"` + secret + `","topic_id":"8","author":"Olena","content":"` + content + `","feed":null,"created_at":"T"}]}`},
		{"GET /api/topics/8/members", "", 200, "[" + members + "]"},
		{"POST /api/topics/8/members", `{"member":"maks"}`, 201, withMaks},
		{"POST /api/topics/8/members", `{"member":"maks"}`, 409, `{"error":"there is one already"}`},
		{"POST /api/topics/8/members", `{"member":"nobody"}`, 404, `{"error":"there is no such user"}`},
		{"DELETE /api/topics/8/members/olena", "", 404, `{"error":"there is no such row"}`},
	} {
		w.ask(s.what, s.body, olena).expect(t, "olena: "+s.what, s.status, s.want)
	}

	for _, s := range []step{
		{"GET /api/topics/8/members", "", 200, "[" + members + "," + withMaks + "]"},
		{"POST /api/topics/8/messages", hi, 201, `{"id":"15","topic_id":"8","author":"Maks","content":"hi","feed":null,"created_at":"T"}`},
		{"PATCH /api/messages/15", `{"content":"ho"}`, 200, `{"id":"15","topic_id":"8","author":"Maks","content":"ho","feed":null,"created_at":"T"}`},
		{"DELETE /api/messages/15", "", 204, ""},
		{"DELETE /api/topics/8/members/maks", "", 403, `{"error":"only its owner may"}`},
	} {
		w.ask(s.what, s.body, maks).expect(t, "maks, a member: "+s.what, s.status, s.want)
	}
	w.ask("DELETE /api/topics/8/members/maks", "", olena).expect(t, "removed", 204, "")
	refused("maks, removed", maks)

	w.ask("GET /api/dashboard", "").expect(t, "the dashboard", 200, `{"messages":13,"projects":4,"proposals_pending":3,"runs_running":1,"atoms":3}`)
}

func TestAPI_refuses_bad_tokens(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for name, tt := range map[string]struct {
		method jwt.SigningMethod
		key    any
		claims jwt.MapClaims
	}{
		"another secret": {jwt.SigningMethodHS256, []byte("another secret, as long as the other"), jwt.MapClaims{"sub": "olena", "exp": time.Now().Add(time.Hour).Unix()}},
		"none":           {jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"sub": "olena", "exp": time.Now().Add(time.Hour).Unix()}},
		"expired":        {jwt.SigningMethodHS256, w.api.secret, jwt.MapClaims{"sub": "olena", "exp": time.Now().Add(-time.Minute).Unix()}},
		"for ever":       {jwt.SigningMethodHS256, w.api.secret, jwt.MapClaims{"sub": "olena"}},
	} {
		token, err := jwt.NewWithClaims(tt.method, tt.claims).SignedString(tt.key)
		if err != nil {
			t.Fatal(err)
		}
		w.ask("GET /api/topics/8/messages", "", "Authorization: Bearer "+token).
			expect(t, name, http.StatusUnauthorized, `{"error":"the token is none, or has run out"}`)
	}
	w.ask("POST /api/login", `{"user":"nobody"}`).expect(t, "a stranger", 404, `{"error":"there is no such user"}`)
}

// TestSchema_says_who_may_join asks can_join what the daemon will.
func TestSchema_says_who_may_join(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec("INSERT INTO memberships VALUES (8, 'maks')")
	w.exec("INSERT INTO topics (title, private) VALUES ('Of nobody', true)")
	for topic, want := range map[string]string{ // who of olena, maks, somebody, nobody
		"messages": "oms-", "projects": "oms-", "analysis": "oms-", "proposals": "oms-", "knowledge": "oms-",
		"topic_1": "oms-", "topic_7": "oms-",
		"topic_8": "om", "topic_9": "", "topic_10": "",
		"user_olena": "o", "user_maks": "m", "user_": "", "user": "",
		"topic_": "", "topic_0": "", "topic_07": "", "topic_7 ": "", "topic_-7": "", "topic_7'--": "", "topic_99999999999999999999": "",
		"topic_*": "", "*": "", "": "", "everything": "",
	} {
		got := ""
		for _, who := range []struct{ mark, claims string }{
			{"o", `{"sub":"olena"}`}, {"m", `{"sub":"maks"}`}, {"s", `{"sub":"somebody"}`}, {"-", `{}`},
		} {
			if value[bool](w, "SELECT can_join($1, $2)", topic, who.claims) {
				got += who.mark
			}
		}
		if got != want {
			t.Errorf("%q: %q may, not %q", topic, got, want)
		}
	}
}

// TestSchema_sends_nothing_private_to_everybody looks at the topics of what is
// logged.
func TestSchema_sends_nothing_private_to_everybody(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, table := range []string{"proposals (topic_id, title) VALUES (8, 'a')", "analysis_runs (topic_id) VALUES (8)", "knowledge_atoms (topic_id, title) VALUES (8, 'a')"} {
		if _, err := w.db.Exec(t.Context(), "INSERT INTO "+table); err == nil || !strings.Contains(err.Error(), "topic_id_fkey") {
			t.Errorf("%s: %v", table, err)
		}
	}
	feed := func(want string) {
		t.Helper()
		if got := value[string](w, "SELECT coalesce(feed, '') FROM messages WHERE content = 'a secret'"); got != want {
			t.Errorf("fed to %q, not %q", got, want)
		}
	}
	w.exec("INSERT INTO messages (topic_id, content, feed) VALUES (8, 'a secret', 'messages')")
	feed("")
	w.exec("UPDATE messages SET topic_id = 7 WHERE content = 'a secret'")
	feed("messages")
	w.exec("UPDATE messages SET topic_id = 8, feed = 'messages' WHERE content = 'a secret'")
	feed("")
}
