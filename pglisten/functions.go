package pglisten

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The defaults of FunctionsOptions.
const (
	DefaultFunctionConnections = 4
	DefaultFunctionTimeout     = 5 * time.Second
)

// answerGrace is how much later than the server we give a call up: a statement
// that the server cancels costs no connection.
const answerGrace = time.Second

// FunctionsOptions of Functions. Needed are URL or Config, and one function.
type FunctionsOptions struct {
	URL    string          // as that of Options
	Config *pgx.ConnConfig // instead of URL, with its own dialer

	Authenticate string        // (token text) returns jsonb, as schema.name; "": nobody can
	Authorize    string        // (topic text, claims jsonb) returns boolean, as schema.name; "": nobody may
	Role         string        // whom the functions are called as; "": the role of the connection
	Connections  int           // at most; DefaultFunctionConnections
	Timeout      time.Duration // of the wait for a connection, and of the call; DefaultFunctionTimeout
}

// Functions calls the application's own SQL functions, which say who a token is
// and what may be joined. It is made by NewFunctions, run once, and safe for
// use by many goroutines meanwhile.
//
// Each call is a read-only transaction of its own, in one round trip, with
// everything set for that transaction only: statement_timeout, the role, and
// request.jwt.claims as PostgREST does, so that row security policies written
// for that hold here too. Nothing outlives it, also where a transaction pooler
// gives the next one another session.
//
// No error says what the function said: an application's words may have the
// token or the claims in them. They are in the server's log.
type Functions struct {
	config       *pgxpool.Config
	timeout      time.Duration
	settings     string // the statement that makes them
	role         string
	authenticate function
	authorize    function

	ready chan struct{}
	pool  atomic.Pointer[pgxpool.Pool] // from when they were checked to the end of Run
}

// NewFunctions returns Functions; Run works them. The error names the option
// that is no function's name, or no database's address.
func NewFunctions(o FunctionsOptions) (*Functions, error) {
	f := &Functions{
		timeout: cmp.Or(o.Timeout, DefaultFunctionTimeout),
		role:    o.Role,
		ready:   make(chan struct{}),
	}
	var err error
	if f.authenticate, err = newFunction("auth.authenticate", o.Authenticate, "token text", "jsonb"); err != nil {
		return nil, err
	}
	if f.authorize, err = newFunction("auth.authorize", o.Authorize, "topic text, claims jsonb", "boolean"); err != nil {
		return nil, err
	}
	f.settings = `SELECT pg_catalog.set_config('transaction_read_only', 'on', true),
       pg_catalog.set_config('statement_timeout', $1, true),
       pg_catalog.set_config('request.jwt.claims', $2, true)`
	if o.Role != "" {
		f.settings += `, pg_catalog.set_config('role', $3, true)`
	}
	c, err := configuration(o.URL, o.Config)
	if err != nil {
		return nil, err
	}
	if f.config, err = pgxpool.ParseConfig(c.ConnString()); err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	f.config.ConnConfig = c
	f.config.MaxConns = int32(cmp.Or(o.Connections, DefaultFunctionConnections)) //nolint:gosec // nobody asks for two billion
	// A connection that broke is found by using it: see call.
	f.config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	return f, nil
}

// Run checks that the functions are there and may be called, lets calls through
// until ctx ends, and gives those that are under way a second, whatever the server
// does.
func (f *Functions) Run(ctx context.Context) error {
	lasting, sever := context.WithCancel(context.WithoutCancel(ctx))
	defer sever()
	config := f.config.Copy()
	severable(lasting, &config.ConnConfig.Config)
	pool, err := pgxpool.NewWithConfig(lasting, config)
	if err != nil {
		return connectError(err)
	}
	defer func() {
		late := time.AfterFunc(grace, sever)
		defer late.Stop()
		pool.Close()
	}()
	if err := f.check(ctx, pool); err != nil {
		return err
	}
	f.pool.Store(pool)
	close(f.ready)
	<-ctx.Done()
	f.pool.Store(nil)
	return nil
}

