-- The trigger functions: what runs inside an application's own writes.
--
-- They may not raise, they may not wait, and they may not be used to become the
-- owner of this schema. So, in the three capture functions and in every
-- statement they build:
--
--   * every name is qualified: functions, types, casts and operators. They are
--     SECURITY DEFINER and run under the writer's search_path, in which a type
--     called text or an operator called = may be anybody's. Hence no IN,
--     IS DISTINCT FROM, NULLIF, BETWEEN or CASE x WHEN: they look up "=" there;
--   * there is no SET clause (5 us a row) and no EXCEPTION block (a
--     subtransaction a row: 64 of them overflow a cache of the whole cluster);
--   * no column is named in advance, or the next ALTER TABLE would break the
--     writer. Rows go whole through row_to_json, and where columns must be
--     picked, the statement is built from the catalogue as it is then;
--   * JSON is never parsed: a json column may hold \u0000, on which all of
--     ->>, json_each and ::jsonb fail;
--   * rows are compared by *= (their bytes): json, xml and point have no "=".
--
-- They take the xid, then read the doorbell, once, then log, in this order. A
-- reader that falls asleep waits for the xids that may have read its promise;
-- and those after them, whose log rows' ids come later still, write to the slot
-- whose turn it was, or a later one. (An xid is no matter of course: a row that
-- goes to a foreign partition takes none.)
--
-- Trigger arguments: the watch's id (a relation's oid would differ in a
-- restored dump and in each partition), max_bytes, 'whole' or 'chosen' (some
-- columns are left out or sent as text), 'changed' or 'unchanged' (whether an
-- UPDATE that changes nothing is logged).

-- +goose Up

CREATE TABLE rowcast.watch (
  id             int         GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- below 0: rowcast's own
  source         regclass    NOT NULL,            -- dumped by name
  topic_column   name,
  subject_column name,                            -- NULL: a watch of events; else one of access, whose it is
  topics         text[]      NOT NULL,            -- templates: 'topic_{topic_id}'
  entity         text        NOT NULL,            -- 'message' makes message_created; 'access' makes no events
  ops            text[]      NOT NULL,
  exclude        name[]      NOT NULL,
  columns        name[],                          -- NULL: all
  as_text        name[]      NOT NULL,            -- columns whose own cast to json might raise
  level          text        NOT NULL,            -- 'row' or 'statement'
  include_old    boolean     NOT NULL,
  max_bytes      int         NOT NULL,
  derive         jsonb       NOT NULL,
  unchanged      boolean     NOT NULL,
  always         boolean     NOT NULL,
  created        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  ended          timestamptz                      -- a row is never changed but for this
);
CREATE UNIQUE INDEX watch_live ON rowcast.watch (source, (subject_column IS NOT NULL)) WHERE ended IS NULL;

-- Which transaction has called bulk() for which watch. The setting
-- rowcast.bulk, which anybody can set, only says that a look here is worth it.
CREATE TABLE rowcast.silence (
  xid   xid8,
  watch int,
  PRIMARY KEY (xid, watch)
);

-- A row's size overflows its int4 from 2 GB on, hence the lower bounds.
CREATE FUNCTION rowcast.is_small(size int, most int) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT size OPERATOR(pg_catalog.>=) 0 AND size OPERATOR(pg_catalog.<=) most
$$;

CREATE FUNCTION rowcast.if_small(value json, most int) RETURNS json LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN pg_catalog.pg_column_size(value) OPERATOR(pg_catalog.<=) most THEN value END
$$;

-- Too large to be handled as one value (1 GB at most, and copies are made):
-- such a change is told as a $resync of its watch.
CREATE FUNCTION rowcast.is_huge(size int) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT size OPERATOR(pg_catalog.<) 0 OR size OPERATOR(pg_catalog.>) 536870912
$$;

