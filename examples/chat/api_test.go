package chat

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// step is a request and its answer.
type step struct {
	what, body string
	status     int
	want       string
}

func TestAPI_has_every_route(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, s := range []step{
		{"GET /api/dashboard", "", 200, `{"messages":13,"projects":4,"proposals_pending":3,"runs_running":1,"atoms":3}`},
		{"GET /api/demo", "", 200, `{"psql":"psql …","insert":"INSERT INTO messages (topic_id, content) VALUES (7, 'hello from psql')"}`},
		{"GET /api/nothing", "", 404, `{"error":"there is nothing here"}`},

		{"GET /api/topics", "", 200, `[{"id":"1","title":"General","private":false,"allowed":true},{"id":"2","title":"Design","private":false,"allowed":true},{"id":"3","title":"Backend","private":false,"allowed":true},{"id":"4","title":"Mobile","private":false,"allowed":true},{"id":"5","title":"Support","private":false,"allowed":true},{"id":"6","title":"Reading","private":false,"allowed":true},{"id":"7","title":"Launch","private":false,"allowed":true},{"id":"8","title":"Salaries","private":true,"allowed":false}]`},

		{"POST /api/topics/4/messages", `{"author":"Olena","content":"one"}`, 201, `{"id":"15","topic_id":"4","author":"Olena","content":"one","feed":"messages","created_at":"T"}`},
		{"POST /api/topics/4/messages", `{"author":"Maks","content":"two"}`, 201, `{"id":"16","topic_id":"4","author":"Maks","content":"two","feed":"messages","created_at":"T"}`},
		{"PATCH /api/messages/15", `{"content":"eins"}`, 200, `{"id":"15","topic_id":"4","author":"Olena","content":"eins","feed":"messages","created_at":"T"}`},
		{"GET /api/topics/4/messages?limit=2", "", 200, `{"total":3,"messages":[{"id":"15","topic_id":"4","author":"Olena","content":"eins","feed":"messages","created_at":"T"},{"id":"16","topic_id":"4","author":"Maks","content":"two","feed":"messages","created_at":"T"}]}`},
		{"DELETE /api/messages/15", "", 204, ""},
		{"DELETE /api/messages/15", "", 404, `{"error":"there is no such row"}`},
		{"GET /api/topics/4/messages?limit=1", "", 200, `{"total":2,"messages":[{"id":"16","topic_id":"4","author":"Maks","content":"two","feed":"messages","created_at":"T"}]}`},
		{"GET /api/topics/99/messages", "", 404, `{"error":"there is no such topic"}`},

		{"POST /api/projects", `{"name":"Moon"}`, 201, `{"id":"5","name":"Moon","archived":false,"created_at":"T"}`},
		{"PATCH /api/projects/5", `{"archived":true}`, 200, `{"id":"5","name":"Moon","archived":true,"created_at":"T"}`},
		{"PATCH /api/projects/5", `{"name":"Mars"}`, 200, `{"id":"5","name":"Mars","archived":true,"created_at":"T"}`},
		{"GET /api/projects/5", "", 200, `{"id":"5","name":"Mars","archived":true,"created_at":"T"}`},
		{"DELETE /api/projects/5", "", 204, ""},
		{"GET /api/projects/5", "", 404, `{"error":"there is no such row"}`},
		{"GET /api/projects", "", 200, `[{"id":"1","name":"Website","archived":false,"created_at":"T"},{"id":"2","name":"Launch","archived":false,"created_at":"T"},{"id":"3","name":"Import","archived":false,"created_at":"T"},{"id":"4","name":"Old intranet","archived":true,"created_at":"T"}]`},

		{"POST /api/proposals", `{"topic_id":"7","title":"Cake"}`, 201, `{"id":"6","topic_id":"7","title":"Cake","status":"pending","created_at":"T"}`},
		{"POST /api/proposals", `{"topic_id":7,"title":"Tea"}`, 201, `{"id":"7","topic_id":"7","title":"Tea","status":"pending","created_at":"T"}`},
		{"PATCH /api/proposals/6", `{"status":"approved"}`, 200, `{"id":"6","topic_id":"7","title":"Cake","status":"approved","created_at":"T"}`},
		{"PATCH /api/proposals/6", `{"status":"eaten"}`, 422, `{"error":"the value is not allowed: proposals_status_check"}`},
		{"GET /api/proposals", "", 200, `[{"id":"1","topic_id":"7","title":"Ship on a Tuesday","status":"pending","created_at":"T"},{"id":"2","topic_id":"7","title":"Ship on a Friday","status":"pending","created_at":"T"},{"id":"3","topic_id":"5","title":"Exports on a schedule","status":"pending","created_at":"T"},{"id":"4","topic_id":"3","title":"One transaction for each import","status":"approved","created_at":"T"},{"id":"5","topic_id":"2","title":"Rounder corners","status":"rejected","created_at":"T"},{"id":"6","topic_id":"7","title":"Cake","status":"approved","created_at":"T"},{"id":"7","topic_id":"7","title":"Tea","status":"pending","created_at":"T"}]`},

		{"POST /api/analysis/runs", `{"topic_id":"7"}`, 201, `{"id":"4","topic_id":"7","status":"running","error":null,"started_at":"T","finished_at":null}`},
		{"PATCH /api/analysis/runs/4", `{"status":"failed","error":"no disk"}`, 200, `{"id":"4","topic_id":"7","status":"failed","error":"no disk","started_at":"T","finished_at":"T"}`},
		{"PATCH /api/analysis/runs/3", `{"status":"completed"}`, 200, `{"id":"3","topic_id":"7","status":"completed","error":null,"started_at":"T","finished_at":"T"}`},
		{"PATCH /api/analysis/runs/3", `{"status":"running"}`, 422, `{"error":"status is completed or failed"}`},
		{"GET /api/analysis/runs/4", "", 200, `{"id":"4","topic_id":"7","status":"failed","error":"no disk","started_at":"T","finished_at":"T"}`},
		{"GET /api/analysis/runs", "", 200, `[{"id":"1","topic_id":"5","status":"completed","error":null,"started_at":"T","finished_at":"T"},{"id":"2","topic_id":"3","status":"failed","error":"out of memory","started_at":"T","finished_at":"T"},{"id":"3","topic_id":"7","status":"completed","error":null,"started_at":"T","finished_at":"T"},{"id":"4","topic_id":"7","status":"failed","error":"no disk","started_at":"T","finished_at":"T"}]`},

		{"POST /api/knowledge/atoms", `{"topic_id":"6","title":"Fsync","content":"Not a promise."}`, 201, `{"id":"4","topic_id":"6","title":"Fsync","content":"Not a promise.","created_at":"T"}`},
		{"PATCH /api/knowledge/atoms/4", `{"title":"fsync"}`, 200, `{"id":"4","topic_id":"6","title":"fsync","content":"Not a promise.","created_at":"T"}`},
		{"PATCH /api/knowledge/atoms/4", `{"content":"A promise."}`, 200, `{"id":"4","topic_id":"6","title":"fsync","content":"A promise.","created_at":"T"}`},
		{"GET /api/knowledge/atoms", "", 200, `[{"id":"1","topic_id":"6","title":"Outbox","content":"Write the event in the transaction that makes it true.","created_at":"T"},{"id":"2","topic_id":"6","title":"Snapshot","content":"Ids are handed out before commit: their order is not the order of commits.","created_at":"T"},{"id":"3","topic_id":"3","title":"Backfill","content":"Small batches, and a pause between them.","created_at":"T"},{"id":"4","topic_id":"6","title":"fsync","content":"A promise.","created_at":"T"}]`},
	} {
		w.ask(s.what, s.body).expect(t, s.what, s.status, s.want)
	}
}

