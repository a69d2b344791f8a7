package chat

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
)

// tokenLife is how long a login lasts. The page asks for a new one in time.
const tokenLife = 15 * time.Minute

// login answers with a token for whoever is named: this is a demo, and asks for
// no password. The daemon takes the token, and the API itself.
func (a *API) login(r *http.Request) (reply, error) {
	var in struct{ User string }
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	user, err := one[struct{ ID string }](r.Context(), a.db, "SELECT id FROM users WHERE id = $1", in.User)
	if errors.Is(err, pgx.ErrNoRows) {
		err = refusal{http.StatusNotFound, "there is no such user"}
	}
	if err != nil {
		return reply{}, err
	}
	now := time.Now()
	claims := jwt.RegisteredClaims{
		Subject:   user.ID,
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(tokenLife)),
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(a.secret)
	return reply{body: struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires"`
	}{token, claims.ExpiresAt.UTC()}}, err
}

// claims are those of the request's token, as can_join takes them: {} without one.
func (a *API) claims(r *http.Request) (json.RawMessage, error) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return json.RawMessage("{}"), nil
	}
	claims := jwt.MapClaims{}
	key := func(*jwt.Token) (any, error) { return a.secret, nil }
	_, err := jwt.ParseWithClaims(token, claims, key, jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	if err != nil {
		return nil, refusal{http.StatusUnauthorized, "the token is none, or has run out"}
	}
	return json.Marshal(claims)
}

func (a *API) pathAndClaims(r *http.Request) (ID, json.RawMessage, error) {
	id, err := pathID(r)
	if err != nil {
		return 0, nil, err
	}
	claims, err := a.claims(r)
	return id, claims, err
}

// admit refuses whoever may not join the topic. Reading it is the same right, so
// it is the same function.
func (a *API) admit(r *http.Request, topic ID) error {
	claims, err := a.claims(r)
	if err != nil {
		return err
	}
	may, err := one[struct{ Join bool }](r.Context(), a.db, "SELECT can_join('topic_' || id, $2) AS join FROM topics WHERE id = $1", topic, claims)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return refusal{http.StatusNotFound, "there is no such topic"}
	case err == nil && !may.Join:
		return refusal{http.StatusForbidden, "only its members may"}
	}
	return err
}
