package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Identity is who is asking: what a token or a session says of its bearer, after
// it was verified. It never changes.
type Identity struct {
	Subject string          // "": they have no name, and revoking by name does not reach them
	Claims  json.RawMessage // an object, encoded anew from what was read and verified
	Topics  []string        // names or patterns with *; nil: the claims do not speak of topics, empty: none at all
	Issued  time.Time       // zero: not said
	Expires time.Time       // zero: never
	digest  [sha256.Size]byte
}

// Renews says whether the claims are those of before, but for the times and the id
// of the token: one that was renewed says the same of its bearer.
func (id *Identity) Renews(before *Identity) bool { return id.digest == before.digest }

// claimNames are the claims with a meaning of their own whose names are settings.
type claimNames struct{ topics, subject string }

// newIdentity reads verified claims. Times are read, not judged. An error says
// what is wrong without a value of the claims, and is for whoever issued them.
func newIdentity(raw []byte, names claimNames) (*Identity, error) {
	claims, err := readClaims(raw)
	if err != nil {
		return nil, err
	}
	return identityOf(claims, names)
}

func identityOf(claims map[string]any, names claimNames) (*Identity, error) {
	var id Identity
	var errs [5]error
	id.Subject, errs[0] = subject(claims, names.subject)
	id.Topics, errs[1] = patterns(claims, names.topics)
	id.Issued, errs[2] = date(claims, "iat")
	id.Expires, errs[3] = date(claims, "exp")
	_, errs[4] = date(claims, "nbf")
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	var err error
	if id.Claims, err = json.Marshal(claims); err != nil {
		return nil, errors.New("claims cannot be encoded")
	}
	id.digest, err = fingerprint(claims, names.subject)
	return &id, err
}

// readClaims decodes a JSON object. Whatever two readers could read in two ways
// ends here: of a name that comes twice the last counts, numbers keep their
// digits, and what neither UTF-8 nor a jsonb can hold is refused.
func readClaims(raw []byte) (map[string]any, error) {
	if !utf8.Valid(raw) { // encoding/json would put U+FFFD in its place
		return nil, errors.New("claims are not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil || claims == nil {
		return nil, errors.New("claims are not a JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the claims")
	}
	if holdsNUL(claims) {
		return nil, errors.New("claims hold the character U+0000")
	}
	return claims, nil
}

// holdsNUL says whether a text within v, or a name, has a character that text
// and jsonb of Postgres cannot hold.
func holdsNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		return slices.ContainsFunc(v, holdsNUL)
	case map[string]any:
		for name, e := range v {
			if holdsNUL(name) || holdsNUL(e) {
				return true
			}
		}
	}
	return false
}

// whole is the one way to write a whole number: 7.0 and 7e0 would be other names
// for the same subject, which revoking 7 does not reach.
var whole = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// maxSubject is in characters. Of a longer one the log of a large row would hold
// the beginning only (migrations/sql), and revoking it would not reach anybody.
const maxSubject = 1000

func subject(claims map[string]any, name string) (string, error) {
	switch v := claims[name].(type) {
	case nil:
		return "", nil
	case string:
		if strings.ContainsRune(v, utf8.RuneError) || utf8.RuneCountInString(v) > maxSubject { // U+FFFD: half a surrogate pair, any name
			return "", fmt.Errorf("claim %s is not a name", name)
		}
		return v, nil
	case json.Number:
		if whole.MatchString(v.String()) && len(v) <= maxSubject {
			return v.String(), nil
		}
	}
	return "", fmt.Errorf("claim %s is neither text nor a whole number", name)
}

// patterns reads what may be joined: a list, or one text. null is an empty list,
// as an encoder writes it that has no other word for one: it grants nothing.
func patterns(claims map[string]any, name string) ([]string, error) {
	v, said := claims[name]
	if !said {
		return nil, nil
	}
	topics := []string{}
	switch v := v.(type) {
	case nil:
		return topics, nil
	case string:
		return append(topics, v), nil
	case []any:
		for _, e := range v {
			topic, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("claim %s is not a list of texts", name)
			}
			topics = append(topics, topic)
		}
		return topics, nil
	}
	return nil, fmt.Errorf("claim %s is not a list of texts", name)
}

// lastDate is the end of the year 9999. What is beyond is a mistake, such as
// milliseconds for seconds, and further out a time.Time wraps around.
const lastDate = 253402300799

// date reads a NumericDate (RFC 7519 section 2), to the second.
func date(claims map[string]any, name string) (time.Time, error) {
	v, said := claims[name]
	if !said {
		return time.Time{}, nil
	}
	if number, ok := v.(json.Number); ok {
		if f, err := number.Float64(); err == nil && 0 <= f && f <= lastDate {
			return time.Unix(int64(f), 0), nil
		}
	}
	return time.Time{}, fmt.Errorf("claim %s is not a date in seconds", name)
}

// fingerprint is the same for all tokens that say the same of their bearer, though
// they were issued at different times. Who the bearer is always counts, whatever
// the claim is called.
func fingerprint(claims map[string]any, subject string) ([sha256.Size]byte, error) {
	lasting := maps.Clone(claims)
	for _, name := range []string{"exp", "iat", "nbf", "jti"} {
		if name != subject {
			delete(lasting, name)
		}
	}
	b, err := json.Marshal(lasting)
	return sha256.Sum256(b), err
}
