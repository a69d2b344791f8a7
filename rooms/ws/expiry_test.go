package ws

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rowcast/rooms"
)

// TestExpiry: at its end a token ends every connection, told before where there
// is a client library.
func TestExpiry(t *testing.T) {
	t.Parallel()
	t.Run("library", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, guarded(chat()))
			begin := time.Now()
			c := w.signedIn(t, nil)
			c.join("private")
			if f := c.expectAfter("$token_expiring", 59*time.Minute, begin); f.Payload.In != 60_000 {
				t.Fatal(f.raw)
			}
			c.expectEvent(w.publish("private"))
			c.expectAfter("$error", time.Hour, begin)
			c.expectClose(closeUnauthenticated)
		})
	})
	t.Run("less than two minutes left", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, guarded(chat()))
			c := w.signedIn(t, jwt.MapClaims{"exp": in(20 * time.Second)})
			if f := c.expect("$token_expiring"); f.Payload.In != 10_000 {
				t.Fatal(f.raw)
			}
			c.send(`{"type":"auth","token":%q}`, w.issue(t, jwt.MapClaims{"exp": in(16 * time.Second)}))
			if f := c.expect("$authed"); *f.Payload.Expires != 16_000 {
				t.Fatal(f.raw)
			}
			if f := c.expect("$token_expiring"); f.Payload.In != 8_000 {
				t.Fatal(f.raw)
			}
			c.expectRefused(rooms.TokenExpired, closeUnauthenticated)
		})
	})
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inMemory(t, guarded(chat()))
			begin := time.Now()
			c := w.connect(t, "/ws?topics=private", "bearer."+w.issue(t, nil), plain)
			c.expectAfter("$error", time.Hour, begin)
			c.expectClose(closeUnauthenticated)
		})
	})
	t.Run("while a join waits for the application", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			app := chat()
			w := inMemory(t, guarded(app))
			c := w.signedIn(t, jwt.MapClaims{"exp": in(2 * time.Second)})
			c.expect("$token_expiring") // a second before its end
			app.change(func(a *application) { a.takes = 3 * time.Second })
			begin := time.Now()
			c.send(`{"type":"join","topics":["private"]}`)
			c.expectAfter("$error", time.Second, begin)
			c.expectClose(closeUnauthenticated)
		})
	})
}

// expectAfter reads the next frame, which must come so long after begin.
func (c *client) expectAfter(kind string, after time.Duration, begin time.Time) frame {
	c.t.Helper()
	for { // receive is impatient
		select {
		case f, ok := <-c.frames:
			if ok && f.Type == "$ping" {
				continue
			}
			if d := time.Since(begin); f.Type != kind || d != after {
				c.t.Fatalf("%s after %v, %v", f.raw, d, c.err)
			}
			return f
		case <-time.After(24 * time.Hour):
			c.t.Fatalf("no %s in a day", kind)
		}
	}
}
