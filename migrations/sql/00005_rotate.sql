-- Retention and epochs: how the log is thrown away without losing anything
-- silently, and how the daemon knows that it is still the same log.

-- +goose Up

-- Which database this is, now: the cluster's system identifier, the database's
-- oid, the timeline. A restored dump, CREATE DATABASE … TEMPLATE, a promoted
-- standby and a point-in-time recovery all change it.
CREATE FUNCTION rowcast.current_identity() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('%s/%s/%s', c.system_identifier, d.oid, left(pg_walfile_name(pg_current_wal_lsn()), 8))
    FROM pg_control_system() c, pg_database d
   WHERE d.datname = current_database()
$$;

-- The current epoch, made anew if the log is not this database's, if a crash
-- has emptied the table, or if the epoch is the one the caller calls stale (it
-- found the log abandoned). Of instances that call it at once, one makes it. The
-- xid is of the transaction that did, the snapshot what that saw.
-- +goose StatementBegin
CREATE FUNCTION rowcast.new_epoch(stale text DEFAULT NULL, OUT epoch text, OUT xid xid8, OUT snapshot pg_snapshot) RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  here  text;
  there text;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'rowcast.new_epoch needs READ COMMITTED: it must see what commits while it waits';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('rowcast'), 1);  -- shared with rotate

  here := rowcast.current_identity();
  SELECT e.epoch, e.identity, e.xid, e.snapshot INTO epoch, there, xid, snapshot FROM rowcast.epoch e;
  IF epoch IS NULL OR there <> here OR epoch = stale THEN
    -- Rows from elsewhere carry xids that mean nothing here, or, worse, will.
    IF there <> here THEN
      DELETE FROM rowcast.log;
    ELSE
      DELETE FROM rowcast.log l WHERE NOT pg_visible_in_snapshot(l.xid, pg_current_snapshot());
    END IF;
    DELETE FROM rowcast.mark;
    DELETE FROM rowcast.silence;

    -- Short, for it begins every event's id. The alphabet has no letters that are read for digits.
    SELECT string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', get_byte(uuid_send(u.u), i) % 32 + 1, 1), '')
      INTO epoch
      FROM (SELECT gen_random_uuid() AS u) u, unnest('{0,1,2,3,4,5}'::int[]) i;
    DELETE FROM rowcast.epoch;
    xid := pg_current_xact_id();
    snapshot := pg_current_snapshot();
    INSERT INTO rowcast.epoch VALUES (true, epoch, here, clock_timestamp(), xid, snapshot);
  END IF;
  RETURN NEXT;
END $$;
-- +goose StatementEnd

-- The size that rotates earlier than time does; NULL: none. See configure().
CREATE FUNCTION rowcast.log_bytes() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT NULL::pg_catalog.int8 $$;

-- The snapshot that sees what either of two sees.
CREATE FUNCTION rowcast.joined(a pg_snapshot, b pg_snapshot) RETURNS pg_snapshot LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('%s:%s:%s', coalesce(s.xip[1], s.xmax), s.xmax, array_to_string(s.xip, ','))::pg_snapshot
    FROM (SELECT greatest(pg_snapshot_xmax(a), pg_snapshot_xmax(b)) AS xmax,
                 ARRAY(SELECT x FROM (SELECT pg_snapshot_xip(a) UNION SELECT pg_snapshot_xip(b)) u(x)
                        WHERE NOT pg_visible_in_snapshot(x, a) AND NOT pg_visible_in_snapshot(x, b)
                        ORDER BY x) AS xip) s
$$;

-- Once in a sixth of the retention: empties the slot after the next, which has
-- the oldest rows, and begins the next turn. So one slot is being written, one is
-- empty, and the turns in the other six together are as old as the log is to be.
-- (If the next slot is not empty, because the last time broke off or somebody came
-- late, it empties that, and the turn goes on.) seen is what the caller had read a
-- minute or more ago; what it does not see is never removed.
--
--   rotated  done
--   empty    it is not time yet
--   busy     another instance is at it, or somebody holds a lock: again later
--   late     the slot has a row not seen (a transaction outlived its turn): again later
--
-- Call it every minute. While the log is over log_bytes, it acts at each call and
-- empties the oldest slot that has anything.
-- +goose StatementBegin
CREATE FUNCTION rowcast.rotate(seen pg_snapshot) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  turn    bigint;
  next    bigint;
  crowded boolean;
  far     int;
  part    regclass;
  late    boolean;
  mx      xid8;
