package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"

	"rowcast/config"
	"rowcast/rooms/auth"
)

func newToken() *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "token --sub SUBJECT",
		Short: "Print a token, for development",
		Long: `token prints a JWT signed with auth.jwt.secret, as the daemon with the same
settings takes it: with its issuer, its audience and its names of claims. Whoever
has it is that subject until it runs out.`,
		Example: `  rowcast token --sub maks --topics topic_7,user_maks
  rowcast token --sub olena --claim role=admin --claim 'teams=[3,4]' --ttl 5m
  rowcast token --sub maks --ttl=-1m        # one that has run out`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.subject, "sub", "", "the `subject`: whose token it is")
	f.StringSliceVar(&o.topics, "topics", nil, "the topics it opens, or `patterns` with * (default: none are named)")
	f.StringArrayVar(&o.claims, "claim", nil, "one more claim, `name=value`; a value that is JSON is taken as such")
	f.DurationVar(&o.life, "ttl", time.Hour, "how long it is good")
	load := settings(cmd, "auth.jwt.secret", "auth.jwt.issuer", "auth.jwt.audience", "auth.topics_claim", "auth.subject_claim")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		token, err := o.sign(c.Auth, time.Now())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
		return err
	}
	return cmd
}

// tokenOptions are what a token shall say.
type tokenOptions struct {
	subject string
	topics  []string
	claims  []string
	life    time.Duration
}

// sign makes the token that a daemon with these settings takes.
func (o tokenOptions) sign(c config.Auth, now time.Time) (string, error) {
	if o.subject == "" {
		return "", usageError("--sub is missing: whose token it is")
	}
	if err := signable(c); err != nil {
		return "", err
	}
	claims := jwt.MapClaims{
		c.SubjectClaim: o.subject,
		"iat":          now.Unix(),
		"exp":          now.Add(o.life).Unix(),
	}
	if c.JWT.Issuer != "" {
		claims["iss"] = c.JWT.Issuer
	}
	if c.JWT.Audience != "" {
		claims["aud"] = c.JWT.Audience
	}
	if o.topics != nil {
		claims[c.TopicsClaim] = o.topics
	}
	for _, claim := range o.claims { // last: they may say otherwise
		name, value, ok := strings.Cut(claim, "=")
		switch {
		case !ok || name == "":
			return "", usageError("--claim must be name=value")
		case json.Valid([]byte(value)):
			claims[name] = json.RawMessage(value)
		default:
			claims[name] = value
		}
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(c.JWT.Secret))
}

// signable says why we cannot sign what the daemon verifies.
func signable(c config.Auth) error {
	switch {
	case c.Mode == string(auth.SQL):
		return config.Faults{"auth.mode: is sql, where the application makes the tokens: its sessions"}
	case c.JWT.PublicKey != "":
		return config.Faults{"auth.jwt.public_key: verifies tokens; only the issuer, who has the private key, can make them"}
	case c.JWT.JWKSURL != "":
		return config.Faults{"auth.jwt.jwks_url: verifies tokens; only the issuer, who has the private keys, can make them"}
	case c.JWT.Secret == "":
		return config.Faults{"auth.jwt.secret: is missing: use ROWCAST_AUTH_JWT_SECRET or a file"}
	case len(c.JWT.Secret) < auth.MinSecret:
		return config.Faults{fmt.Sprintf("auth.jwt.secret: must be at least %d bytes (got %d)", auth.MinSecret, len(c.JWT.Secret))}
	}
	return nil
}
