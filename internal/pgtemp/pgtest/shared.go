package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"rowcast/internal/pgtemp"
)

// shared is the test binary's one Postgres. A global, because TestMain has no
// other way to hand something to the tests.
var shared provider

// Main runs the tests of a package: it is all that TestMain does. prepare, which
// may be nil, makes the template of every Database. After the tests it looks for
// leaked goroutines, then exits.
func Main(m *testing.M, prepare func(ctx context.Context, url string) error) {
	shared.prepare = prepare
	code := m.Run()
	err := shared.close()
	if code == 0 {
		err = errors.Join(err, goleak.Find())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// provider owns the server and the template. Databases are made and dropped one
// at a time: CREATE DATABASE needs its template for itself.
type provider struct {
	prepare func(ctx context.Context, url string) error

	mu       sync.Mutex
	started  bool
	err      error // why there is no server; every test hears it
	cluster  *pgtemp.Cluster
	base     string // URL of the server
	admin    *pgx.Conn
	template string
	daemon   string // the role that daemons log in as; "" where the template has no schema rowcast
	clones   int
}

// clone makes a database and returns its name.
func (p *provider) clone(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		p.started = true
		p.err = p.start(ctx)
	}
	if p.err != nil {
		return "", p.err
	}
	p.clones++
	name := fmt.Sprintf("%s_%d", p.template, p.clones)
	_, err := p.admin.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, p.template))
	return name, err
}

func (p *provider) drop(ctx context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.admin.Exec(ctx, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name))
	return err
}

// start brings up the server and the template.
func (p *provider) start(ctx context.Context) error {
	p.base = os.Getenv("ROWCAST_TEST_DATABASE_URL")
	if p.base == "" {
		var err error
		p.cluster, err = pgtemp.Start(ctx, pgtemp.Options{BinDir: Versions()[0], Fast: true, Settings: map[string]string{
			"max_connections": "200",
			"shared_buffers":  "32MB",
			"autovacuum":      "off",
			"jit":             "off",
		}})
		if err != nil {
			return err
		}
		p.base = p.cluster.URL("postgres")
	}
	var err error
	if p.admin, err = pgx.Connect(ctx, p.base); err != nil {
		return err
	}
	// Several test binaries may share one server.
	template := "rowcast_test_" + strings.ToLower(rand.Text()[:8])
	if _, err := p.admin.Exec(ctx, "CREATE DATABASE "+template); err != nil {
		return err
	}
	p.template = template
	if p.prepare == nil {
		return nil
	}
	if err := p.prepare(ctx, p.url(template)); err != nil {
		return fmt.Errorf("prepare the template database: %w", err)
	}
	return p.startDaemonRole(ctx)
}

// startDaemonRole makes the role of Daemon, once: its rights in the template are
// its rights in every clone.
func (p *provider) startDaemonRole(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.url(p.template))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	var installed bool
	if err := conn.QueryRow(ctx, "SELECT to_regnamespace('rowcast') IS NOT NULL").Scan(&installed); err != nil || !installed {
		return err
	}
	role := strings.Replace(p.template, "test", "daemon", 1)
	if err := makeDaemon(ctx, p.url(p.template), role); err != nil {
		return err
	}
	p.daemon = role
	return nil
}

// daemonOf returns the role of daemons in a database that clone made.
func (p *provider) daemonOf(database string) (role string, clone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, err := url.Parse(database)
	if err != nil || p.template == "" {
		return "", false
	}
	number, found := strings.CutPrefix(u.Path, "/"+p.template+"_")
	_, err = strconv.Atoi(number)
	return p.daemon, found && err == nil
}

// close gives back all that start took.
func (p *provider) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	if p.template != "" && p.cluster == nil {
		_, err := p.admin.Exec(ctx, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", p.template))
		errs = append(errs, err)
		if p.daemon != "" {
			_, err := p.admin.Exec(ctx, "DROP ROLE "+p.daemon)
			errs = append(errs, err)
		}
	}
	if p.admin != nil {
		errs = append(errs, p.admin.Close(ctx))
	}
	if p.cluster != nil {
		errs = append(errs, p.cluster.Close())
	}
	return errors.Join(errs...)
}

// url is the server's URL with another database.
func (p *provider) url(database string) string {
	u, err := url.Parse(p.base)
	if err != nil {
		return p.base // never: pgx has read it
	}
	u.Path = "/" + database
	return u.String()
}