// Ready is closed when calls are let through.
func (f *Functions) Ready() <-chan struct{} { return f.ready }

// FunctionsStats are what a Functions does now.
type FunctionsStats struct{ Connections, Busy int }

// Stats returns the counts of this moment.
func (f *Functions) Stats() FunctionsStats {
	pool := f.pool.Load()
	if pool == nil {
		return FunctionsStats{}
	}
	s := pool.Stat()
	return FunctionsStats{Connections: int(s.TotalConns()), Busy: int(s.AcquiredConns())}
}

// Authenticate returns the claims of a token, a JSON object; nil when the
// function knows none.
func (f *Functions) Authenticate(ctx context.Context, token string) (claims []byte, err error) {
	if !plainText(token) {
		return nil, nil
	}
	claims, err = f.call(ctx, f.authenticate, nil, []byte(token))
	if errors.Is(err, errNonsense) {
		err = nil
	}
	if len(claims) == 0 || claims[0] != '{' {
		return nil, err
	}
	return claims, nil
}

// Authorize says whether who has these claims, a JSON object, may join a topic.
// Without claims the function gets an empty object.
func (f *Functions) Authorize(ctx context.Context, topic string, claims []byte) (bool, error) {
	if !plainText(topic) {
		return false, nil
	}
	if len(claims) == 0 {
		claims = []byte("{}")
	}
	answer, err := f.call(ctx, f.authorize, claims, []byte(topic), claims)
	if errors.Is(err, errNonsense) {
		err = nil
	}
	return string(answer) == "t", err
}

// plainText says whether Postgres can hold the text.
func plainText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// function is one of the two.
type function struct {
	key, text      string // the setting, and what it says
	schema, name   string // "" without one
	takes, returns string // as CREATE FUNCTION has them
	sql            string // the call
}

func newFunction(key, text, takes, returns string) (function, error) {
	f := function{key: key, text: text, takes: takes, returns: returns}
	if text == "" {
		return f, nil
	}
	parts := identifiers(text)
	if len(parts) != 2 || !plainText(text) {
		return f, fmt.Errorf("%s: must be a function's name with its schema, such as app.can_join (got %q)", key, text)
	}
	f.schema, f.name = parts[0], parts[1]
	var arguments []string
	for n, t := range f.types() {
		arguments = append(arguments, fmt.Sprintf("$%d::%s", n+1, t))
	}
	f.sql = fmt.Sprintf("SELECT %s(%s)", pgx.Identifier(parts).Sanitize(), strings.Join(arguments, ", "))
	return f, nil
}

// identifier is one of SQL, quoted or not (Postgres manual, 4.1.1).
var identifier = regexp.MustCompile(`^(?:"((?:[^"\x00]|"")+)"|([A-Za-z_\x{80}-\x{10ffff}][A-Za-z0-9_$\x{80}-\x{10ffff}]*))`)

// identifiers splits a dotted name as SQL reads it; nil: it is none.
func identifiers(text string) (parts []string) {
	for {
		m := identifier.FindStringSubmatch(text)
		if m == nil {
			return nil
		}
		part := strings.ReplaceAll(m[1], `""`, `"`)
		if m[2] != "" {
			part = lower(m[2])
		}
		parts = append(parts, part)
		text = text[len(m[0]):]
		if text == "" {
			return parts
		}
		if text[0] != '.' {
			return nil
		}
		text = text[1:]
	}
}

// lower folds the letters of ASCII and no others, as Postgres does in UTF-8
// (downcase_identifier in scansup.c).
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, text)
}

// types are those of the arguments.
func (f function) types() (types []string) {
	for argument := range strings.SplitSeq(f.takes, ", ") {
		_, t, _ := strings.Cut(argument, " ")
		types = append(types, t)
	}
	return types
}

