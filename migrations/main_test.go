package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"rowcast/internal/pgtemp"
	"rowcast/internal/pgtemp/pgtest"
	"rowcast/migrations"
)

// servers is a running Postgres of each version the SQL is tried on.
var servers []*server

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.admin.Close(ctx), s.cluster.Close())
		}
		if code == 0 {
			err = errors.Join(err, goleak.Find())
		}
	}()
	for _, bin := range pgtest.Versions() {
		s, err := startServer(ctx, bin)
		if err != nil {
			return 1, fmt.Errorf("start a test server of %s: %w", bin, err)
		}
		servers = append(servers, s)
	}
	return m.Run(), nil
}

type server struct {
	cluster *pgtemp.Cluster

	mu    sync.Mutex // CREATE DATABASE needs its template for itself
	admin *pgx.Conn
	made  int
}

// startServer brings up a cluster with the role app, whose writes are watched,
// and the database prepared, with rowcast in it.
func startServer(ctx context.Context, bin string) (*server, error) {
	c, err := pgtemp.Start(ctx, pgtemp.Options{BinDir: bin, Fast: true, Settings: map[string]string{
		"autovacuum": "off", "jit": "off", "shared_buffers": "32MB", "max_connections": "100", "max_wal_size": "8GB", "deadlock_timeout": "500ms",
	}})
	if err != nil {
		return nil, err
	}
	admin, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	_, err = admin.Exec(ctx, "CREATE ROLE app LOGIN; CREATE ROLE daemon LOGIN")
	if err == nil {
		_, err = admin.Exec(ctx, "CREATE DATABASE prepared")
	}
	if err == nil {
		err = migrations.Up(ctx, c.URL("prepared"), migrations.Options{Owner: "rowcast_owner"})
	}
	if err != nil {
		return nil, errors.Join(err, admin.Close(ctx), c.Close())
	}
	return &server{cluster: c, admin: admin}, nil
}

// each runs a test on every version, on a database of its own.
func each(t *testing.T, test func(t *testing.T, d *database)) {
	t.Helper()
	t.Parallel()
	for _, s := range servers {
		t.Run(fmt.Sprintf("postgres_%d", s.cluster.Version()), func(t *testing.T) {
			t.Parallel()
			test(t, s.database(t, "prepared"))
		})
	}
}

// database is a database with rowcast in it, awake, and two sessions.
type database struct {
	server *server
	name   string
	admin  session // a superuser
	app    session // the application: may write what is in public, and knows nothing of rowcast
	read   int64   // the newest log row that log has returned
}

func (s *server) database(t *testing.T, template string) *database {
	t.Helper()
	s.mu.Lock()
	s.made++
	name := fmt.Sprintf("test_%d", s.made)
	_, err := s.admin.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template)
	s.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, err := s.admin.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	d := &database{server: s, name: name}
	d.admin = d.session(t, "postgres")
	d.app = d.session(t, "app")
	d.admin.exec("GRANT CREATE, USAGE ON SCHEMA public TO app")
	d.admin.exec("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO app")
	d.admin.exec("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO app")
	if template == "prepared" {
		d.doorbell("-now") // captured, but never rung for: as in poll mode
	}
	return d
}

func (d *database) url() string { return d.server.cluster.URL(d.name) }

// session connects as a role.
func (d *database) session(t *testing.T, role string) session {
	t.Helper()
	config, err := pgx.ParseConfig(d.url())
	if err != nil {
		t.Fatal(err)
	}
	config.User = role
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return session{t, conn}
}

// doorbell sets it: "now", "-now", "now+400" and the like, in ms.
func (d *database) doorbell(value string) {
	d.admin.t.Helper()
	d.admin.exec("SELECT setval('rowcast.doorbell', " + strings.ReplaceAll(value, "now", "(extract(epoch FROM clock_timestamp()) * 1000)::bigint") + ")")
}

// ways are statements that watch a table in each way of some: by rowcast.watch
// with its arguments and each of the options, for access, and in both kinds.
func ways(arguments, subject string, options ...string) (statements []string) {
	for _, o := range options {
		statements = append(statements, "SELECT rowcast.watch("+arguments+o+")")
	}
	table, _, _ := strings.Cut(arguments, ",")
	access := fmt.Sprintf("rowcast.watch_access(%s, '%s', array['{%[2]s}']", table, subject)
	return append(statements, "SELECT "+access+")", "SELECT "+access+", columns => '{}')", "SELECT rowcast.watch("+arguments+"), "+access+")")
}

