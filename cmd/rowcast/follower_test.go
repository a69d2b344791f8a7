package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// A daemon that breaks the connection in the worst moments: what it repeats is
// shown once, and no cursor from within an unfinished replay is taken over.
func TestFollower(t *testing.T) {
	t.Parallel()
	event := func(n int) string {
		return fmt.Sprintf(`{"type":"message_created","topics":["x"],"payload":{},"id":"e.%d","cursor":"c%d"}`, n, n)
	}
	joined := func(cursor string) string {
		return fmt.Sprintf(`{"type":"$joined","ref":1,"payload":{"topics":["x"],"cursor":%q}}`, cursor)
	}
	lives := []struct {
		since string
		send  []string
		end   websocket.StatusCode
	}{
		{"", []string{joined("c0"), event(1)}, websocket.StatusServiceRestart},
		{"c1", []string{event(1), event(2)}, websocket.StatusTryAgainLater}, // before its $joined
		{"c1", []string{event(1), event(2), joined("c2"), `{"type":"$ping","payload":{"cursor":"c3"}}`, `{"type":"$news","payload":{}}`}, 4408},
		{"c3", []string{joined("c3"), `{"type":"$resync","payload":{"topics":["x"],"reason":"bulk"}}`}, 4403},
	}
	life := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"rowcast.v1"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow() //nolint:errcheck // it is closed below
		l := lives[life]
		life++
		send := func(text string) {
			if err := conn.Write(r.Context(), websocket.MessageText, []byte(text)); err != nil {
				t.Errorf("life %d: %v", life, err)
			}
		}
		send(`{"type":"$welcome","payload":{"heartbeat_ms":25000,"cursor":"never"}}`)
		_, request, err := conn.Read(r.Context())
		var join struct{ Since string }
		if err != nil || json.Unmarshal(request, &join) != nil || join.Since != l.since {
			t.Errorf("life %d: asked for %s, %v; want since %q", life, request, err, l.since)
		}
		for _, text := range l.send {
			send(text)
		}
		if err := conn.Close(l.end, ""); err != nil {
			t.Errorf("life %d: %v", life, err)
		}
	}))
	defer server.Close()

	var shown []string
	f := &follower{
		url: server.URL, topics: []string{"x"}, notice: func(string) {},
		show: func(e frame) error { shown = append(shown, e.Type+e.ID); return nil },
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.run(ctx); err == nil || !strings.Contains(err.Error(), "4403") {
		t.Errorf("run: %v, want the end that no new connection mends", err)
	}
	if want := []string{"message_createde.1", "message_createde.2", "$resync"}; !reflect.DeepEqual(shown, want) {
		t.Errorf("shown %v, want %v", shown, want)
	}
}

func TestFollowerIsDenied(t *testing.T) {
	t.Parallel()
	f := &follower{topics: []string{"a", "b"}, notice: func(string) {}}
	var c control
	if err := json.Unmarshal([]byte(`{"topics":["a"],"denied":{"b":{"code":"forbidden","message":"no"}},"cursor":"x"}`), &c); err != nil {
		t.Fatal(err)
	}
	if err := f.welcomed(c); err != nil || f.cursor != "x" {
		t.Errorf("one of two denied: %v, cursor %q", err, f.cursor)
	}
	f.topics, c.Topics = []string{"b", "b"}, nil
	if err := f.welcomed(c); err == nil || !strings.Contains(err.Error(), `join "b": no (forbidden)`) {
		t.Errorf("all denied: %v", err)
	}
}
