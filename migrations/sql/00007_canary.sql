-- The canary: does what is written come through?
--
-- Each daemon writes a row of its own, again and again, and waits for it at the
-- other end: captured by the functions that capture every table, read from the
-- log, translated, published. Nothing of the application's is touched.

-- +goose Up

-- One row for each instance. UNLOGGED: nobody misses it after a crash. With so
-- much of the page left free, an UPDATE finds room beside its row, clears away the
-- dead ones itself, and touches no index: nothing is left for vacuum.
CREATE UNLOGGED TABLE rowcast.canary (
  instance text        PRIMARY KEY CHECK (pg_catalog.length(instance) OPERATOR(pg_catalog.<=) 200),
  note     bigint      NOT NULL,  -- the instance's own clock: when it wrote this
  at       timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_analyze_threshold = 2147483647);

-- Watched like any table, but by an id below 0: nobody is shown such a watch.
-- $canary is a topic that no client can join.
INSERT INTO rowcast.watch (id, source, topics, entity, ops, exclude, as_text, level, include_old, max_bytes, derive, unchanged, always)
OVERRIDING SYSTEM VALUE
VALUES (-1, 'rowcast.canary', '{$canary}', 'canary', '{insert,update}', '{}', '{}', 'row', false, 32768, '[]', false, false);
CREATE TRIGGER "00_rowcast_insert" AFTER INSERT ON rowcast.canary FOR EACH ROW EXECUTE FUNCTION rowcast.capture_row('-1', '32768', 'whole', 'changed');
CREATE TRIGGER "00_rowcast_update" AFTER UPDATE ON rowcast.canary FOR EACH ROW EXECUTE FUNCTION rowcast.capture_row('-1', '32768', 'whole', 'changed');

-- Writes an instance's row, and clears away those of instances that have been gone
-- for a day. It waits for nobody: its row is its own, and its commit asks no disk and
-- no standby.
-- +goose StatementBegin
CREATE FUNCTION rowcast.sing(instance text, note bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- A change of a watch that nobody knows might be one of access: see the daemon.
  IF NOT EXISTS (SELECT FROM rowcast.watch w WHERE w.id = -1 AND w.ended IS NULL) THEN
    RAISE EXCEPTION 'rowcast.canary is not watched any more' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  PERFORM set_config('synchronous_commit', 'off', true);  -- of this transaction, whatever the session has
  INSERT INTO rowcast.canary AS c VALUES ($1, $2, clock_timestamp())
  ON CONFLICT ON CONSTRAINT canary_pkey DO UPDATE SET note = excluded.note, at = excluded.at;
  DELETE FROM rowcast.canary c
   WHERE c.instance = ANY (ARRAY(SELECT x.instance FROM rowcast.canary x WHERE x.at < clock_timestamp() - interval '1 day' FOR UPDATE SKIP LOCKED));
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION rowcast.sing(text, bigint);
DELETE FROM rowcast.watch WHERE id OPERATOR(pg_catalog.=) '-1'::pg_catalog.int4;
DROP TABLE rowcast.canary;
