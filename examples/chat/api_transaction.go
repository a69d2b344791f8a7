package chat

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// maxMutationID is what rowcast keeps of a mutation id.
const maxMutationID = 200

// transact runs work in a transaction whose events carry mutationID, by which
// the browser that made the change knows it again when it comes back. The true
// makes the setting local: it ends with the transaction, so the connection's
// next user does not inherit it.
func transact(ctx context.Context, db *pgxpool.Pool, mutationID string, work func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if mutationID != "" {
			if _, err := tx.Exec(ctx, "SELECT set_config('rowcast.mutation_id', $1, true)", mutationID); err != nil {
				return fmt.Errorf("set the mutation id: %w", err)
			}
		}
		return work(tx)
	})
}

// write answers with the one row that the statement returns.
func write[T any](a *API, r *http.Request, status int, sql string, args ...any) (reply, error) {
	mutationID := r.Header.Get("X-Mutation-Id")
	if len(mutationID) > maxMutationID {
		return reply{}, refusal{http.StatusBadRequest, fmt.Sprintf("X-Mutation-Id is longer than %d", maxMutationID)}
	}
	ctx := r.Context()
	var row T
	began := time.Now()
	err := transact(ctx, a.db, mutationID, func(tx pgx.Tx) (err error) {
		row, err = one[T](ctx, tx, sql, args...)
		return err
	})
	return reply{status: status, body: row, commit: time.Since(began)}, err
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// one returns the row of the statement, or pgx.ErrNoRows.
func one[T any](ctx context.Context, db querier, sql string, args ...any) (T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		var none T
		return none, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
}

// all returns the rows of the statement: not nil, which JSON would call null.
func all[T any](ctx context.Context, db querier, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}

// read answers with the one row of the statement, and list with all of them.
func read[T any](a *API, r *http.Request, sql string, args ...any) (reply, error) {
	row, err := one[T](r.Context(), a.db, sql, args...)
	return reply{body: row}, err
}

func list[T any](a *API, r *http.Request, sql string, args ...any) (reply, error) {
	rows, err := all[T](r.Context(), a.db, sql, args...)
	return reply{body: rows}, err
}
