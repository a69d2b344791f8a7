package ws

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

var update = flag.Bool("update", false, "write the golden frames")

// golden is where the frames are kept that clients' tests read too.
const golden = "../testdata/frames"

// chance stands in golden frames for what differs from run to run.
var chance = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`"session":"[A-Z2-7]{12}"`), `"session":"SESSION"`},
	{regexp.MustCompile(`"retry_after_ms":\d+`), `"retry_after_ms":1400`},
}

// TestGolden compares the control frames of a real session with files.
func TestGolden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, func(_ *rooms.Options, _ *auth.Options, o *Options) {
			o.Schema = func() string { return "5f0c2f6e1b7a" }
		})
		c := w.connect(t, "/ws", library)
		next := func(name string) { t.Helper(); c.compare(name) }
		since := w.hub.Cursor()
		next("welcome")
		c.send(`{"type":"auth","ref":1,"token":"x"}`)
		next("authed")
		c.send(`{"type":"join","ref":2,"topics":["topic_7"]}`)
		next("joined")
		c.send(`{"type":"join","ref":"r","topics":["topic_8","bad topic"]}`)
		next("joined_denied")
		c.expectEvent(w.publish("topic_7"))
		c.expectEvent(w.publish("topic_7"))
		c.send(`{"type":"join","ref":3,"topics":["topic_7"],"since":%q}`, since)
		c.expect("test_created")
		c.expect("test_created")
		next("joined_recovered")
		c.send(`{"type":"join","ref":4,"topics":["topic_7"],"since":"foreign"}`)
		next("joined_lost")
		next("resync_cursor_foreign")
		c.send(`{"type":"leave","ref":5,"topics":["topic_7"]}`)
		next("left")
		c.send(`{"type":"ping","ref":6}`)
		next("pong")
		c.send(`{"type":"join","ref":7}`)
		next("error")
		w.hub.Publish(rooms.Batch{Items: []rooms.Item{{Topics: []string{"topic_*"}, Reason: rooms.Bulk, XID: w.xid}}})
		next("resync_bulk")
		next("ping")
		if err := w.handler.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		next("bye")
		c.expectClose(websocket.StatusServiceRestart)
	})
	w := setup(t)
	compare(t, "error_bad_topic", w.connect(t, "/ws?topics=a%20b").expect("$error").raw)
}

// TestGolden_identity does so in one where tokens count.
func TestGolden_identity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := chat()
		app.members["topic_7"] = []string{"olena"}
		w := inMemory(t, guarded(app))
		c := w.connect(t, "/ws", library)
		c.send(`{"type":"auth","ref":1,"token":%q}`, w.issue(t, nil))
		c.compare("authed_expires")
		c.expect("$welcome")
		c.join("topic_7")
		w.revoke(app, "topic_7")
		c.compare("left_revoked")
		c.send(`{"type":"join","ref":2,"topics":["topic_7"]}`)
		c.compare("joined_forbidden")
		c.send(`{"type":"auth","ref":3,"token":"x"}`)
		c.compare("error_unauthenticated")
		<-time.After(59 * time.Minute)
		for f := range c.frames {
			if f.Type == "$token_expiring" {
				compare(t, "token_expiring", f.raw)
				break
			}
		}
		<-time.After(time.Minute)
		for f := range c.frames {
			if f.Type == "$error" {
				compare(t, "error_token_expired", f.raw)
			}
		}
		c.expectClose(closeUnauthenticated)
	})
}

// compare reads the next frame and compares it with a file.
func (c *client) compare(name string) {
	c.t.Helper()
	select {
	case f := <-c.frames:
		compare(c.t, name, f.raw)
	case <-time.After(time.Minute):
		c.t.Fatal("no frame in a minute")
	}
}

func compare(t *testing.T, name, frame string) {
	t.Helper()
	for _, c := range chance {
		frame = c.pattern.ReplaceAllString(frame, c.instead)
	}
	file := filepath.Join(golden, name+".json")
	if *update {
		if err := os.WriteFile(file, []byte(frame+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(fmt.Errorf("%w (-update writes it)", err))
	}
	if frame+"\n" != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, frame, want)
	}
}
