package auth

import (
	"context"
	"net/http"
)

// Identify says who sent the request: the bearer of the token that it carries,
// or nobody in particular where they may come in. Neither an Identity nor a
// Refusal: it carries none, and who does not say who they are stays outside.
func (g *Gate) Identify(ctx context.Context, r *http.Request) (*Identity, *Refusal) {
	if token, found := g.Token(r); found {
		return g.Authenticate(ctx, token)
	}
	return g.Anonymous(), nil
}
