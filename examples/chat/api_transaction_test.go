package chat

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// logged are the mutation ids of what rowcast has logged, in order; "-" is none.
func (w *world) logged() (ids []string) {
	w.Helper()
	rows, err := w.db.Query(w.Context(), "SELECT coalesce(nullif(mutation_id, ''), '-') FROM rowcast.log WHERE op = ANY('{I,U,D}'::\"char\"[]) ORDER BY id")
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		w.Fatal(err)
	}
	return ids
}

func TestTransact_gives_its_id_to_the_log_and_to_nobody_else(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for range w.api.db.Config().MaxConns - 1 { // what follows is all on the one connection left
		conn, err := w.api.db.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	const hostile = `x', false); DROP TABLE messages; --`
	for _, headers := range [][]string{{"X-Mutation-Id: c1d8"}, nil, {"X-Mutation-Id: " + hostile}} {
		if got := w.ask("POST /api/topics/7/messages", `{"author":"Maks","content":"hi"}`, headers...); got.status != 201 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	w.ask("PATCH /api/messages/15", `{"content":"ho"}`, "X-Mutation-Id: c1d9")
	w.ask("DELETE /api/messages/15", "")
	want := []string{"c1d8", "-", hostile, "c1d9", "-"}
	if got := w.logged(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTransact_takes_back_what_failed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	refused := errors.New("refused")
	err := transact(t.Context(), w.api.db, "c1d8", func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "INSERT INTO projects (name) VALUES ('Moon')"); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if got := w.logged(); len(got) != 0 {
		t.Errorf("logged: %q", got)
	}
}