-- The type behind a domain.
CREATE FUNCTION rowcast.base_type(type oid) RETURNS oid LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE d AS (
    SELECT $1 AS oid
    UNION ALL
    SELECT t.typbasetype FROM d JOIN pg_type t ON t.oid = d.oid WHERE t.typtype = 'd'
  )
  SELECT d.oid FROM d JOIN pg_type t ON t.oid = d.oid WHERE t.typtype <> 'd'
$$;

-- The columns of a relation that a watch captures, in their order, and how SQL
-- writes their values: %s stands for the column. Needed are key, topic and
-- subject columns, without which there is no telling whom a change concerns, and
-- what derived types ask for: they are captured always, and kept in cut rows.
--
-- format() calls a type's output function, which only a superuser can have
-- written; a cast could be anybody's.
-- +goose StatementBegin
CREATE FUNCTION rowcast.captured(watch_id int, rel oid)
RETURNS TABLE (num smallint, name name, needed boolean, value text, cut_value text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  w        rowcast.watch;
  need     name[];
  as_text  text := 'CASE WHEN pg_catalog.num_nulls(%1$s) OPERATOR(pg_catalog.=) 0 THEN pg_catalog.format(''%%s'', %1$s) END';
  cut_text text := 'CASE WHEN pg_catalog.num_nulls(%1$s) OPERATOR(pg_catalog.=) 0 THEN pg_catalog.left(pg_catalog.format(''%%s'', %1$s), 1000) END';
BEGIN
  SELECT * INTO w FROM rowcast.watch x WHERE x.id = watch_id;
  need := ARRAY(SELECT k.attname FROM pg_index i JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
                 WHERE i.indrelid = w.source AND i.indisprimary) || w.topic_column || w.subject_column;
  -- Of these, one is gone: there is no telling which UPDATE counts, so each does.
  IF w.subject_column IS NOT NULL AND w.columns IS NOT NULL AND rowcast.column_fault(w) IS NOT NULL THEN
    w.columns := NULL;
  END IF;
  IF w.derive <> '[]' THEN
    need := need || ARRAY(SELECT (d->>'column')::name FROM jsonb_array_elements(w.derive) d UNION ALL
                          SELECT f.value::name FROM jsonb_array_elements(w.derive) d, jsonb_each_text(d->'fields') f);
  END IF;
  RETURN QUERY
    SELECT a.attnum, a.attname, n.needed,
           CASE WHEN a.attname = ANY (w.as_text) THEN as_text ELSE '%1$s' END,
           CASE WHEN NOT n.needed THEN NULL
                -- Numbers, times and the like as they are, of all else the first 1000 characters.
                WHEN b.type < 16384 AND a.attlen > 0 OR b.type = 'numeric'::regtype THEN '%1$s'
                WHEN b.type IN ('text'::regtype, 'varchar'::regtype) THEN 'pg_catalog.left(%1$s::pg_catalog.text, 1000)'
                ELSE cut_text END
      FROM pg_attribute a
     CROSS JOIN LATERAL (SELECT a.attname = ANY (array_remove(need, NULL)) OR strpos(array_to_string(w.topics, ' '), '{' || a.attname || '}') > 0 AS needed) n
     CROSS JOIN LATERAL (SELECT CASE WHEN a.atttypid >= 16384 THEN rowcast.base_type(a.atttypid) ELSE a.atttypid END AS type) b
     WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attgenerated <> 'v'  -- virtual columns are null inside triggers
       AND (n.needed OR (w.columns IS NULL OR a.attname = ANY (w.columns)) AND a.attname <> ALL (w.exclude))
     ORDER BY a.attnum;
END $$;
-- +goose StatementEnd

-- A REPEATABLE READ transaction sees the catalogue, and the watches, as they were
-- when it began, but writes the table as it is: a column that it sees may be gone.
-- Whether that is so. seen is a row as JSON, all of it null, for its keys.
CREATE FUNCTION rowcast.is_outdated(watch_id int, rel oid, seen json) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT NOT EXISTS (SELECT FROM rowcast.watch w WHERE w.id = watch_id)
      OR ARRAY(SELECT k COLLATE "C" FROM json_object_keys(seen) k ORDER BY 1)
      <> ARRAY(SELECT a.attname::text COLLATE "C" FROM pg_attribute a WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1)
$$;

-- How captured columns become JSON, for watches that choose columns: $1 the old
-- row, $2 the new one. OFFSET 0, or each use of a row would be a copy of it.
-- +goose StatementBegin
CREATE FUNCTION rowcast.json_statement(watch_id int, rel oid, op text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  made text := '(SELECT pg_catalog.row_to_json(j.*) FROM (SELECT %s) j)';
  none text := 'NULL::pg_catalog.json';
  old  text;
  new  text;
BEGIN
  SELECT string_agg(format('%s AS %I', format(c.value, format('(p.o).%I', c.name)), c.name), ', ') FILTER (WHERE op <> 'INSERT'),
         string_agg(format('%s AS %I', format(c.value, format('(p.n).%I', c.name)), c.name), ', ') FILTER (WHERE op <> 'DELETE')
    INTO old, new
    FROM rowcast.captured(watch_id, rel) c;
  RETURN format('SELECT %s, %s FROM (SELECT $1 AS o, $2 AS n OFFSET 0) p',
                CASE WHEN old IS NULL THEN none ELSE format(made, old) END,
                CASE WHEN new IS NULL THEN none ELSE format(made, new) END);
END $$;
-- +goose StatementEnd

-- What there is no telling in rows is told as one $resync of the watch. The
-- parameters are those of log_statement.
CREATE FUNCTION rowcast.resync_statement(watch_id int) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('INSERT INTO rowcast.log (xid, watch, op, at, mutation_id) SELECT $3, %s, ''B'', $4, $5', watch_id)
$$;

-- The slow path: a statement that logs what was written, built from the
-- catalogue as it is at this moment. For rows over max_bytes and for triggers
-- at statement level.
--
-- Parameters of the statement: $1 the old row, $2 the new one (row level),
-- $3 xid, $4 time, $5 mutation id. Its shape, from the inside out:
--
--   written   the rows: at row level as o and n, else as o1 n1 o2 n2 …
--   tried     … and each as JSON, if it is small enough to try      (oj, nj)
--   kept      … JSON over max_bytes replaced by the needed columns
--
-- The OFFSET 0 between them keep the planner from merging the levels, that is
-- from computing a thing twice, or before it is known to be small.
-- +goose StatementBegin
CREATE FUNCTION rowcast.log_statement(watch_id int, rel oid, op text, by_row boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  w       rowcast.watch;
  list    record;           -- the captured columns, written out for every place they come to
  tries   text := 'CASE WHEN (SELECT pg_catalog.sum(s.s) OPERATOR(pg_catalog.<=) %s FROM pg_catalog.unnest(ARRAY[%s]::pg_catalog.int4[]) s(s)) IS NOT FALSE'
                  ' THEN (SELECT pg_catalog.row_to_json(j.*) FROM (SELECT %s) j) END AS %sj';
  fits    text := 'pg_catalog.pg_column_size(p.%sj) OPERATOR(pg_catalog.<=) %s';
  keeps   text := 'CASE WHEN %1$s THEN p.%2$sj ELSE (SELECT pg_catalog.row_to_json(j.*) FROM (SELECT %3$s) j) END AS %2$s, CASE WHEN %1$s THEN 0 ELSE %4$s END AS %2$s_cut';
  o_fits  text;
  n_fits  text;
  o_tried text := 'NULL AS oj';
  n_tried text := 'NULL AS nj';
  o_kept  text := 'NULL::pg_catalog.json AS o, 0 AS o_cut';
  n_kept  text := 'NULL::pg_catalog.json AS n, 0 AS n_cut';
  changed text := 'NULL::pg_catalog.text[]';  -- an UPDATE: which columns, where the JSON cannot tell
  differ  text := 'true';                     -- … and whether there is anything to tell
  written text;
BEGIN
  SELECT * INTO w FROM rowcast.watch x WHERE x.id = watch_id;
  IF NOT FOUND THEN  -- somebody has deleted it
    RETURN rowcast.resync_statement(watch_id);
  END IF;
  SELECT count(*) AS columns,
         string_agg(format('pg_catalog.pg_column_size(%s)', e.o), ', ') AS o_sizes,
         string_agg(format('pg_catalog.pg_column_size(%s)', e.n), ', ') AS n_sizes,
         string_agg(format('%s AS %I', format(c.value, e.o), c.name), ', ') AS o_whole,
         string_agg(format('%s AS %I', format(c.value, e.n), c.name), ', ') AS n_whole,
         string_agg(format('%s AS %I', format(c.cut_value, e.o), c.name), ', ') FILTER (WHERE c.needed) AS o_cut,
         string_agg(format('%s AS %I', format(c.cut_value, e.n), c.name), ', ') FILTER (WHERE c.needed) AS n_cut,
         string_agg(format('CASE WHEN pg_catalog.record_image_ne(ROW(%s), ROW(%s)) THEN %L END', e.o, e.n, c.name), ', ') AS changed,
         coalesce(string_agg(format(', x.%I AS o%s', c.name, c.num), ''), '') AS o_read,
         coalesce(string_agg(format(', x.%I AS n%s', c.name, c.num), ''), '') AS n_read,
         coalesce(string_agg(format(', o.o%1$s, n.n%1$s', c.num), ''), '') AS paired
    INTO list
    FROM rowcast.captured(watch_id, rel) c
   CROSS JOIN LATERAL (SELECT CASE WHEN by_row THEN format('(p.o).%I', c.name) ELSE 'p.o' || c.num END AS o,
                              CASE WHEN by_row THEN format('(p.n).%I', c.name) ELSE 'p.n' || c.num END AS n) e;

  o_fits := format(fits, 'o', w.max_bytes);
  n_fits := format(fits, 'n', w.max_bytes);
  IF op <> 'INSERT' THEN
    o_tried := format(tries, w.max_bytes, list.o_sizes, list.o_whole, 'o');
    o_kept := format(keeps, o_fits, 'o', list.o_cut, CASE op WHEN 'DELETE' THEN 1 ELSE 2 END);
  END IF;
  IF op <> 'DELETE' THEN
    n_tried := format(tries, w.max_bytes, list.n_sizes, list.n_whole, 'n');
    n_kept := format(keeps, n_fits, 'n', list.n_cut, 1);
  END IF;
  IF op = 'UPDATE' THEN
    changed := format('CASE WHEN %s AND %s THEN NULL ELSE pg_catalog.array_remove(ARRAY[%s]::pg_catalog.text[], NULL) END', o_fits, n_fits, list.changed);
    IF NOT w.unchanged THEN
      differ := 'pg_catalog.cardinality(k.changed) OPERATOR(pg_catalog.>) 0 OR k.changed IS NULL AND k.o::pg_catalog.text OPERATOR(pg_catalog.<>) k.n::pg_catalog.text';
    END IF;
  END IF;

  IF by_row THEN
    written := 'SELECT 1 AS rn, $1 AS o, $2 AS n OFFSET 0';
  ELSIF op = 'INSERT' THEN
    written := format('SELECT pg_catalog.row_number() OVER () AS rn%s FROM rowcast_new x', list.n_read);
  ELSIF op = 'DELETE' THEN
    written := format('SELECT pg_catalog.row_number() OVER () AS rn%s FROM rowcast_old x', list.o_read);
  ELSIF list.columns <= 800 THEN
    -- PostgreSQL fills the tables of old and new rows pairwise, so position
    -- pairs them. FULL JOIN because it can only be a hash or a merge join: a
    -- plain join became a nested loop.
    written := format('SELECT n.rn%s FROM (SELECT pg_catalog.row_number() OVER () AS rn%s FROM rowcast_old x) o'
                      ' FULL JOIN (SELECT pg_catalog.row_number() OVER () AS rn%s FROM rowcast_new x) n ON n.rn OPERATOR(pg_catalog.=) o.rn',
                      list.paired, list.o_read, list.n_read);
  ELSE
    RETURN rowcast.resync_statement(watch_id);  -- a SELECT has at most 1664 columns
  END IF;

  RETURN format(
    'INSERT INTO rowcast.log (xid, watch, op, flags, at, mutation_id, data, old, changed)'
    ' SELECT $3, %s, %L, k.o_cut OPERATOR(pg_catalog.+) k.n_cut, $4, $5, %s, k.changed FROM ('
      'SELECT p.rn, %s, %s, %s AS changed FROM (SELECT p.*, %s, %s FROM (%s) p OFFSET 0) p OFFSET 0) k'
    ' WHERE %s ORDER BY k.rn',
    watch_id, left(op, 1), CASE op WHEN 'DELETE' THEN 'k.o, NULL' ELSE 'k.n, k.o' END,
    o_kept, n_kept, changed, o_tried, n_tried, written, differ);
END $$;
-- +goose StatementEnd

-- One row was written.
-- +goose StatementBegin
CREATE FUNCTION rowcast.capture_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_variable
DECLARE
  made     pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  ms       pg_catalog.int8 := pg_catalog.date_part('epoch', made) OPERATOR(pg_catalog.*) 1000;
  xid      pg_catalog.xid8 := pg_catalog.pg_current_xact_id();  -- first of all, see above
  bell     pg_catalog.int8 := pg_catalog.pg_sequence_last_value('rowcast.doorbell');
  watch_id pg_catalog.int4 := TG_ARGV[0];
  most     pg_catalog.int4 := TG_ARGV[1];
  mutation pg_catalog.text;
  shape    pg_catalog.json;           -- see is_outdated
  too_old  pg_catalog.bool := false;
  before   pg_catalog.json;
  after    pg_catalog.json;
  whole    pg_catalog.bool := false;
BEGIN
  IF rowcast.is_abandoned(bell, ms) THEN
    RETURN NULL;
  END IF;
  IF pg_catalog.current_setting('rowcast.bulk', true) OPERATOR(pg_catalog.=) 'on' THEN
    IF EXISTS (SELECT FROM rowcast.silence s WHERE s.xid OPERATOR(pg_catalog.=) xid AND s.watch OPERATOR(pg_catalog.=) watch_id) THEN
      RETURN NULL;
    END IF;
  END IF;

  -- pg_column_size sees compressed values, hence the second look at the JSON.
  IF TG_ARGV[2] OPERATOR(pg_catalog.=) 'whole' THEN
    IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
      IF rowcast.is_small(pg_catalog.pg_column_size(NEW), most) THEN
        after := pg_catalog.row_to_json(NEW.*);
        whole := pg_catalog.pg_column_size(after) OPERATOR(pg_catalog.<=) most;
      END IF;
    ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
      IF rowcast.is_small(pg_catalog.pg_column_size(OLD), most) THEN
        after := pg_catalog.row_to_json(OLD.*);
        whole := pg_catalog.pg_column_size(after) OPERATOR(pg_catalog.<=) most;
      END IF;
    ELSIF rowcast.is_small(pg_catalog.pg_column_size(OLD), most) AND rowcast.is_small(pg_catalog.pg_column_size(NEW), most) THEN
      IF TG_ARGV[3] OPERATOR(pg_catalog.=) 'changed' AND OLD OPERATOR(pg_catalog.*=) NEW THEN
        RETURN NULL;
      END IF;
      before := pg_catalog.row_to_json(OLD.*);
      after := pg_catalog.row_to_json(NEW.*);
      whole := pg_catalog.pg_column_size(before) OPERATOR(pg_catalog.<=) most AND pg_catalog.pg_column_size(after) OPERATOR(pg_catalog.<=) most;
    END IF;
  END IF;

  IF NOT whole THEN
    mutation := pg_catalog.left(pg_catalog.current_setting('rowcast.mutation_id', true), 200);
    IF pg_catalog.left(pg_catalog.current_setting('transaction_isolation'), 5) OPERATOR(pg_catalog.<>) 'read ' THEN
      EXECUTE 'SELECT pg_catalog.row_to_json(j.*) FROM (SELECT x.* FROM (SELECT) one LEFT JOIN (SELECT ($1).*) x ON false) j' INTO shape USING NEW;
      too_old := rowcast.is_outdated(watch_id, TG_RELID, shape);
    END IF;
    IF too_old OR rowcast.is_huge(pg_catalog.pg_column_size(OLD)) OR rowcast.is_huge(pg_catalog.pg_column_size(NEW)) THEN
      EXECUTE rowcast.resync_statement(watch_id) USING NULL, NULL, xid, made, mutation;
    ELSE
      IF TG_ARGV[2] OPERATOR(pg_catalog.=) 'chosen'
         AND rowcast.is_small(pg_catalog.pg_column_size(OLD), most) IS NOT FALSE AND rowcast.is_small(pg_catalog.pg_column_size(NEW), most) IS NOT FALSE THEN
        EXECUTE rowcast.json_statement(watch_id, TG_RELID, TG_OP) INTO before, after USING OLD, NEW;
        whole := (pg_catalog.pg_column_size(COALESCE(before, after)) OPERATOR(pg_catalog.<=) most
              AND pg_catalog.pg_column_size(COALESCE(after, before)) OPERATOR(pg_catalog.<=) most) IS TRUE;
        IF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
          after := before;
          before := NULL;
        ELSIF whole AND TG_ARGV[3] OPERATOR(pg_catalog.=) 'changed' AND before::pg_catalog.text OPERATOR(pg_catalog.=) after::pg_catalog.text THEN
          RETURN NULL;
        END IF;
      END IF;
      IF NOT whole THEN
        EXECUTE rowcast.log_statement(watch_id, TG_RELID, TG_OP, true) USING OLD, NEW, xid, made, mutation;
      END IF;
    END IF;
  END IF;

  IF whole THEN
    INSERT INTO rowcast.log (xid, watch, op, at, mutation_id, data, old)
    VALUES (xid, watch_id, TG_OP::pg_catalog."char", made,
            pg_catalog.left(pg_catalog.current_setting('rowcast.mutation_id', true), 200), after, before);
  END IF;

  IF rowcast.must_ring(bell, ms) THEN
    PERFORM pg_catalog.pg_notify('rowcast', '');
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd

-- One statement has written any number of rows.
--
-- The usual case is static: all rows as JSON, or, if one of them is over
-- max_bytes, none (whole comes out false) and the slow path for the statement.
-- OFFSET 0 and MATERIALIZED: each row's JSON is made once, after its guard.
-- +goose StatementBegin
CREATE FUNCTION rowcast.capture_statement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_variable
DECLARE
  made     pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  ms       pg_catalog.int8 := pg_catalog.date_part('epoch', made) OPERATOR(pg_catalog.*) 1000;
  xid      pg_catalog.xid8 := pg_catalog.pg_current_xact_id_if_assigned();
  bell     pg_catalog.int8 := pg_catalog.pg_sequence_last_value('rowcast.doorbell');
  watch_id pg_catalog.int4 := TG_ARGV[0];
  most     pg_catalog.int4 := TG_ARGV[1];
  mutation pg_catalog.text := pg_catalog.left(pg_catalog.current_setting('rowcast.mutation_id', true), 200);
  all_too  pg_catalog.bool := TG_ARGV[3] OPERATOR(pg_catalog.=) 'unchanged';
  plain    pg_catalog.bool;
  whole    pg_catalog.bool := false;
  logged   pg_catalog.int8 := 0;
  shape    pg_catalog.json;           -- see is_outdated
  too_old  pg_catalog.bool := false;
BEGIN
  IF xid IS NULL OR rowcast.is_abandoned(bell, ms) THEN  -- no xid: nothing was written, there or here
    RETURN NULL;
  END IF;
  IF pg_catalog.current_setting('rowcast.bulk', true) OPERATOR(pg_catalog.=) 'on' THEN
    IF EXISTS (SELECT FROM rowcast.silence s WHERE s.xid OPERATOR(pg_catalog.=) xid AND s.watch OPERATOR(pg_catalog.=) watch_id) THEN
      RETURN NULL;
    END IF;
  END IF;

  -- x.* makes one value of a row, which fails above 1 GB. No row is that large
  -- where the TOAST table is not. (A bare x would mean a column called x.)
  SELECT TG_ARGV[2] OPERATOR(pg_catalog.=) 'whole' AND NOT c.relhassubclass
         AND COALESCE(pg_catalog.pg_relation_size(c.reltoastrelid), 0) OPERATOR(pg_catalog.<) 536870912
    INTO plain FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) TG_RELID;

  IF plain IS NOT TRUE THEN  -- NULL: a table made after a REPEATABLE READ transaction began
    NULL;
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
    WITH n AS MATERIALIZED (
      SELECT rowcast.if_small(t.json, most) AS json
        FROM (SELECT CASE WHEN rowcast.is_small(pg_catalog.pg_column_size(x.*), most) THEN pg_catalog.row_to_json(x.*) END AS json FROM rowcast_new x OFFSET 0) t
    ), l AS (
      INSERT INTO rowcast.log (xid, watch, op, at, mutation_id, data)
      SELECT xid, watch_id, 'I', made, mutation, n.json
        FROM n WHERE NOT EXISTS (SELECT FROM n WHERE n.json IS NULL)
    )
    SELECT pg_catalog.bool_and(n.json IS NOT NULL) IS NOT FALSE, pg_catalog.count(*) INTO whole, logged FROM n;
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
    WITH o AS MATERIALIZED (
      SELECT rowcast.if_small(t.json, most) AS json
        FROM (SELECT CASE WHEN rowcast.is_small(pg_catalog.pg_column_size(x.*), most) THEN pg_catalog.row_to_json(x.*) END AS json FROM rowcast_old x OFFSET 0) t
    ), l AS (
      INSERT INTO rowcast.log (xid, watch, op, at, mutation_id, data)
      SELECT xid, watch_id, 'D', made, mutation, o.json
        FROM o WHERE NOT EXISTS (SELECT FROM o WHERE o.json IS NULL)
    )
    SELECT pg_catalog.bool_and(o.json IS NOT NULL) IS NOT FALSE, pg_catalog.count(*) INTO whole, logged FROM o;
  ELSE
    -- PostgreSQL fills the tables of old and new rows pairwise, so position
    -- pairs them. FULL JOIN because it can only be a hash or a merge join: a
    -- plain join became a nested loop.
    WITH u AS MATERIALIZED (
      SELECT n.rn, rowcast.if_small(o.json, most) AS old, rowcast.if_small(n.json, most) AS new
        FROM (SELECT pg_catalog.row_number() OVER () AS rn, t.json
                FROM (SELECT CASE WHEN rowcast.is_small(pg_catalog.pg_column_size(x.*), most) THEN pg_catalog.row_to_json(x.*) END AS json FROM rowcast_old x OFFSET 0) t) o
        FULL JOIN
             (SELECT pg_catalog.row_number() OVER () AS rn, t.json
                FROM (SELECT CASE WHEN rowcast.is_small(pg_catalog.pg_column_size(x.*), most) THEN pg_catalog.row_to_json(x.*) END AS json FROM rowcast_new x OFFSET 0) t) n
             ON n.rn OPERATOR(pg_catalog.=) o.rn
       WHERE all_too OR (o.json::pg_catalog.text OPERATOR(pg_catalog.=) n.json::pg_catalog.text) IS NOT TRUE
    ), l AS (
      INSERT INTO rowcast.log (xid, watch, op, at, mutation_id, data, old)
      SELECT xid, watch_id, 'U', made, mutation, u.new, u.old
        FROM u WHERE NOT EXISTS (SELECT FROM u WHERE u.new IS NULL OR u.old IS NULL)
       ORDER BY u.rn
    )
    SELECT pg_catalog.bool_and(u.new IS NOT NULL AND u.old IS NOT NULL) IS NOT FALSE, pg_catalog.count(*) INTO whole, logged FROM u;
  END IF;

  IF NOT whole THEN
    IF pg_catalog.left(pg_catalog.current_setting('transaction_isolation'), 5) OPERATOR(pg_catalog.<>) 'read ' THEN
      EXECUTE pg_catalog.format('SELECT pg_catalog.row_to_json(j.*) FROM (SELECT x.* FROM (SELECT) one LEFT JOIN %I x ON false) j',
                                CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN 'rowcast_old' ELSE 'rowcast_new' END) INTO shape;
      too_old := rowcast.is_outdated(watch_id, TG_RELID, shape);
    END IF;
    EXECUTE CASE WHEN too_old THEN rowcast.resync_statement(watch_id) ELSE rowcast.log_statement(watch_id, TG_RELID, TG_OP, false) END
      USING NULL, NULL, xid, made, mutation;
    GET DIAGNOSTICS logged = ROW_COUNT;
  END IF;

  IF logged OPERATOR(pg_catalog.>) 0 AND rowcast.must_ring(bell, ms) THEN
    PERFORM pg_catalog.pg_notify('rowcast', '');
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd

-- TRUNCATE has no rows to tell of: the daemon makes a $resync of it.
-- +goose StatementBegin
CREATE FUNCTION rowcast.capture_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  made pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  ms   pg_catalog.int8 := pg_catalog.date_part('epoch', made) OPERATOR(pg_catalog.*) 1000;
  xid  pg_catalog.xid8 := pg_catalog.pg_current_xact_id();
  bell pg_catalog.int8 := pg_catalog.pg_sequence_last_value('rowcast.doorbell');
BEGIN
  IF rowcast.is_abandoned(bell, ms) THEN
    RETURN NULL;
  END IF;
  INSERT INTO rowcast.log (xid, watch, op, at, mutation_id)
  VALUES (xid, TG_ARGV[0]::pg_catalog.int4, 'T', made,
          pg_catalog.left(pg_catalog.current_setting('rowcast.mutation_id', true), 200));
  IF rowcast.must_ring(bell, ms) THEN
    PERFORM pg_catalog.pg_notify('rowcast', '');
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION rowcast.capture_truncate();
DROP FUNCTION rowcast.capture_statement();
DROP FUNCTION rowcast.capture_row();
DROP FUNCTION rowcast.log_statement(int, oid, text, boolean);
DROP FUNCTION rowcast.resync_statement(int);
DROP FUNCTION rowcast.json_statement(int, oid, text);
DROP FUNCTION rowcast.is_outdated(int, oid, json);
DROP FUNCTION rowcast.captured(int, oid);
DROP FUNCTION rowcast.base_type(oid);
DROP FUNCTION rowcast.is_huge(int);
DROP FUNCTION rowcast.if_small(json, int);
DROP FUNCTION rowcast.is_small(int, int);
DROP TABLE rowcast.silence;
DROP TABLE rowcast.watch;
