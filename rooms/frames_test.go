package rooms

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestFrames(t *testing.T) {
	t.Parallel()
	ref, at := json.RawMessage(`"r\"1"`), time.Date(2026, 11, 23, 1, 42, 55, 278e6, time.FixedZone("", 3600))
	tests := map[string]struct {
		frame []byte
		want  string
	}{
		"welcome": {
			WelcomeFrame(Welcome{Session: "s", Heartbeat: 25 * time.Second, Topics: 100, Cursor: "c"}),
			`{"type":"$welcome","payload":{"session":"s","protocol":"rowcast.v1","heartbeat_ms":25000,"limits":{"topics":100},"cursor":"c"}}`,
		},
		"authed":         {AuthedFrame(ref, 0), `{"type":"$authed","ref":"r\"1","payload":{}}`},
		"authed, exp":    {AuthedFrame(ref, 3600*time.Second), `{"type":"$authed","ref":"r\"1","payload":{"expires_in_ms":3600000}}`},
		"expiring":       {TokenExpiringFrame(time.Minute), `{"type":"$token_expiring","payload":{"in_ms":60000}}`},
		"joined":         {JoinedFrame([]byte("2"), Joined{Topics: []string{"a"}, Cursor: "c"}), `{"type":"$joined","ref":2,"payload":{"topics":["a"],"replayed":0,"cursor":"c"}}`},
		"joined none":    {JoinedFrame(nil, Joined{Denied: map[string]Denial{"\"\n": {Forbidden, "no <b>"}}, Recovered: new(false)}), `{"type":"$joined","payload":{"topics":[],"denied":{"\"\n":{"code":"forbidden","message":"no \u003cb\u003e"}},"replayed":0,"recovered":false,"cursor":""}}`},
		"left":           {LeftFrame([]byte("5"), []string{"a"}), `{"type":"$left","ref":5,"payload":{"topics":["a"]}}`},
		"left, revoked":  {RevokedFrame([]string{"a"}), `{"type":"$left","payload":{"topics":["a"],"code":"revoked"}}`},
		"error":          {ErrorFrame([]byte("2"), BadFrame, "what"), `{"type":"$error","ref":2,"payload":{"code":"bad_frame","message":"what"}}`},
		"error, bad ref": {ErrorFrame([]byte(`{`), BadFrame, "what"), `{"type":"$error","payload":{"code":"bad_frame","message":"what"}}`},
		"ping":           {PingFrame("c", at), `{"type":"$ping","payload":{"cursor":"c","at":"2026-11-23T00:42:55.278Z"}}`},
		"pong":           {PongFrame([]byte("6"), at), `{"type":"$pong","ref":6,"payload":{"at":"2026-11-23T00:42:55.278Z"}}`},
		"resync":         {ResyncFrame([]string{"a"}, Bulk, 3*time.Second, "c"), `{"type":"$resync","payload":{"topics":["a"],"reason":"bulk","spread_ms":3000,"cursor":"c"}}`},
		"bye":            {ByeFrame(1012, true, 1400*time.Millisecond), `{"type":"$bye","payload":{"code":1012,"reconnect":true,"retry_after_ms":1400}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := strings.ReplaceAll(test.want, "\n", `\n`)
			if string(test.frame) != want {
				t.Errorf("\n got %s\nwant %s", test.frame, want)
			}
		})
	}
}
