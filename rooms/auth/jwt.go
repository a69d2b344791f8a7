package auth

import (
	"context"
	"log/slog"
	"time"

	"rowcast/rooms"
)

// maxToken is the longest token that is read.
const maxToken = 16 << 10

// JWTOptions say which tokens are believed. Exactly one of Secret, PublicKey and
// JWKSURL is set.
type JWTOptions struct {
	Secret    string        // of HS256, HS384 and HS512, at least 32 bytes
	PublicKey string        // PEM, or the path of a file with it
	JWKSURL   string        // where the keys are published (RFC 7517)
	Issuer    string        // what iss must be; "": not looked at
	Audience  string        // what must be among aud; "": not looked at
	Leeway    time.Duration // how far the issuer's clock may be off
}

// What a token that is not believed is answered, whatever is wrong with it.
var (
	badToken     = Refusal{Code: "unauthenticated", Message: "token is not valid"}
	expiredToken = Refusal{Code: "token_expired", Message: "token is expired"}
	noKeys       = Refusal{Code: rooms.Unavailable, Message: "tokens cannot be verified now"}
)

// verifier verifies JWTs.
type verifier struct {
	names claimNames
}

func newVerifier(o JWTOptions, names claimNames, log *slog.Logger) (*verifier, error) {
	return &verifier{names: names}, nil
}

// run keeps the keys fresh until ctx ends; it returns when all it started has
// ended.
func (v *verifier) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// verify says whose the token is. It may wait for keys as long as ctx allows.
func (v *verifier) verify(ctx context.Context, token string) (*Identity, *Refusal) {
	refusal := badToken
	return nil, &refusal
}
