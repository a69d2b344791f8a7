package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"

	"rowcast/internal/pgtemp/pgtest"
)

// dev is a running rowcast dev.
type dev struct {
	*process
	page string // its URL
	psql string // the line to paste
}

func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	d := &dev{process: start(t, append(args, "--addr=127.0.0.1:0")...)}
	d.page = strings.TrimSpace(d.stdout.wait(t, "http://"))
	d.psql = strings.TrimSpace(d.stdout.wait(t, "psql "))
	d.stdout.wait(t, "Ctrl-C")
	return d
}

// passableDir is a folder that the server can reach when root tests and it runs
// as somebody else; those of t.TempDir are root's alone.
func passableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rowcast-dev-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// paste does what a person does with the line.
func (d *dev) paste(t *testing.T) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", d.psql).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", d.psql, err, out)
	}
}

// database returns a connection to the demo's database.
func (d *dev) database(t *testing.T) *pgx.Conn {
	t.Helper()
	return pgtest.Connect(t, strings.Fields(d.psql)[1])
}

func TestDev_shows_a_pasted_row_on_two_sockets_and_removes_everything(t *testing.T) {
	t.Parallel()
	temp := passableDir(t)
	d := startDev(t, "TMPDIR="+temp, "dev")

	var sockets []*websocket.Conn
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ws, _, err := websocket.Dial(ctx, strings.Replace(d.page, "http", "ws", 1)+"ws?topics=topic_7", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.CloseNow()
		sockets = append(sockets, ws)
	}
	d.paste(t)
	for _, ws := range sockets {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, frame, err := ws.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Type    string
			Payload struct{ Message struct{ Content string } }
		}
		if err := json.Unmarshal(frame, &e); err != nil {
			t.Fatal(err)
		}
		if e.Type != "message_created" || e.Payload.Message.Content != "hello from psql" {
			t.Errorf("got %s", frame)
		}
		ws.CloseRead(t.Context()) // a browser goes on reading
	}

	pids := backends(t, d.database(t))
	d.signal(os.Interrupt.(syscall.Signal))
	if code := d.end(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, d.stderr)
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("server process %d: %v", pid, err)
		}
	}
}