BEGIN
  IF seen IS NULL THEN
    RAISE EXCEPTION 'rowcast.rotate needs the snapshot of what was read';
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'rowcast.rotate needs READ COMMITTED: it must see what commits before it has its lock';
  END IF;
  IF NOT pg_try_advisory_xact_lock(hashtext('rowcast'), 1) THEN  -- shared with new_epoch
    RETURN 'busy';
  END IF;

  DELETE FROM rowcast.silence;  -- a transaction that can be seen is over
  -- unwatch() took the triggers away under a lock, so no row can come any more.
  DELETE FROM rowcast.watch w
   WHERE w.ended < clock_timestamp() - 2 * rowcast.retention_ms() * interval '1 ms'
     AND NOT EXISTS (SELECT FROM rowcast.log l WHERE l.watch = w.id);

  UPDATE rowcast.mark SET at = clock_timestamp() WHERE at > clock_timestamp();  -- the clock was set back
  crowded := coalesce(rowcast.log_bytes() < (SELECT sum(pg_total_relation_size(i.inhrelid)) FROM pg_inherits i
                                              WHERE i.inhparent = 'rowcast.log'::regclass), false);
  IF NOT crowded AND EXISTS (SELECT FROM rowcast.mark m WHERE clock_timestamp() - m.at < rowcast.retention_ms() / 6 * interval '1 ms') THEN
    RETURN 'empty';
  END IF;

  turn := greatest(rowcast.turn(), 0);  -- after the lock: nobody else moves it
  next := turn + (pg_relation_size(format('rowcast.log_%s', (turn + 1) % 8)) = 0)::int;
  -- Writers are in the current slot, and in the next as soon as the turn has moved.
  FOR i IN next - turn + 1 .. CASE WHEN crowded THEN 7 ELSE next - turn + 1 END LOOP
    far := (turn + i) % 8;
    part := format('rowcast.log_%s', far);
    EXIT WHEN pg_relation_size(part) > 0;
  END LOOP;

  BEGIN
    -- NOWAIT: if this waited, writers and readers would queue behind it.
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', part);
  EXCEPTION WHEN lock_not_available THEN
    RETURN 'busy';
  END;

  -- Statements after the lock: they see all that was committed before it.
  EXECUTE format('SELECT EXISTS (SELECT FROM %1$s WHERE xid >= pg_snapshot_xmax($1))'
                     ' OR EXISTS (SELECT FROM %1$s WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1))))', part)
     INTO late USING seen;
  IF late THEN
    RETURN 'late';
  END IF;
  EXECUTE format('SELECT xid FROM %s ORDER BY xid DESC LIMIT 1', part) INTO mx;  -- max(xid8) came with 15
  EXECUTE format('TRUNCATE %s', part);
  INSERT INTO rowcast.mark AS m (slot, snapshot, at)
  SELECT far, format('%s:%s:%s', coalesce(s.xip[1]::text::bigint, s.xmax), s.xmax, array_to_string(s.xip, ','))::pg_snapshot, clock_timestamp()
    FROM (SELECT coalesce(mx::text::bigint, 0) + 1 AS xmax,
                 ARRAY(SELECT x FROM pg_snapshot_xip(seen) x WHERE x <= mx ORDER BY x) AS xip) s
  -- Joined, not replaced: the slot's last row may be an old transaction's,
  -- and the mark of what went before it lies higher.
  ON CONFLICT (slot) DO UPDATE SET snapshot = rowcast.joined(m.snapshot, excluded.snapshot), at = excluded.at;
  -- Not undone if this transaction fails now. Ids only grow: those that are taken
  -- meanwhile are of the turn that ends.
  IF next > turn THEN
    PERFORM setval('rowcast.log_id_seq', next * 10000000000);
  END IF;
  RETURN 'rotated';
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION rowcast.configure(retention interval DEFAULT '2 hours', log_bytes bigint DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ms       bigint := date_part('epoch', retention) * 1000;
  constant text := 'CREATE OR REPLACE FUNCTION rowcast.%I() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS %L';
BEGIN
  -- A daemon renews its promise every minute, and rotate() wants a minute's distance.
  IF ms IS NULL OR ms < 480000 OR ms > 2592000000 THEN
    RAISE EXCEPTION 'rowcast.configure: retention must be between 8 minutes and 30 days' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF log_bytes <= 0 THEN
    RAISE EXCEPTION 'rowcast.configure: log_bytes must be positive, or NULL for no bound' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Constants in functions: the triggers' plans take their values in.
  EXECUTE format(constant, 'retention_ms', format(' SELECT %s::pg_catalog.int8 ', ms));
  EXECUTE format(constant, 'log_bytes', format(' SELECT %s::pg_catalog.int8 ', coalesce(log_bytes::text, 'NULL')));
  -- A plan is made anew when a function it names changes; what it names is this.
  ALTER FUNCTION rowcast.is_abandoned(bigint, bigint) PARALLEL SAFE;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION rowcast.configure(interval, bigint);
DROP FUNCTION rowcast.rotate(pg_snapshot);
DROP FUNCTION rowcast.joined(pg_snapshot, pg_snapshot);
DROP FUNCTION rowcast.log_bytes();
DROP FUNCTION rowcast.new_epoch(text);
DROP FUNCTION rowcast.current_identity();
