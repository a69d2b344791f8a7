package ws

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// secret signs the tokens that the gate believes.
const secret = "of these thirty-two bytes nobody knows"

// issue makes a token: olena's, for an hour, but as the claims say.
func (w *world) issue(t *testing.T, claims jwt.MapClaims) string { return w.sign(t, secret, claims) }

// sign makes a token with any secret.
func (w *world) sign(t *testing.T, secret string, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"sub": "olena", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens = append(w.tokens, token)
	return token
}

// in is a claim of so long from now.
func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// application is the database that the gate asks.
type application struct {
	mu       sync.Mutex
	takes    time.Duration // to answer
	away     bool          // answers nothing but errors
	sessions map[string]string
	members  map[string][]string // of each topic; "*" is everybody
	asked    int
}

var errAway = errors.New("database is away")

// Authenticate implements auth.Database.
func (a *application) Authenticate(ctx context.Context, token string) ([]byte, error) {
	if err := a.wait(ctx); err != nil {
		return nil, err
	}
	if claims, ok := a.sessions[token]; ok {
		return []byte(claims), nil
	}
	return nil, nil
}

// Authorize implements auth.Database.
func (a *application) Authorize(ctx context.Context, topic string, claims []byte) (bool, error) {
	if err := a.wait(ctx); err != nil {
		return false, err
	}
	var who struct{ Sub string }
	if err := json.Unmarshal(claims, &who); err != nil {
		return false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.members[topic], who.Sub) || slices.Contains(a.members[topic], "*"), nil
}

func (a *application) wait(ctx context.Context) error {
	a.mu.Lock()
	a.asked++
	takes, away := a.takes, a.away
	a.mu.Unlock()
	if away {
		return errAway
	}
	select {
	case <-time.After(takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// change changes the application.
func (a *application) change(how func(a *application)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how(a)
}

// chat is an application with two people and a public topic.
func chat() *application {
	return &application{members: map[string][]string{
		"private": {"olena"},
		"other":   {"olena", "maks"},
		"public":  {"*"},
	}}
}

// guarded asks clients for tokens, and the application who may join what.
func guarded(app *application) setting {
	return func(_ *rooms.Options, a *auth.Options, _ *Options) {
		a.Mode, a.JWT.Secret = auth.JWT, secret
		a.Authorize, a.Database = true, app
	}
}

// change publishes a change of access.
func (w *world) change(topic string, access rooms.Access) {
	access.At = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hub.Publish(rooms.Batch{
		Items:    []rooms.Item{{Topics: []string{topic}, Access: &access, XID: w.xid}},
		Snapshot: snapshot.New(w.xid + 1),
	})
}

// signedIn connects at the library level with a token in the handshake.
func (w *world) signedIn(t *testing.T, claims jwt.MapClaims) *client {
	t.Helper()
	c := w.connect(t, "/ws", library, "bearer."+w.issue(t, claims))
	c.expect("$welcome")
	return c
}

// expectRefused reads an $error of the code and the close frame.
func (c *client) expectRefused(code rooms.Code, with websocket.StatusCode) frame {
	c.t.Helper()
	f := c.expect("$error")
	if f.Payload.Code != string(code) {
		c.t.Fatalf("want %s, got %s", code, f.raw)
	}
	c.expectClose(with)
	return f
}
