package migrations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Check's answers; the fix belongs to the words.
var (
	ErrMissing = errors.New("the database has no rowcast schema: run rowcast migrate up")
	ErrOld     = errors.New("the rowcast schema is older than this rowcast can work with: run rowcast migrate up")
	ErrNew     = errors.New("the rowcast schema is newer than this rowcast: replace the program")
)

// oldest is the oldest version of the schema this program works with: that of
// the release before, so that migrating and replacing instances are two steps.
const oldest = 8

// Version is one migration.
type Version struct {
	Number  int64
	Name    string
	Applied time.Time // zero: not applied
}

// Check compares the schema's version with the program's.
func Check(ctx context.Context, q Querier) error {
	applied, err := applied(ctx, q)
	if err != nil {
		return fmt.Errorf("check schema: %w", err)
	}
	all, err := migrations()
	if err != nil {
		return err
	}
	var version int64
	for n := range applied {
		version = max(version, n)
	}
	switch {
	case version == 0:
		return ErrMissing
	case version < oldest:
		return fmt.Errorf("%w (version %d)", ErrOld, version)
	case version > all[len(all)-1].version:
		return fmt.Errorf("%w (version %d)", ErrNew, version)
	}
	return nil
}

// Status lists the migrations in order, and when each was applied.
func Status(ctx context.Context, url string) ([]Version, error) {
	all, err := migrations()
	if err != nil {
		return nil, err
	}
	var versions []Version
	err = withConn(ctx, url, func(c *pgx.Conn) error {
		applied, err := applied(ctx, c)
		if err != nil {
			return err
		}
		for _, m := range all {
			versions = append(versions, Version{Number: m.version, Name: m.name, Applied: applied[m.version]})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", err)
	}
	return versions, nil
}

func applied(ctx context.Context, q Querier) (map[int64]time.Time, error) {
	var there bool
	if err := q.QueryRow(ctx, "SELECT pg_catalog.to_regclass($1::pg_catalog.text) IS NOT NULL", versionTable).Scan(&there); err != nil {
		return nil, err
	}
	at := map[int64]time.Time{}
	if !there {
		return at, nil
	}
	rows, err := q.Query(ctx, "SELECT version_id, tstamp FROM "+versionTable+" WHERE is_applied AND version_id > 0")
	if err != nil {
		return nil, err
	}
	var version int64
	var when time.Time
	_, err = pgx.ForEachRow(rows, []any{&version, &when}, func() error {
		at[version] = when
		return nil
	})
	return at, err
}

// Print writes the SQL of a direction, "up" or "down", as one transaction for
// psql, goose's bookkeeping included: a later Up finds it as if it had been its
// own.
func Print(w io.Writer, direction string) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("BEGIN;\nSET LOCAL search_path = pg_catalog, pg_temp;\n")
	switch direction {
	case "up":
		b.WriteString("CREATE SCHEMA rowcast;\n" + createTable + "\nINSERT INTO rowcast.schema_version (version_id, is_applied) VALUES (0, true);\n")
		for _, m := range all {
			fmt.Fprintf(&b, "\n%sINSERT INTO rowcast.schema_version (version_id, is_applied) VALUES (%d, true);\n", m.up, m.version)
		}
	case "down":
		for _, m := range slices.Backward(all) {
			fmt.Fprintf(&b, "\n%s", m.down)
		}
		b.WriteString("\n" + dropSchema)
	default:
		return fmt.Errorf("print migrations: direction must be up or down (got %q)", direction)
	}
	b.WriteString("COMMIT;\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print migrations: %w", err)
	}
	return nil
}

// migration is a file, taken apart at goose's annotations.
type migration struct {
	version  int64
	name     string
	up, down string
}

func migrations() ([]migration, error) {
	names, err := fs.Glob(files, "sql/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	all := make([]migration, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		number, title, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		up, down, _ := strings.Cut(string(text), "-- +goose Down\n")
		all = append(all, migration{version, title, plain(up), plain(down)})
	}
	return all, nil
}

// plain drops goose's annotations.
func plain(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "-- +goose") {
			b.WriteString(line)
		}
	}
	return b.String()
}