func TestAPI_refuses(t *testing.T) {
	t.Parallel()
	w := setup(t)
	rows := value[int](w, "SELECT count(*) FROM messages")
	const messages = "POST /api/topics/7/messages"
	for _, s := range []step{
		{messages, `{"author":"Maks","content":" \n"}`, 422, `{"error":"content is blank"}`},
		{messages, `{"author":"Maks"}`, 422, `{"error":"content is blank"}`},
		{messages, `{"author":"Maks","content":"` + strings.Repeat("ї", 501) + `"}`, 422, `{"error":"content is longer than 500 characters"}`},
		{messages, `{"author":" ","content":"hi"}`, 422, `{"error":"author is blank"}`},
		{messages, `{"author":"Maks","content":"a NUL: \u0000"}`, 422, `{"error":"the value is not allowed"}`},
		{messages, `{"author":"Maks","content":"hi","topic_id":"1"}`, 400, `{"error":"the body: unknown field \"topic_id\""}`},
		{messages, `{"author":"Maks","content":"hi"}{}`, 400, `{"error":"the body: more than one value"}`},
		{messages, `hi`, 400, `{"error":"the body: invalid character 'h' looking for beginning of value"}`},
		{messages, `{"author":"Maks","content":"` + strings.Repeat("a", maxBody) + `"}`, 413, `{"error":"the body is larger than 65536 bytes"}`},
		{"POST /api/topics/99/messages", `{"author":"Maks","content":"hi"}`, 404, `{"error":"there is no such topic"}`},
		{"POST /api/topics/7'--/messages", `{"author":"Maks","content":"hi"}`, 400, `{"error":"\"7'--\" is no id"}`},
		{"POST /api/proposals", `{"topic_id":"8","title":"hi"}`, 404, `{"error":"there is no such public topic"}`},
		{"POST /api/proposals", `{"topic_id":"seven","title":"hi"}`, 400, `{"error":"the body: \"seven\" is no id"}`},
		{"GET /api/topics/7/messages?limit=0", "", 400, `{"error":"limit is 1 to 500"}`},
		{"PATCH /api/messages/99", `{"content":"hi"}`, 404, `{"error":"there is no such row"}`},
		{"POST /api/burst", `{"topic_id":"7","count":2001,"per_second":1,"author":"Maks"}`, 422, `{"error":"count is 1 to 2000, per_second 1 to 1000"}`},
		{"POST /api/burst", `{"topic_id":"7","count":1,"per_second":0,"author":"Maks"}`, 422, `{"error":"count is 1 to 2000, per_second 1 to 1000"}`},
		{"POST /api/burst", `{"topic_id":"99","count":1,"per_second":1,"author":"Maks"}`, 404, `{"error":"there is no such topic"}`},
	} {
		w.ask(s.what, s.body).expect(t, s.what, s.status, s.want)
	}
	w.ask("GET /api/topics", "", "X-Delay: 5001").expect(t, "X-Delay", 400, `{"error":"X-Delay is a number of milliseconds up to 5000"}`)
	w.ask(messages, `{"author":"Maks","content":"hi"}`, "X-Mutation-Id: "+strings.Repeat("m", 201)).
		expect(t, "X-Mutation-Id", 400, `{"error":"X-Mutation-Id is longer than 200"}`)
	if now := value[int](w, "SELECT count(*) FROM messages"); now != rows {
		t.Errorf("%d messages, there were %d", now, rows)
	}
}

