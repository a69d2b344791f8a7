package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

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

// What the bearer of a token is told that is not believed: not what is wrong
// with it, but whether to bring a fresh one or to come later.
var (
	badToken     = Refusal{Code: rooms.Unauthenticated, Message: "token is not valid"}
	expiredToken = Refusal{Code: rooms.TokenExpired, Message: "token is expired"}
	noKeys       = Refusal{Code: rooms.Unavailable, Message: "tokens cannot be verified now"}
)

// errNoKeys: nobody can say whether the signature is good.
var errNoKeys = errors.New("no keys")

// keys hold what signatures are verified with.
type keys interface {
	methods() []string
	key(ctx context.Context, t *jwt.Token) (any, error) // of one of the methods
	run(ctx context.Context)
	setting() string
}

// fixedKey is one that the settings hold. Whatever kid a token names, it is meant.
type fixedKey struct {
	k  any
	of string // the setting
}

func (f fixedKey) methods() []string                            { return methods(f.k) }
func (f fixedKey) key(context.Context, *jwt.Token) (any, error) { return f.k, nil }
func (f fixedKey) run(ctx context.Context)                      { <-ctx.Done() }
func (f fixedKey) setting() string                              { return f.of }

// verifier verifies JWTs (RFC 7519), as RFC 8725 asks.
type verifier struct {
	keys   keys
	parser *jwt.Parser
	leeway time.Duration
	names  claimNames
}

// newVerifier fails on keys that are none.
func newVerifier(o JWTOptions, names claimNames, log *slog.Logger) (*verifier, error) {
	k, err := newKeys(o, log)
	if err != nil {
		return nil, err
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(k.methods()),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), // one from the future is refused
		jwt.WithIssuer(o.Issuer),
		jwt.WithLeeway(o.Leeway),
	}
	if o.Audience != "" {
		options = append(options, jwt.WithAudience(o.Audience))
	}
	return &verifier{keys: k, parser: jwt.NewParser(options...), leeway: o.Leeway, names: names}, nil
}

func newKeys(o JWTOptions, log *slog.Logger) (keys, error) {
	given := slices.DeleteFunc([]string{o.Secret, o.PublicKey, o.JWKSURL}, func(s string) bool { return s == "" })
	switch {
	case len(given) != 1:
		return nil, fmt.Errorf("auth.jwt: must have exactly one of secret, public_key and jwks_url (got %d of them)", len(given))
	case o.Secret != "":
		if len(o.Secret) < MinSecret {
			return nil, fmt.Errorf("auth.jwt.secret: must be at least %d bytes (got %d)", MinSecret, len(o.Secret))
		}
		return fixedKey{[]byte(o.Secret), "auth.jwt.secret"}, nil
	case o.PublicKey != "":
		k, err := publicKey(o.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("auth.jwt.public_key: %w", err)
		}
		return fixedKey{k, "auth.jwt.public_key"}, nil
	default:
		k, err := newJWKS(o.JWKSURL, log)
		if err != nil {
			return nil, fmt.Errorf("auth.jwt.jwks_url: %w", err)
		}
		return k, nil
	}
}

// run keeps the keys fresh until ctx ends; it returns when all it started has
// ended.
func (v *verifier) run(ctx context.Context) error {
	v.keys.run(ctx)
	return nil
}

// verify says whose the token is, or why not, and by which setting. It may wait
// for keys as long as ctx allows. The error of the library, which quotes the
// token, goes no further.
func (v *verifier) verify(ctx context.Context, token string) (id *Identity, refused *Refusal, setting string) {
	id, err := v.identify(ctx, token)
	var refusal Refusal
	switch {
	case err == nil:
		return id, nil, ""
	case errors.Is(err, errNoKeys):
		refusal = noKeys
	case errors.Is(err, jwt.ErrTokenExpired):
		refusal = expiredToken
	default:
		refusal = badToken
	}
	return nil, &refusal, v.setting(err)
}

// setting is the one that a token does not meet.
func (v *verifier) setting(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable), errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return v.keys.setting()
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return "auth.jwt.issuer"
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return "auth.jwt.audience"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "auth.jwt.leeway"
	}
	return "auth.jwt"
}

func (v *verifier) identify(ctx context.Context, token string) (*Identity, error) {
	// base64 decoders skip line ends: a token would have many spellings.
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return nil, jwt.ErrTokenMalformed
	}
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical {
			return nil, jwt.ErrTokenUnverifiable // RFC 7515 section 4.1.11: we understand no extension
		}
		return v.keys.key(ctx, t)
	})
	if err != nil {
		return nil, err
	}
	id, err := identityOf(c.MapClaims, v.names)
	if err != nil {
		return nil, err
	}
	if !time.Now().Before(id.Expires) { // let in by the leeway: so it may stay for as long
		id.Expires = id.Expires.Add(v.leeway)
	}
	return id, nil
}

// claims are those of a token, read as all claims are.
type claims struct{ jwt.MapClaims }

// UnmarshalJSON reads the claims.
func (c *claims) UnmarshalJSON(b []byte) (err error) {
	c.MapClaims, err = readClaims(b)
	return err
}

// GetExpirationTime returns exp. The dates are ours to read: those of MapClaims
// wrap around when they are far away.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.date("exp") }

// GetNotBefore returns nbf.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

// GetIssuedAt returns iat.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

func (c *claims) date(name string) (*jwt.NumericDate, error) {
	at, err := date(c.MapClaims, name)
	if err != nil || at.IsZero() {
		return nil, err
	}
	return &jwt.NumericDate{Time: at}, nil
}
