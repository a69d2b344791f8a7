package load

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"rowcast/internal/pgtemp/pgtest"
)

// Writers go on whatever happens to their connections.
func TestLoad_outlives_its_connections(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	admin := pgtest.Connect(t, url)
	l := New(Options{URL: func() string { return url }, Seed: seed(t), Writers: 3, Pause: time.Millisecond, Open: 20 * time.Millisecond})
	var last, kills int
	until(t, l, func() bool {
		if c := l.Counts(); c.Failures < kills || c.Transactions < last+10 {
			return false
		}
		last, kills = l.Counts().Transactions, kills+1
		var killed int
		err := admin.QueryRow(t.Context(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1", applicationName).Scan(&killed)
		if err != nil || killed == 0 {
			t.Errorf("%d killed, %v", killed, err)
		}
		return kills == 5
	})

	if _, _, err := l.Fin(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a cut network left open has ended before the last transaction begins.
func TestLoad_Fin_ends_what_was_left_behind(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	conn := pgtest.Connect(t, url)
	for range 5 {
		left, err := connect(t.Context(), url, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer left.Close(t.Context())
		if _, err := left.Exec(t.Context(), "BEGIN; INSERT INTO oracle.tx (began) VALUES (pg_current_snapshot())"); err != nil {
			t.Fatal(err)
		}
	}
	if err := endOthers(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	var left int
	err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d are still there, %v", left, err)
	}
}

func TestLoad_Fin_gives_up_with_its_context(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := New(Options{URL: func() string { return "postgres://127.0.0.1:1/nowhere" }}).Fin(ctx); err == nil {
		t.Error("no error")
	}
}

func TestLoad_Committed(t *testing.T) {
	t.Parallel()
	began := time.Now()
	l, conn := worked(t, 100, Options{Seed: 0xabc, Writers: 2, Pause: time.Millisecond})
	for _, o := range truth(t, conn, 1000).Owed {
		if at, ok := l.Committed(o.Key); !ok || at.Before(began) || at.After(time.Now()) {
			t.Errorf("%s was committed at %v, %t", o.Key, at, ok)
		}
	}
	for _, key := range []string{"", "x", "abc.0/x/1", "abc.9.1.1/message_created/1"} {
		if at, ok := l.Committed(key); ok {
			t.Errorf("%q was committed at %v", key, at)
		}
	}
}

// Each statement of the load makes the events it is there for.
func TestStatements(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do    func(t *transaction, ctx context.Context, in table) error
		types string
	}{
		"insert": {(*transaction).insert, "created"},
		"load":   {(*transaction).load, "created"},
		"upsert": {(*transaction).upsert, "created deleted updated"},
		"update": {(*transaction).update, "updated"},
		"move":   {(*transaction).move, "deleted updated"},
		"remove": {(*transaction).remove, "deleted"},
		"carry":  {(*transaction).carry, "created deleted"},
		"idle":   {(*transaction).idle, ""},
		"emit":   {(*transaction).emit, "announced"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := pgtest.Connect(t, pgtest.Database(t))
			made := &transaction{Rand: rand.New(rand.NewPCG(1, 1)), o: &New(Options{Padding: 20}).o, stop: t.Context().Done(), name: "first"}
			err := made.run(t.Context(), conn, func(ctx context.Context, made *transaction) error {
				for range 20 {
					if err := made.insert(ctx, tables[0]); err != nil {
						return err
					}
				}
				_, err := made.tx.Exec(ctx, "DELETE FROM messages WHERE id < $1", hot/2) // half of the upserts insert
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			made.name, made.rows = "second", 0
			err = made.run(t.Context(), conn, func(ctx context.Context, made *transaction) error {
				for range 20 {
					if err := test.do(made, ctx, tables[0]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			types := map[string]bool{}
			for _, o := range truth(t, conn, 1000).Owed {
				if strings.HasPrefix(o.Key, "second.") {
					typ := strings.Split(o.Key, "/")[1]
					types[typ[strings.IndexByte(typ, '_')+1:]] = true
				}
			}
			if got := strings.Join(sorted(types), " "); got != test.types {
				t.Errorf("makes %q, want %q", got, test.types)
			}
			if made.rows == 0 && name != "emit" {
				t.Error("no row was written")
			}
		})
	}
}
