package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"rowcast/rooms"
)

// token returns the token that the request carries: as the subprotocol
// bearer.<token>, in the cookie, as Authorization: Bearer, or as ?token= where
// that is allowed. Check comes first: a cookie says something only if the page
// that had it sent may be here.
func (g *Gate) token(r *http.Request) (token string, found bool) {
	if g.Open() {
		return "", false
	}
	return carried(r, carriage{cookie: g.o.Cookie, query: g.o.QueryToken})
}

// nobody has no claims. The digest is that of no claims whatever: a token that
// says nothing of its bearer still was one, and what it opens is not for everyone.
var nobody = &Identity{Claims: json.RawMessage("{}"), digest: sha256.Sum256(nil)}

// Anonymous is who brings no token; nil where nobody comes in without one.
func (g *Gate) Anonymous() *Identity { return g.anonymous }

// Identify says who sent the request: the bearer of the token that it carries,
// or nobody in particular where they may come in. Neither an Identity nor a
// Refusal: it carries none, and who does not say who they are stays outside.
func (g *Gate) Identify(ctx context.Context, r *http.Request) (*Identity, *Refusal) {
	if token, found := g.token(r); found {
		return g.Authenticate(ctx, token)
	}
	return g.Anonymous(), nil
}

// Unidentified refuses who does not say who they are. The setting is the one that
// they did not meet: auth.mode, or limits.handshake_timeout when they said nothing.
func (g *Gate) Unidentified(setting string) *Refusal {
	return g.Refuse(setting, rooms.Unauthenticated, "a token is required")
}

// Authenticate says whose token it is. It may wait, for keys or the database, as
// long as ctx allows.
func (g *Gate) Authenticate(ctx context.Context, token string) (*Identity, *Refusal) {
	switch g.o.Mode {
	case JWT:
		id, refused, setting := g.tokens.verify(ctx, token)
		if refused != nil {
			g.refusals.add(setting, refused.Code)
		}
		return id, refused
	case SQL:
		id, refused := g.session(ctx, token)
		if refused != nil && refused.Code != rooms.Unavailable { // which was noted with its cause
			g.refusals.add("auth.authenticate", refused.Code)
		}
		return id, refused
	}
	return g.anonymous, nil
}

// session asks the database whose token it is. The answer is kept nowhere, and
// nobody shares it: a session ends when the application says so.
func (g *Gate) session(ctx context.Context, token string) (*Identity, *Refusal) {
	unknown, expired, later := badToken, expiredToken, Refusal{rooms.Unavailable, "sessions cannot be looked up now"}
	// What no text of Postgres holds is nobody's token.
	if token == "" || len(token) > maxToken || !utf8.ValidString(token) || strings.ContainsRune(token, 0) {
		return nil, &unknown
	}
	begin := time.Now()
	claims, err := g.claims(ctx, token)
	switch {
	case err != nil:
		return nil, &later
	case claims == nil:
		return nil, &unknown
	}
	id, err := newIdentity(claims, g.names)
	switch {
	case err != nil:
		g.refusals.add("auth.authenticate", rooms.Internal, slog.Any("err", err))
		return nil, &later
	case !id.Expires.IsZero() && !begin.Before(id.Expires):
		return nil, &expired
	}
	if id.Issued.IsZero() {
		id.Issued = begin.Add(-g.o.JWT.Leeway) // by the database's clock, which may be behind
	}
	return id, nil
}

// claims waits for a turn to ask, and for the answer. All such questions stand
// in one line: who tries tokens delays nobody's join.
func (g *Gate) claims(ctx context.Context, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, g.o.Timeout)
	defer cancel()
	var claims []byte
	answered := make(chan error, 1)
	g.questions.put(question{
		ask: func(running context.Context) (err error) {
			if ctx.Err() != nil {
				return nil // the asker left
			}
			running, cancel := context.WithCancel(running)
			defer cancel()
			defer context.AfterFunc(ctx, cancel)() // nobody else waits for it
			claims, err = g.o.Database.Authenticate(running, token)
			if err != nil && ctx.Err() == nil {
				g.failed("auth.authenticate", err)
			}
			answered <- err
			return err
		},
		drop: func(err error) {
			g.failed("auth.connections", err)
			answered <- err
		},
	})
	select {
	case err := <-answered:
		return claims, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
