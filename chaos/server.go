package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"rowcast/chaos/load"
	"rowcast/internal/pgtemp"
)

const (
	template    = "template_of_runs"
	daemonRole  = "rowcast_daemon"
	cleanUpTime = 30 * time.Second
)

// server is a cluster with a template of databases: the schema rowcast, the
// daemon's role, and the application with nothing in it.
type server struct {
	*pgtemp.Cluster
	mu     sync.Mutex // CREATE DATABASE needs its template for itself
	clones int
}

// startServer starts a cluster. The binary migrates the template.
func startServer(ctx context.Context, bin string, o pgtemp.Options) (_ *server, err error) {
	o.Fast = true // what a crash may take along is nothing: the writers wait for their commits
	settings := map[string]string{"max_connections": "300", "shared_buffers": "64MB", "jit": "off"}
	maps.Copy(settings, o.Settings)
	o.Settings = settings
	c, err := pgtemp.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &server{Cluster: c}
	if err := s.makeTemplate(ctx, bin); err != nil {
		return nil, errors.Join(fmt.Errorf("make the template: %w", err), c.Close())
	}
	return s, nil
}

func (s *server) makeTemplate(ctx context.Context, bin string) error {
	if err := s.exec(ctx, "postgres", "CREATE DATABASE "+template); err != nil {
		return err
	}
	migrate := exec.CommandContext(ctx, bin, "migrate", "up")
	migrate.Env = []string{"DATABASE_URL=" + s.URL(template), "HOME=" + os.TempDir()}
	if said, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("rowcast migrate up: %w\n%s", err, said)
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	role := exec.CommandContext(ctx, s.psql(), "-X", "-q", "-d", s.URL(template), "-v", "role="+daemonRole,
		"-f", filepath.Join(root, "deploy", "daemon-role.sql"))
	if said, err := role.CombinedOutput(); err != nil {
		return fmt.Errorf("daemon-role.sql: %w\n%s", err, said)
	}
	conn, err := pgx.Connect(ctx, s.URL(template))
	if err != nil {
		return err
	}
	return errors.Join(load.Install(ctx, conn, topics), conn.Close(ctx))
}

// psql is the one beside the server's binaries, which not all distributions put
// there, else that of PATH.
func (s *server) psql() string {
	beside := filepath.Join(s.Bin(), "psql")
	if _, err := os.Stat(beside); err == nil {
		return beside
	}
	return "psql"
}

// clone makes a fresh database and returns its name.
func (s *server) clone(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clones++
	name := fmt.Sprintf("run_%d", s.clones)
	return name, s.exec(ctx, "postgres", fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, template))
}

// drop ends who is still connected.
func (s *server) drop(ctx context.Context, name string) error {
	return s.exec(ctx, "postgres", fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name))
}

func (s *server) exec(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// asDaemon is a database's URL for the role of deploy/daemon-role.sql.
func asDaemon(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return database // never: it is pgtemp's
	}
	u.User = url.User(daemonRole)
	return u.String()
}

// servers are the clusters of all runs: a shared one, and those that a scenario
// has of its own, each used by one run at a time.
type servers struct {
	bin string // that migrates

	mu     sync.Mutex
	shared *server
	free   map[string][]*server // by scenario
}

// take returns a server for a run.
func (s *servers) take(ctx context.Context, sc scenario) (*server, error) {
	s.mu.Lock()
	if sc.ownCluster {
		free := s.free[sc.name]
		if n := len(free) - 1; n >= 0 {
			s.free[sc.name] = free[:n]
			s.mu.Unlock()
			return free[n], nil
		}
		s.mu.Unlock()
		return startServer(ctx, s.bin, sc.cluster)
	}
	defer s.mu.Unlock()
	if s.shared == nil {
		shared, err := startServer(ctx, s.bin, pgtemp.Options{})
		if err != nil {
			return nil, err
		}
		s.shared = shared
	}
	return s.shared, nil
}

// giveBack takes a server back, and closes one that does not answer.
func (s *servers) giveBack(ctx context.Context, sc scenario, taken *server, database string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	err := taken.drop(ctx, database)
	if !sc.ownCluster {
		return err
	}
	if err != nil {
		return taken.Close() // it was broken on purpose
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == nil {
		s.free = map[string][]*server{}
	}
	s.free[sc.name] = append(s.free[sc.name], taken)
	return nil
}

// finish closes the clusters of a scenario that is over.
func (s *servers) finish(sc scenario) error {
	s.mu.Lock()
	free := s.free[sc.name]
	delete(s.free, sc.name)
	s.mu.Unlock()
	return allAtOnce(free, (*server).Close)
}

// close closes all that nobody uses.
func (s *servers) close() error {
	var errs []error
	for name := range s.free {
		errs = append(errs, s.finish(scenario{name: name}))
	}
	if s.shared != nil {
		errs = append(errs, s.shared.Close())
	}
	return errors.Join(errs...)
}

// moduleRoot is where go.mod is, from here upward.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find go.mod: run this inside the module")
		}
		dir = filepath.Dir(dir)
	}
}