// watchOnly ends all watches and runs a statement that makes some. It says how
// many: each change is logged so many times.
func (d *database) watchOnly(statement string) (watches int) {
	d.admin.t.Helper()
	d.admin.exec("SELECT rowcast.stop_watch(source, subject_column IS NOT NULL) FROM rowcast.watches")
	d.admin.exec(statement)
	if err := d.admin.QueryRow(d.admin.t.Context(), "SELECT count(*) FROM rowcast.watches").Scan(&watches); err != nil || watches == 0 {
		d.admin.t.Fatalf("%s: %d watches, %v", statement, watches, err)
	}
	return watches
}

// entry is a row of the log.
type entry struct {
	ID      int64
	XID     string
	Watch   int32
	Op      string
	Flags   int16
	Data    string
	Old     string
	Changed []string
	Type    *string
	Topics  []string
	Mutant  *string
}

// short is "op flags data < old changed", enough for most tests.
func (e entry) short() string {
	s := e.Op
	if e.Flags != 0 {
		s += fmt.Sprint(e.Flags)
	}
	if e.Data != "" {
		s += " " + e.Data
	}
	if e.Old != "" {
		s += " < " + e.Old
	}
	if e.Changed != nil {
		s += " " + strings.Join(e.Changed, ",")
	}
	return s
}

// log returns what came to the log since it was last called.
func (d *database) log() []entry {
	d.admin.t.Helper()
	rows, err := d.admin.Query(d.admin.t.Context(), `SELECT id, xid::text, watch, op::text, flags, coalesce(data::text, ''), coalesce(old::text, ''), changed, type, topics, mutation_id
		FROM rowcast.log WHERE id > $1 ORDER BY id`, d.read)
	if err != nil {
		d.admin.t.Fatal(err)
	}
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[entry])
	if err != nil {
		d.admin.t.Fatal(err)
	}
	for _, e := range entries {
		d.read = e.ID
	}
	return entries
}

// logged compares what came to the log, in short, with want.
func (d *database) logged(want ...string) {
	d.admin.t.Helper()
	entries := d.log()
	got := make([]string, len(entries))
	for i, e := range entries {
		got[i] = e.short()
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		d.admin.t.Errorf("logged:\n%.3000s\nwant:\n%.3000s", g, w)
	}
}

// session is a connection whose errors fail the test.
type session struct {
	t *testing.T
	*pgx.Conn
}

func (s session) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatalf("%.200s\n%v", sql, err)
	}
}

// text runs a query for one value.
func (s session) text(sql string, args ...any) string {
	s.t.Helper()
	var v *string
	if err := s.QueryRow(s.t.Context(), sql, args...).Scan(&v); err != nil {
		s.t.Fatalf("%.200s\n%v", sql, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

// fails runs a statement that must be refused with words holding each of want.
func (s session) fails(sql string, want ...string) {
	s.t.Helper()
	_, err := s.Exec(s.t.Context(), sql)
	if err == nil {
		s.t.Errorf("%.200s\nsucceeded, want an error with %q", sql, want)
		return
	}
	for _, w := range want {
		if !strings.Contains(errorText(err), w) {
			s.t.Errorf("%.200s\n%s\nwant it to hold %q", sql, errorText(err), w)
		}
	}
}

// refused runs a statement that this role may not.
func (s session) refused(sql string) {
	s.t.Helper()
	_, err := s.Exec(s.t.Context(), sql)
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "42501" {
		s.t.Errorf("%.200s\n%v\nwant that it is refused for want of a privilege", sql, err)
	}
}

func errorText(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Message + "\n" + e.Detail + "\n" + e.Hint
	}
	return err.Error()
}

// until asks every few ms until the answer is want.
func (s session) until(want, sql string) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		got := s.text(sql)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatalf("%s: still %q, want %q", sql, got, want)
		}
	}
}

// dump is pg_dump of a database, without what differs by chance.
func dump(t *testing.T, d *database) string {
	t.Helper()
	tool := filepath.Join(d.server.cluster.Bin(), "pg_dump")
	out, err := exec.CommandContext(t.Context(), tool, "--dbname", d.url()).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) {
			b.WriteString(line)
		}
	}
	return b.String()
}
