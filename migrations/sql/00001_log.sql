-- The event log and the few values around it.
--
-- A change is written here by a trigger, in the transaction that made it. The
-- daemon reads the rows, tells its clients and throws whole slots away again:
-- nothing is ever updated, and nothing waits for VACUUM.

-- +goose Up

-- goose makes the schema and rowcast.schema_version first; nobody else gets in.
REVOKE ALL ON SCHEMA rowcast FROM PUBLIC;

CREATE TABLE rowcast.log (
  -- The turn times 10^10, and a count. CACHE 1, always: no session may keep ids of an earlier
  -- turn, and within one reading the order of ids is the order of cause and effect.
  id          bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
  xid         xid8        NOT NULL,            -- the top-level transaction: what a reader's snapshot is asked about
  watch       int         NOT NULL,            -- rowcast.watch.id; 0 for emit() and revoke()
  op          "char"      NOT NULL,            -- Insert Update Delete Truncate Emit Revoke, B: a bulk() marker
  flags       smallint    NOT NULL DEFAULT 0,  -- 1: data is cut, 2: old is cut (key and topic columns only)
  at          timestamptz NOT NULL,            -- when the change was made, not when it was committed
  mutation_id text,
  data        json,                            -- I, U: the new row; D: the old one; E: the payload
  old         json,                            -- U: the old row
  changed     text[],                          -- U with something cut: the columns that changed
  type        text,                            -- E; R: whose access, NULL: everyone's
  topics      text[]                           -- E; R: a topic, or a pattern with *
) PARTITION BY LIST ((id OPERATOR(pg_catalog./) 10000000000 OPERATOR(pg_catalog.%) 8));

-- Rows are read once and thrown away: compressing them would be the writer's time.
ALTER TABLE rowcast.log ALTER COLUMN data SET STORAGE EXTERNAL, ALTER COLUMN old SET STORAGE EXTERNAL;

-- The reader asks for the transactions that were not visible last time.
CREATE INDEX log_xid ON rowcast.log (xid);

-- The slots, which take turns: turn 11 is written into slot 3. All eight are
-- there from the beginning: no DDL at run time, and no writer ever hears "no
-- partition found". They are emptied by TRUNCATE alone, so vacuuming them after
-- inserts would be work for nothing.
CREATE TABLE rowcast.log_0 PARTITION OF rowcast.log FOR VALUES IN (0) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rowcast.log_1 PARTITION OF rowcast.log FOR VALUES IN (1) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rowcast.log_2 PARTITION OF rowcast.log FOR VALUES IN (2) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rowcast.log_3 PARTITION OF rowcast.log FOR VALUES IN (3) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rowcast.log_4 PARTITION OF rowcast.log FOR VALUES IN (4) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rowcast.log_5 PARTITION OF rowcast.log FOR VALUES IN (5) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rowcast.log_6 PARTITION OF rowcast.log FOR VALUES IN (6) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE TABLE rowcast.log_7 PARTITION OF rowcast.log FOR VALUES IN (7) WITH (autovacuum_vacuum_insert_threshold = -1);

-- Whose turn it is, or -1 before the first row. rowcast.rotate() moves the
-- sequence on to the next. So a row's slot costs its writer nothing; and whoever
-- takes an xid after the turn was seen writes into this slot or a later one.
CREATE FUNCTION rowcast.turn() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT COALESCE(pg_catalog.pg_sequence_last_value('rowcast.log_id_seq') OPERATOR(pg_catalog./) 10000000000, '-1'::pg_catalog.int8)
$$;

-- What was thrown away: everything the snapshot sees may be gone from the slot.
CREATE TABLE rowcast.mark (
  slot     smallint    PRIMARY KEY,
  snapshot pg_snapshot NOT NULL,
  at       timestamptz NOT NULL
);

-- Which life of which database this log belongs to. UNLOGGED on purpose: crash
-- recovery and promotion empty it, which is how the daemon learns of them.
CREATE UNLOGGED TABLE rowcast.epoch (
  one      boolean     PRIMARY KEY DEFAULT true CHECK (one),
  epoch    text        NOT NULL CHECK (epoch OPERATOR(pg_catalog.~) '^[a-z0-9]{4,10}$'),
  identity text        NOT NULL,  -- rowcast.current_identity() when it began
  started  timestamptz NOT NULL,
  xid      xid8        NOT NULL,  -- of the transaction that began it
  snapshot pg_snapshot NOT NULL   -- what that saw, and so sees every cursor of the epoch
);

-- A reader's last promise, in milliseconds of this server's clock.
--   ahead:     "I poll until then": writers need not ring
--   past:      asleep since then: ring
--   negative:  the same time, but never ring (capture.mode: poll)
--   never set: no daemon has come yet: log nothing
-- A sequence, because it is read and written outside of transactions: a writer
-- in REPEATABLE READ sees the newest promise, and no row is ever left to vacuum.
CREATE SEQUENCE rowcast.doorbell MINVALUE -9223372036854775808;

-- The three functions below are plain SQL without a SET clause so that the
-- planner puts their bodies in place of the call: they cost a trigger nothing.

-- How long the log is kept; rowcast.configure() replaces it.
CREATE FUNCTION rowcast.retention_ms() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 7200000::pg_catalog.int8 $$;

-- Nobody has looked for as long as the log is kept, or ever: writing on would
-- only fill the disk. The daemon that comes back begins a new epoch.
CREATE FUNCTION rowcast.is_abandoned(bell bigint, ms bigint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT bell IS NULL OR ms OPERATOR(pg_catalog.-) pg_catalog.abs(bell) OPERATOR(pg_catalog.>) rowcast.retention_ms()
$$;

-- A promise further ahead than a second is nobody's: a clock was set back. One
-- of this very millisecond is none either, but a reader that falls asleep (+ 1,
-- because reader and writer may round a half in different directions).
CREATE FUNCTION rowcast.must_ring(bell bigint, ms bigint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT bell OPERATOR(pg_catalog.>=) 0
     AND NOT (bell OPERATOR(pg_catalog.>) (ms OPERATOR(pg_catalog.+) 1) AND bell OPERATOR(pg_catalog.<=) (ms OPERATOR(pg_catalog.+) 1000))
$$;

-- +goose Down
DROP FUNCTION rowcast.must_ring(bigint, bigint);
DROP FUNCTION rowcast.is_abandoned(bigint, bigint);
DROP FUNCTION rowcast.retention_ms();
DROP SEQUENCE rowcast.doorbell;
DROP TABLE rowcast.epoch;
DROP TABLE rowcast.mark;
DROP FUNCTION rowcast.turn();
DROP TABLE rowcast.log;
