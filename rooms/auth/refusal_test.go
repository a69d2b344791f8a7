package auth

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rowcast/rooms"
)

// lines is a log whose lines have no time.
func lines(to *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestRefusals_log(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		g := gate(t, Options{Limits: Limits{Connections: 1}, Logger: lines(&log)})
		if _, refused := g.Enter(request("a.example")); refused != nil {
			t.Fatal(refused)
		}
		storm := func(n int) {
			for range n {
				_, _ = g.Enter(request("a.example"))
			}
		}
		said := func(want ...string) {
			t.Helper()
			if got := log.String(); got != strings.Join(want, "") {
				t.Errorf("log:\n%s\nwant:\n%s", got, strings.Join(want, ""))
			}
			log.Reset()
		}
		full := "level=WARN msg=refused setting=limits.connections code=unavailable"
		storm(1)
		said(full + "\n")
		storm(500)
		said()
		_ = g.Check(request("a.example", "Origin", "http://other.example"))
		said("level=WARN msg=refused setting=http.allowed_origins code=forbidden origin=http://other.example\n")
		<-time.After(quiet - 1)
		storm(1)
		said()
		<-time.After(1)
		storm(3)
		said(full + " left_out=501\n")
		<-time.After(time.Hour)
		storm(1)
		said(full + " left_out=2\n")
		<-time.After(time.Hour)
		storm(1)
		said(full + "\n")
		if n := g.Stats().Refused["limits.connections"]; n != 507 {
			t.Errorf("%d counted, want 507", n)
		}
	})
}

// What a stranger sends comes into the log only as what it should be.
func TestRefusals_say_nothing_foreign(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	app := &application{sessions: map[string]string{"s3cret": `["s3cret claims"]`}}
	g := open(t, app, func(o *Options) { o.Logger = lines(&log); o.Authorize = false; o.Limits.Topics = 1 })
	for _, origin := range []string{"s3cret", "http://s3cret@a.example", "http://a.example/s3cret?s3cret#s3cret", "http://" + strings.Repeat("s3cret.", 1000), "http://s3cret\x00", strings.Repeat("s3cret", 1000) + "://a"} {
		g.refusals.of = map[cause]*tally{} // no line is left out
		_ = g.Check(request("b.example", "Origin", origin))
	}
	for _, token := range []string{"s3cret", "s3cret-unknown"} {
		_, _ = g.Authenticate(t.Context(), token)
	}
	g.Judge(t.Context(), identity(t, `{"sub":"s3cret","topics":["s3cret"]}`), []string{"s3cret s3cret", "s3cret_1", "s3cret_2"}, nil)
	if s := log.String(); strings.Contains(s, "s3cret") || strings.Count(s, "\n") < 9 {
		t.Errorf("the log:\n%s", s)
	}
}

func TestRefusals_counts(t *testing.T) {
	t.Parallel()
	g := open(t, newApplication(), func(o *Options) { o.Limits.Topics = 3 })
	g.Judge(t.Context(), identity(t, `{"sub":"u","topics":["a","z"]}`), []string{"*", "a", "b", "z", "y", "x"}, nil)
	if _, refused := g.Authenticate(t.Context(), "x"); refused == nil {
		t.Fatal("let in")
	}
	if refused := g.Refuse("limits.frame_bytes", rooms.TooLarge, "too large"); *refused != (Refusal{rooms.TooLarge, "too large"}) {
		t.Errorf("%+v", refused)
	}
	s := g.Stats()
	for setting, want := range map[string]uint64{
		"auth.topics_claim": 1, "auth.authorize": 1, "limits.topics_per_connection": 2, "auth.authenticate": 1, "limits.frame_bytes": 1,
	} {
		if s.Refused[setting] != want {
			t.Errorf("%s: %d refused, want %d", setting, s.Refused[setting], want)
		}
	}
	for code, want := range map[rooms.Code]uint64{rooms.BadTopic: 1, rooms.Forbidden: 2, rooms.TooManyTopics: 2} {
		if s.Denied[code] != want {
			t.Errorf("%s: %d denied, want %d", code, s.Denied[code], want)
		}
	}
}
