package pglisten

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// types is what Postgres knows of the watched tables' columns and of every type
// within them.
type types struct {
	columns map[uint32][]attribute // by table or composite type
	rows    map[uint32]typeRow
	made    map[uint32]*Type
}

// attribute is a column of a table or a field of a composite type.
type attribute struct {
	relation uint32
	name     string
	typ      uint32
	typeName string
	dims     int
	notNull  bool
	virtual  bool // generated when read: NULL in a trigger
}

type typeRow struct {
	name    string
	base    uint32 // of a domain
	dims    int    // of a domain over an array
	elem    uint32 // of an array
	fields  uint32 // the relation of a composite type
	labels  []string
	notNull bool
}

// reachable walks from the columns of watched tables into domains, arrays and
// composite types.
const reachable = `WITH RECURSIVE reachable (oid) AS (
  SELECT a.atttypid FROM pg_attribute a
   WHERE a.attrelid IN (SELECT w.source FROM rowcast.watch w) AND a.attnum > 0 AND NOT a.attisdropped
   UNION
  SELECT n.oid FROM reachable r JOIN pg_type p ON p.oid = r.oid CROSS JOIN LATERAL (
         SELECT p.typbasetype WHERE p.typtype = 'd'
         UNION ALL
         SELECT p.typelem WHERE EXISTS (SELECT FROM pg_type e WHERE e.oid = p.typelem AND e.typarray = p.oid)
         UNION ALL
         SELECT a.atttypid FROM pg_attribute a
          WHERE p.typtype = 'c' AND a.attrelid = p.typrelid AND a.attnum > 0 AND NOT a.attisdropped) n (oid))
`

const (
	askTypes = reachable + `SELECT p.oid, format_type(p.oid, NULL),
       CASE WHEN p.typtype = 'd' THEN p.typbasetype ELSE 0 END, p.typndims,
       coalesce((SELECT e.oid FROM pg_type e WHERE e.oid = p.typelem AND e.typarray = p.oid), 0),
       CASE WHEN p.typtype = 'c' THEN p.typrelid ELSE 0 END,
       ARRAY(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = p.oid ORDER BY e.enumsortorder),
       p.typnotnull
  FROM reachable r JOIN pg_type p ON p.oid = r.oid`
	askColumns = reachable + `SELECT a.attrelid, a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod),
       a.attndims::int, a.attnotnull, a.attgenerated = 'v'
  FROM pg_attribute a
 WHERE a.attnum > 0 AND NOT a.attisdropped
   AND (a.attrelid IN (SELECT w.source FROM rowcast.watch w)
     OR a.attrelid IN (SELECT p.typrelid FROM reachable r JOIN pg_type p ON p.oid = r.oid WHERE p.typtype = 'c'))
 ORDER BY a.attrelid, a.attnum`
)

func loadTypes(ctx context.Context, tx pgx.Tx) (*types, error) {
	t := &types{columns: map[uint32][]attribute{}, rows: map[uint32]typeRow{}, made: map[uint32]*Type{}}
	rows, err := tx.Query(ctx, askTypes)
	if err != nil {
		return nil, err
	}
	var oid uint32
	var row typeRow
	fields := []any{&oid, &row.name, &row.base, &row.dims, &row.elem, &row.fields, &row.labels, &row.notNull}
	_, err = pgx.ForEachRow(rows, fields, func() error {
		t.rows[oid] = row
		return nil
	})
	if err != nil {
		return nil, err
	}
	if rows, err = tx.Query(ctx, askColumns); err != nil {
		return nil, err
	}
	var a attribute
	fields = []any{&a.relation, &a.name, &a.typ, &a.typeName, &a.dims, &a.notNull, &a.virtual}
	_, err = pgx.ForEachRow(rows, fields, func() error {
		t.columns[a.relation] = append(t.columns[a.relation], a)
		return nil
	})
	return t, err
}

// column describes an attribute; its type bears the name with length and
// precision.
func (t *types) column(a attribute) Column {
	typ := *t.typ(a.typ)
	typ.Name = a.typeName
	typ.Dims = max(typ.Dims, a.dims)
	return Column{Name: a.name, Nullable: !a.notNull && !t.notNull(a.typ), Type: &typ}
}

// notNull reports whether a type is a domain without NULL; one takes that over
// from the domain it is made of.
func (t *types) notNull(oid uint32) bool {
	row := t.rows[oid]
	return row.notNull || row.base != 0 && t.notNull(row.base)
}

// typ describes a type. Postgres lets no type contain itself.
func (t *types) typ(oid uint32) *Type {
	if made, ok := t.made[oid]; ok {
		return made
	}
	row := t.rows[oid]
	typ := &Type{Name: row.name}
	t.made[oid] = typ
	switch {
	case row.base != 0:
		*typ = *t.typ(row.base)
		typ.Name = row.name
		typ.Dims = max(typ.Dims, row.dims)
	case row.elem != 0:
		typ.Kind, typ.Elem, typ.Dims = Array, t.typ(row.elem), 1
	case row.fields != 0:
		typ.Kind = Composite
		for _, a := range t.columns[row.fields] {
			a.notNull = false // of a table's row type: it binds the table only
			typ.Fields = append(typ.Fields, t.column(a))
		}
	case len(row.labels) > 0:
		typ.Enum = row.labels
	default:
		typ.Kind = kindOf(oid)
	}
	return typ
}

// kindOf sorts the built-in types, by their fixed oids (pg_type.dat), as
// row_to_json does.
func kindOf(oid uint32) Kind {
	switch oid {
	case 21, 23: // int2, int4
		return Number
	case 700, 701: // float4, float8
		return Float
	case 20, 1700, 790: // int8, numeric, money
		return Exact
	case 16:
		return Bool
	case 114, 3802: // json, jsonb
		return JSON
	case 1184: // timestamptz
		return Timestamp
	case 17:
		return Bytes
	}
	return Text
}
