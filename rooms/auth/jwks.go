package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

const (
	jwksFresh   = time.Hour       // how old a key set gets
	jwksPause   = 5 * time.Second // the least between two fetches, whoever asks for one
	jwksBackOff = 5 * time.Minute // the most between two that fail
	jwksTimeout = 5 * time.Second // of one fetch
	maxJWKS     = 1 << 20         // bytes of a key set
)

// jwks are keys that their issuer publishes and changes (RFC 7517). One
// goroutine, run, fetches: at once, every hour, and when a token names a key that
// is not there. Who brings such a token waits for a fetch that began after they
// came, so nobody is turned away because a key is newer than our copy, and a storm
// of made-up names is one fetch in five seconds. A fetch that fails changes
// nothing but the answer to unknown names: come later.
type jwks struct {
	url    string
	client *http.Client
	log    *slog.Logger
	wanted chan struct{} // holds one: somebody waits for a fetch that has not begun

	mu      sync.Mutex
	set     keySet        // nil: there was never one
	begun   int           // fetches so far
	failed  error         // of the last fetch that ended
	ended   int           // its number
	another chan struct{} // closed when one more has ended
}

func newJWKS(address string, log *slog.Logger) (*jwks, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Host)) {
		return nil, errors.New("must begin with https://, or http:// on this machine")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // the next one is an hour away
	transport.MaxResponseHeaderBytes = 64 << 10
	return &jwks{
		url: address,
		client: &http.Client{
			Transport: transport,
			Timeout:   jwksTimeout,
			// Keys come from where the settings say, or not at all.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		log:     log,
		wanted:  make(chan struct{}, 1),
		another: make(chan struct{}),
	}, nil
}

func (j *jwks) methods() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

func (j *jwks) setting() string { return "auth.jwt.jwks_url" }

// key finds the token's key, or all that fit one which names none.
func (j *jwks) key(ctx context.Context, t *jwt.Token) (any, error) {
	j.mu.Lock()
	enough := j.begun + 1
	j.mu.Unlock()
	for {
		j.mu.Lock()
		set, failed, ended, another := j.set, j.failed, j.ended, j.another
		j.mu.Unlock()
		key, err := set.key(ctx, t)
		if !errors.Is(err, jwkset.ErrKeyNotFound) || failed == nil && ended >= enough {
			return key, err
		}
		j.want(enough)
		if failed != nil {
			return nil, errNoKeys
		}
		select {
		case <-another:
		case <-ctx.Done():
			return nil, errNoKeys
		}
	}
}

// want asks for the fetch of this number, unless it has begun.
func (j *jwks) want(number int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.begun < number {
		select {
		case j.wanted <- struct{}{}:
		default:
		}
	}
}

func (j *jwks) run(ctx context.Context) {
	for attempt := 0; ; {
		delay := jwksFresh
		if err := j.refresh(ctx); err == nil {
			attempt = 0
		} else if ctx.Err() == nil {
			delay = min(jwksPause<<min(attempt, 10), jwksBackOff)
			attempt++
			j.log.Warn("key set not fetched", "setting", "auth.jwt.jwks_url", "err", err, "attempt", attempt, "delay", delay)
		}
		if !j.rest(ctx, delay) {
			return
		}
	}
}

// rest waits for a while, or until somebody waits for keys and the pause is over.
func (j *jwks) rest(ctx context.Context, delay time.Duration) bool {
	select {
	case <-time.After(jwksPause):
	case <-ctx.Done():
		return false
	}
	select {
	case <-j.wanted:
	case <-time.After(delay - jwksPause):
	case <-ctx.Done():
		return false
	}
	return true
}

func (j *jwks) refresh(ctx context.Context) error {
	j.mu.Lock()
	j.begun++
	number := j.begun
	select { // this is the one
	case <-j.wanted:
	default:
	}
	j.mu.Unlock()

	set, err := j.fetch(ctx)

	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		j.set = set
	}
	j.failed, j.ended = err, number
	close(j.another)
	j.another = make(chan struct{})
	return err
}

func (j *jwks) fetch(ctx context.Context) (keySet, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := j.client.Do(r)
	if fault, ok := errors.AsType[*url.Error](err); ok {
		return nil, fault.Err // without the URL, whose query is not ours to show
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s", answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxJWKS+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxJWKS {
		return nil, errors.New("longer than 1 MB")
	}
	set, err := readKeySet(ctx, body)
	if err == nil && len(set) == 0 {
		j.log.Warn("key set without a key that counts", "setting", "auth.jwt.jwks_url")
	}
	return set, err
}

// keySet holds, for each method, the keys that may verify it. It does not change.
type keySet map[string]keyfunc.Keyfunc

// readKeySet reads a key set. Keys that are no use to us are left out, as RFC 7517
// section 5 asks: one of another kind must not take away the others. None is
// symmetric, for who published it gave it to everybody.
func readKeySet(ctx context.Context, body []byte) (keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &document); err != nil || document.Keys == nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	stores := map[string]jwkset.Storage{}
	for _, raw := range document.Keys {
		// Without JWKMarshalOptions.Private symmetric keys are an error, and of a
		// private key its public half is read.
		k, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			continue
		}
		for _, method := range admitted(k) {
			if stores[method] == nil {
				stores[method] = jwkset.NewMemoryStorage()
			}
			if err := stores[method].KeyWrite(ctx, k); err != nil {
				return nil, err
			}
		}
	}
	set := keySet{}
	for method, store := range stores {
		lookup, err := keyfunc.New(keyfunc.Options{Storage: store})
		if err != nil {
			return nil, err
		}
		set[method] = lookup
	}
	return set, nil
}

// admitted are the methods that the key's kind and its publisher agree on.
func admitted(k jwkset.JWK) []string {
	said := k.Marshal()
	if said.USE != "" && said.USE != jwkset.UseSig ||
		len(said.KEYOPS) > 0 && !slices.Contains(said.KEYOPS, jwkset.KeyOpsVerify) {
		return nil
	}
	return slices.DeleteFunc(methods(k.Key()), func(method string) bool {
		return said.ALG != "" && said.ALG.String() != method
	})
}

func (s keySet) key(ctx context.Context, t *jwt.Token) (any, error) {
	lookup, ok := s[t.Method.Alg()]
	if !ok {
		return nil, jwkset.ErrKeyNotFound
	}
	return lookup.KeyfuncCtx(ctx)(t)
}