func TestAPI_counts_characters_and_not_bytes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	if got := w.ask("POST /api/topics/7/messages", `{"author":"Maks","content":"`+strings.Repeat("ї", 500)+`"}`); got.status != http.StatusCreated {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestAPI_lets_no_other_origin_write(t *testing.T) {
	t.Parallel()
	w := setup(t)
	body := `{"author":"Maks","content":"hi"}`
	w.ask("POST http://demo/api/topics/7/messages", body, "Origin: http://elsewhere").
		expect(t, "elsewhere", 403, `{"error":"another origin may not write here"}`)
	for _, origin := range []string{"Origin: http://demo", "Sec-Fetch-Site: same-origin"} {
		if got := w.ask("POST http://demo/api/topics/7/messages", body, origin); got.status != http.StatusCreated {
			t.Errorf("%s: %d %s", origin, got.status, got.body)
		}
	}
}

func TestAPI_keeps_its_faults_to_itself(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec("DROP TABLE projects")
	w.ask("GET /api/projects", "").expect(t, "without the table", 500, `{"error":"something went wrong"}`)
	if !strings.Contains(w.log.String(), `relation \"projects\" does not exist`) {
		t.Errorf("the log lacks the cause:\n%s", w.log)
	}
}

// TestAPI_writes_nothing_for_who_has_gone holds a write up with a lock.
func TestAPI_writes_nothing_for_who_has_gone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec("BEGIN; LOCK TABLE projects")
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/projects", strings.NewReader(`{"name":"Moon"}`))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.api.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}()
	w.blocked("projects")
	cancel()
	<-ended
	w.exec("COMMIT")
	if n := value[int](w, "SELECT count(*) FROM projects WHERE name = 'Moon'"); n != 0 {
		t.Errorf("%d rows", n)
	}
	if w.log.String() != "" {
		t.Errorf("logged:\n%s", w.log)
	}
}