// call calls a function and returns the text of its result, nil for NULL.
//
// One SELECT sets everything and the next calls; both go to the server together,
// and what comes before one Sync is one transaction (Postgres manual, 55.2.3).
// So no BEGIN or COMMIT takes a turn, and an error leaves nothing to roll back.
//
// A connection that broke, before or under the call, costs one more attempt on
// a new one: the call only reads.
func (f *Functions) call(ctx context.Context, fn function, claims []byte, arguments ...[]byte) ([]byte, error) {
	pool := f.pool.Load()
	if pool == nil || fn.name == "" {
		return nil, fmt.Errorf("%s: %w", fn.key, ErrClosed)
	}
	answer, broken, err := f.attempt(ctx, pool, fn, claims, arguments)
	if broken {
		pool.Reset() // the others are probably no better
		answer, _, err = f.attempt(ctx, pool, fn, claims, arguments)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fn.key, err)
	}
	return answer, nil
}

func (f *Functions) attempt(ctx context.Context, pool *pgxpool.Pool, fn function, claims []byte, arguments [][]byte) (answer []byte, broken bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	conn, err := pool.Acquire(waiting)
	switch {
	case err == nil:
		defer conn.Release()
	case waiting.Err() != nil && ctx.Err() == nil:
		return nil, false, fmt.Errorf("no connection within %v, all %d are busy or the database is away", f.timeout, f.config.MaxConns)
	default:
		return nil, false, connectError(err)
	}
	calling, cancel := context.WithTimeout(ctx, f.timeout+answerGrace)
	defer cancel()
	var b pgconn.Batch
	b.ExecParams(f.settings, f.values(claims), nil, nil, nil)
	b.ExecParams(fn.sql, arguments, nil, nil, nil)
	results, err := conn.Conn().PgConn().ExecBatch(calling, &b).ReadAll()
	if err != nil {
		return nil, conn.Conn().IsClosed() && calling.Err() == nil, f.explain(err)
	}
	if last := results[len(results)-1]; len(last.Rows) == 1 && len(last.Rows[0]) == 1 {
		return last.Rows[0][0], false, nil
	}
	return nil, false, errors.New("it returns no single value any more")
}

// values are those of the settings.
func (f *Functions) values(claims []byte) [][]byte {
	if len(claims) == 0 {
		claims = []byte("{}") // for policies that read it as JSON, as there always is some with PostgREST
	}
	values := [][]byte{[]byte(strconv.FormatInt(f.timeout.Milliseconds(), 10)), claims}
	if f.role != "" {
		values = append(values, []byte(f.role))
	}
	return values
}

// errNonsense is a data exception: what a stranger gave was cast to what it is
// not, say a token to a uuid. That is a no, and asking again would not help.
var errNonsense = errors.New("it could not read what it was given")

// What Postgres says when a function did not answer (manual, appendix A).
const (
	insufficientPrivilege = "42501"
	queryCanceled         = "57014"
	readOnlyTransaction   = "25006"
	dataException         = "22"    // the class
	invalidParameter      = "22023" // of that class, but said when the role is gone
)

// explain tells what went wrong in our own words.
func (f *Functions) explain(err error) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok && errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v", f.timeout+answerGrace)
	case !ok:
		return fmt.Errorf("call: %w", err)
	case refused.Code == queryCanceled:
		return fmt.Errorf("canceled, after %v (auth.timeout) at the latest", f.timeout)
	case refused.Code == readOnlyTransaction:
		return errors.New("it writes, and is called in a read-only transaction")
	case refused.Code == insufficientPrivilege:
		return errors.New("it lacks a privilege; the server's log says which")
	case strings.HasPrefix(refused.Code, dataException) && refused.Code != invalidParameter:
		return errNonsense
	default:
		return fmt.Errorf("SQLSTATE %s; the server's log says more", refused.Code)
	}
}
