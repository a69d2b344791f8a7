package pglisten

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// candidates are the functions of a name, and what the current role may do with
// them. Nothing of it needs a privilege of its own.
const candidates = `SELECT pg_get_function_identity_arguments(p.oid), oidvectortypes(p.proargtypes), p.prokind = 'f' AND NOT p.proretset,
       format_type(p.prorettype, NULL), has_schema_privilege(n.oid, 'USAGE'), has_function_privilege(p.oid, 'EXECUTE'), current_user
  FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid
 WHERE n.nspname = $1 AND p.proname = $2`

// candidate is a row of candidates.
type candidate struct {
	Declared, Types string
	Scalar          bool
	Returns         string
	Usage, Execute  bool
	Role            string
}

// check says what keeps the functions from being called, as the role they will
// be called as.
func (f *Functions) check(ctx context.Context, pool *pgxpool.Pool) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return connectError(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it changed nothing
	if f.role != "" {
		if err := f.become(ctx, tx); err != nil {
			return err
		}
	}
	for _, fn := range []function{f.authenticate, f.authorize} {
		if fn.name == "" {
			continue
		}
		rows, err := tx.Query(ctx, candidates, pgx.QueryExecModeExec, fn.schema, fn.name)
		if err != nil {
			return fmt.Errorf("look for %s: %w", fn.text, err)
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[candidate])
		if err != nil {
			return fmt.Errorf("look for %s: %w", fn.text, err)
		}
		if err := fn.choose(all); err != nil {
			return fmt.Errorf("%s: %w", fn.key, err)
		}
	}
	return nil
}

// become takes the role on for the transaction.
func (f *Functions) become(ctx context.Context, tx pgx.Tx) error {
	var user string
	if err := tx.QueryRow(ctx, "SELECT session_user", pgx.QueryExecModeExec).Scan(&user); err != nil {
		return fmt.Errorf("ask for the user: %w", err)
	}
	_, err := tx.Exec(ctx, "SELECT set_config('role', $1, true)", pgx.QueryExecModeExec, f.role)
	refused, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && refused.Code == invalidParameter:
		return fmt.Errorf("auth.role: there is no role %q", f.role)
	case ok && refused.Code == insufficientPrivilege:
		return fmt.Errorf("auth.role: %q may not become %q (its owner grants it: GRANT %s TO %s)",
			user, f.role, pgx.Identifier{f.role}.Sanitize(), pgx.Identifier{user}.Sanitize())
	case err != nil:
		return fmt.Errorf("auth.role: %w", err)
	}
	return nil
}

// choose says what is wrong with the one that would be called.
func (f function) choose(all []candidate) error {
	wanted := fmt.Sprintf("%s(%s)", f.text, f.takes)
	i := slices.IndexFunc(all, func(c candidate) bool { return c.Types == strings.Join(f.types(), ", ") })
	if i < 0 {
		var others []string
		for _, c := range all {
			others = append(others, fmt.Sprintf("%s(%s)", f.text, c.Declared))
		}
		if others == nil {
			return fmt.Errorf("there is no function %s returns %s", wanted, f.returns)
		}
		return fmt.Errorf("there is no function %s returns %s, only %s", wanted, f.returns, strings.Join(others, ", "))
	}
	c := all[i]
	if !c.Scalar || c.Returns != f.returns {
		return fmt.Errorf("%s must be a function that returns one %s", wanted, f.returns)
	}
	var grants []string
	role := pgx.Identifier{c.Role}.Sanitize()
	if !c.Usage {
		grants = append(grants, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", pgx.Identifier{f.schema}.Sanitize(), role))
	}
	if !c.Execute {
		grants = append(grants, fmt.Sprintf("GRANT EXECUTE ON FUNCTION %s(%s) TO %s", f.text, c.Types, role))
	}
	if grants != nil {
		return fmt.Errorf("%s may not be called by role %q (its owner grants it: %s)", wanted, c.Role, strings.Join(grants, "; "))
	}
	return nil
}