// backends returns the process ids of a server, its workers included.
func backends(t *testing.T, conn *pgx.Conn) []int {
	t.Helper()
	rows, err := conn.Query(t.Context(), "SELECT pid FROM pg_stat_activity")
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func TestDev_takes_up_a_kept_cluster(t *testing.T) {
	t.Parallel()
	keep := filepath.Join(passableDir(t), "pg")
	for rows := 1; rows <= 2; rows++ {
		d := startDev(t, "dev", "--keep="+keep)
		d.paste(t)
		var pasted, seeds int
		err := d.database(t).QueryRow(t.Context(), "SELECT count(*) FILTER (WHERE content = 'hello from psql'), (SELECT count(*) FROM topics) FROM messages").Scan(&pasted, &seeds)
		if err != nil {
			t.Fatal(err)
		}
		if pasted != rows || seeds != 8 {
			t.Errorf("start %d: %d pasted rows, %d topics", rows, pasted, seeds)
		}
		d.signal(syscall.SIGTERM)
		if code := d.end(); code != exitDone {
			t.Errorf("exit code %d\n%s", code, d.stderr)
		}
	}
}

func TestDev_serves_the_page_and_says_what_to_paste(t *testing.T) {
	t.Parallel()
	d := startDev(t, "dev")
	for path, want := range map[string]string{"": "<title>rowcast</title>", "api/demo": d.psql} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.page+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		text := strings.ReplaceAll(string(body), `\"`, `"`)
		if response.StatusCode != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("/%s: status %d, %s", path, response.StatusCode, text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestDev_sends_each_row_that_the_API_answers_with writes through the API and
// reads what becomes of it on a socket.
func TestDev_sends_each_row_that_the_API_answers_with(t *testing.T) {
	t.Parallel()
	d := startDev(t, "dev")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	topics := "ws?topics=messages,projects,proposals,analysis,knowledge"
	ws, _, err := websocket.Dial(ctx, strings.Replace(d.page, "http", "ws", 1)+topics, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()

	for _, tt := range []struct{ request, body, row, events string }{
		{"POST api/topics/7/messages", `{"author":"Maks","content":"<hi>"}`, "message", "message_created"},
		{"PATCH api/messages/1", `{"content":"ho"}`, "message", "message_updated"},
		{"POST api/projects", `{"name":"Moon"}`, "project", "project_created"},
		{"PATCH api/projects/1", `{"archived":true}`, "project", "project_updated"},
		{"POST api/proposals", `{"topic_id":"7","title":"Cake"}`, "proposal", "proposal_created"},
		{"PATCH api/proposals/1", `{"status":"approved"}`, "proposal", "proposal_updated proposal_approved"},
		{"PATCH api/proposals/2", `{"status":"rejected"}`, "proposal", "proposal_updated proposal_rejected"},
		{"POST api/analysis/runs", `{"topic_id":"7"}`, "analysis_run", "analysis_run_created analysis_started"},
		{"PATCH api/analysis/runs/4", `{"status":"failed","error":"no disk"}`, "analysis_run", "analysis_run_updated analysis_failed"},
		{"PATCH api/analysis/runs/3", `{"status":"completed"}`, "analysis_run", "analysis_run_updated analysis_completed"},
		{"POST api/knowledge/atoms", `{"topic_id":"6","title":"Fsync","content":"A promise."}`, "knowledge", "knowledge_created"},
		{"PATCH api/knowledge/atoms/1", `{"title":"The outbox"}`, "knowledge", "knowledge_updated"},
	} {
		method, path, _ := strings.Cut(tt.request, " ")
		request, err := http.NewRequestWithContext(ctx, method, d.page+path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Mutation-Id", tt.request)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var row map[string]any
		if err := json.NewDecoder(response.Body).Decode(&row); err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()

		for want := range strings.FieldsSeq(tt.events) {
			_, frame, err := ws.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var e struct {
				Type       string
				MutationID string `json:"mutation_id"`
				Payload    map[string]any
			}
			if err := json.Unmarshal(frame, &e); err != nil {
				t.Fatal(err)
			}
			if e.Type != want || e.MutationID != tt.request || !reflect.DeepEqual(e.Payload[tt.row], any(row)) {
				t.Errorf("%s answered %v, and the event is %s", tt.request, row, frame)
			}
			if want == "analysis_failed" && (e.Payload["run_id"] != "4" || e.Payload["error"] != "no disk") {
				t.Errorf("got %s", frame)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestDev_lets_members_into_a_private_topic joins it as its owner, as somebody
// else and as nobody.
func TestDev_lets_members_into_a_private_topic(t *testing.T) {
	t.Parallel()
	d := startDev(t, "dev")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	join := func(protocols ...string) (*websocket.Conn, error) {
		ws, _, err := websocket.Dial(ctx, strings.Replace(d.page, "http", "ws", 1)+"ws?topics=topic_8", &websocket.DialOptions{Subprotocols: protocols})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = d.database(t).Exec(ctx, "INSERT INTO messages (topic_id, content) VALUES (8, 'a raise')"); err != nil {
			t.Fatal(err)
		}
		for {
			_, frame, err := ws.Read(ctx)
			if err != nil || strings.Contains(string(frame), "a raise") {
				return ws, err
			}
		}
	}
	for _, protocols := range [][]string{nil, {"rowcast.plain", "bearer." + d.logIn(t, "maks")}} {
		if ws, err := join(protocols...); websocket.CloseStatus(err) != 4403 {
			ws.CloseNow()
			t.Errorf("%s joined a private topic: %v", protocols, err)
		}
	}
	ws, err := join("rowcast.plain", "bearer."+d.logIn(t, "olena"))
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if _, err := d.database(t).Exec(ctx, "DELETE FROM memberships WHERE member = 'olena'"); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, _, err = ws.Read(ctx)
	}
	if websocket.CloseStatus(err) != 4403 {
		t.Errorf("her membership was deleted, and she got %v", err)
	}
}

// logIn returns a token of the demo.
func (d *dev) logIn(t *testing.T, user string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.page+"api/login", strings.NewReader(`{"user":"`+user+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	var answer struct{ Token string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Token
}

func TestDev_says_in_one_line_what_is_wrong(t *testing.T) {
	t.Parallel()
	var c net.ListenConfig
	taken, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for name, tt := range map[string]struct{ args, want string }{
		"binaries missing": {"--pg-bin=/nowhere --addr=127.0.0.1:0", "install it with"},
		"port taken":       {"--addr=" + taken.Addr().String(), "--addr: listen tcp"},
		"no address":       {"--addr=nonsense", "--addr"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, stderr, code := run(t, append([]string{"dev"}, strings.Fields(tt.args)...)...)
			if code != exitFailed || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d, said %q", code, stderr)
			}
		})
	}
}