func TestAPI_says_how_long_the_commit_took(t *testing.T) {
	t.Parallel()
	w := setup(t)
	timing := w.ask("POST /api/topics/7/messages", `{"author":"Maks","content":"hi"}`).header.Get("Server-Timing")
	if !regexp.MustCompile(`^commit;dur=\d+\.\d{3}$`).MatchString(timing) || timing == "commit;dur=0.000" {
		t.Errorf("Server-Timing: %q", timing)
	}
	if timing := w.ask("GET /api/topics", "").header.Get("Server-Timing"); timing != "" {
		t.Errorf("a read has Server-Timing: %q", timing)
	}
}

func TestAPI_counts_each_clients_reads(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, what := range []string{"GET /api/topics", "GET /api/topics/7/messages", "GET /api/demo", "GET /api/requests", "POST /api/projects"} {
		w.ask(what, `{"name":"Moon"}`, "X-Client: olena")
	}
	w.ask("GET /api/projects/99", "", "X-Client: maks")
	w.ask("GET /api/topics", "")
	w.ask("GET /api/requests", "").expect(t, "counts", 200, `{"maks":1,"olena":2}`)
	w.ask("DELETE /api/requests/olena", "").expect(t, "reset", 204, "")
	w.ask("GET /api/requests", "").expect(t, "after the reset", 200, `{"maks":1}`)

	for range maxClients + 1 {
		w.api.requests.add(time.Now().String() + strings.Repeat("x", len(w.api.requests.of)))
	}
	if n := len(w.api.requests.of); n != maxClients {
		t.Errorf("%d names are remembered", n)
	}
	w.ask("GET /api/topics", "", "X-Client: maks")
	if n := w.api.requests.of["maks"]; n != 2 {
		t.Errorf("maks, known before, has %d", n)
	}
}

func TestAPI_keeps_answers_back(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		worked := time.Time{}
		h := New(Options{}).serve(func(*http.Request) (reply, error) {
			worked = time.Now()
			return reply{}, refusal{http.StatusUnprocessableEntity, "no"}
		})
		began := time.Now()
		ask(t, h, "GET /", "", "X-Delay: 150").expect(t, "delayed", 422, `{"error":"no"}`)
		if took := time.Since(began); took != 150*time.Millisecond || !worked.Equal(began) {
			t.Errorf("took %v, worked after %v", took, worked.Sub(began))
		}
	})
}
