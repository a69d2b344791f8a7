-- What a DBA calls: watch a table, stop, list.
--
-- These functions run with the caller's rights: whoever may create a trigger on
-- a table may watch it. Everything is checked before anything is locked.

-- +goose Up

-- A topic name as the protocol has it. In tests of text, [\u0001-\u001f] and not
-- [[:cntrl:]], which depends on the locale; E'' because a session may have
-- standard_conforming_strings off.
CREATE FUNCTION rowcast.is_topic(name text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT name OPERATOR(pg_catalog.!~) E'[\\u0001-\\u0020\\u007f-\\u009f,*]'
     AND name OPERATOR(pg_catalog.!~) E'^[$]'
     AND pg_catalog.octet_length(name) OPERATOR(pg_catalog.>=) 1
     AND pg_catalog.octet_length(name) OPERATOR(pg_catalog.<=) 200
$$;

-- 'topic_{topic_id}' → topic_id
CREATE FUNCTION rowcast.template_columns(topics text[]) RETURNS SETOF text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT DISTINCT m[1] FROM unnest(topics) t, regexp_matches(t, '[{]([^{}]*)[}]', 'g') m
$$;

-- messages → message, categories → category, boxes → box, analysis_runs →
-- analysis_run; NULL where the rule would be wrong.
CREATE FUNCTION rowcast.default_entity(relation text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN n ~ '(^|_)(news|series|species|movies|means)$' THEN NULL
              WHEN n ~ 'ies$' THEN regexp_replace(n, 'ies$', 'y')
              WHEN n ~ '(s|x|z|ch|sh)es$' THEN regexp_replace(n, 'es$', '')
              WHEN n ~ '[^sui]s$' THEN regexp_replace(n, 's$', '')
              ELSE n END
    FROM regexp_replace(lower(relation), '[^a-z0-9_]', '_', 'g') n
$$;

-- Whether row_to_json() would call somebody's CAST (type AS json), which may
-- raise: of the type itself, of an array's elements, of a composite's fields.
CREATE FUNCTION rowcast.casts_to_json(type oid) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE part AS (
    SELECT rowcast.base_type($1) AS oid
    UNION
    SELECT rowcast.base_type(inner_type.oid)
      FROM part
      JOIN pg_type t ON t.oid = part.oid
     CROSS JOIN LATERAL (SELECT t.typelem AS oid WHERE t.typelem <> 0 AND t.typlen = -1
                         UNION ALL
                         SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) inner_type
  )
  SELECT EXISTS (SELECT FROM part
                   JOIN pg_type t ON t.oid = part.oid AND t.typrelid = 0 AND t.oid >= 16384
                   JOIN pg_cast c ON c.castsource = t.oid AND c.casttarget = 'json'::regtype AND c.castmethod = 'f')
$$;

-- Whether values that are equal may differ as text, as those of citext, char(n)
-- and numeric do; of a type that is not known here they may.
CREATE FUNCTION rowcast.varies(type oid, coll oid) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT NOT (b.oid = ANY ('{text,varchar,int2,int4,int8,uuid,name,oid,bool,date}'::regtype[]) OR b.typtype = 'e')
      OR EXISTS (SELECT FROM pg_collation c WHERE c.oid = coll AND NOT c.collisdeterministic)
    FROM pg_type b WHERE b.oid = rowcast.base_type($1)
$$;

-- How long to wait for one of several locks. Who waits for one and holds another
-- may be waited for by a writer; that the deadlock is then resolved before the
-- writer looks for it (after deadlock_timeout) is what half of it is for.
CREATE FUNCTION rowcast.patience(locks bigint) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN locks <= 1 THEN '2s'
         ELSE greatest(1, floor(extract(epoch FROM current_setting('deadlock_timeout')::interval) * 500 / locks)) || 'ms' END
$$;

-- Runs commands that lock a table: waits for the lock 2 s, during which others
-- wait behind it, lets them pass, tries again, and at last says who holds it.
-- With partitions it is several locks, and whoever waits for the first may hold
-- the next: then waiting is no use, and trying often is.
-- +goose StatementBegin
CREATE FUNCTION rowcast.run_locked(source regclass, commands text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  command text;
  holders text;
  tree    bigint := (SELECT count(*) FROM pg_partition_tree(source));
  tries   int := CASE WHEN tree > 1 THEN 200 ELSE 3 END;
BEGIN
  FOR try IN 1 .. tries LOOP
    PERFORM set_config('lock_timeout', CASE WHEN tree > 1 AND try % 10 <> 1 THEN '5ms' ELSE rowcast.patience(tree) END, true);
    BEGIN
      FOREACH command IN ARRAY commands LOOP
        EXECUTE command;
      END LOOP;
      RETURN;
    EXCEPTION WHEN lock_not_available THEN
      SELECT string_agg(DISTINCT CASE WHEN l.pid IS NULL THEN 'a prepared transaction' ELSE
               format('pid %s (%s)', l.pid, concat_ws(', ', a.usename, nullif(a.application_name, ''), a.state,
                                                      'transaction since ' || date_trunc('second', a.xact_start))) END, '; ')
        INTO holders
        FROM pg_locks l
        LEFT JOIN pg_stat_activity a ON a.pid = l.pid
       WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
         AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
         AND l.relation IN (SELECT source UNION SELECT relid FROM pg_partition_tree(source))
         AND (l.mode NOT IN ('AccessShareLock', 'RowShareLock') OR commands[1] LIKE 'DROP%');
      IF try < tries THEN
        PERFORM pg_sleep(CASE WHEN tree > 1 THEN 0.05 ELSE try END);
      END IF;
    END;
  END LOOP;
  RAISE EXCEPTION 'table % is locked by %', source, coalesce(holders, 'another transaction')
    USING ERRCODE = 'lock_not_available',
          HINT = 'Try again when that transaction is over. Nothing was changed.';
END $$;
-- +goose StatementEnd

-- What is wrong with a list of derived types, or NULL.
CREATE FUNCTION rowcast.derive_fault(derive jsonb, ops text[], captured name[]) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN jsonb_typeof(derive) <> 'array' THEN 'derive must be a JSON array' ELSE (
    SELECT CASE
        WHEN jsonb_typeof(d) <> 'object' THEN format('derive: %s is no object', d)
        WHEN unknown IS NOT NULL THEN format('derive: unknown key "%s" in %s', unknown, d)
        WHEN coalesce(d->>'type', '') !~ '^[a-z][a-z0-9_]*$' THEN format('derive: type must be lower-case letters, digits and _ in %s', d)
        WHEN coalesce(d->>'on', '') <> ALL ('{insert,update,delete}') THEN format('derive: "on" must be insert, update or delete in %s', d)
        WHEN d->>'on' <> ALL (ops) THEN format('derive: the watch does not capture %s, asked for in %s', d->>'on', d)
        WHEN (d ? 'becomes')::int + (d ? 'equals')::int + (d ? 'changes')::int > 1 THEN format('derive: only one of becomes, equals and changes in %s', d)
        WHEN (d ? 'becomes' OR d ? 'changes') AND d->>'on' <> 'update' THEN format('derive: becomes and changes need "on":"update" in %s', d)
        WHEN d ? 'changes' AND d->'changes' <> 'true' THEN format('derive: changes can only be true in %s', d)
        WHEN d ?| '{becomes,equals,changes}' AND NOT d ? 'column' THEN format('derive: column is missing in %s', d)
        WHEN d ? 'column' AND coalesce(d->>'column', '') <> ALL (captured::text[]) THEN format('derive: column "%s" is not captured', d->>'column')
        WHEN d ? 'fields' AND jsonb_typeof(d->'fields') <> 'object' THEN format('derive: fields must be an object in %s', d)
        WHEN field IS NOT NULL THEN format('derive: column "%s" is not captured', field)
      END AS fault
      FROM jsonb_array_elements(derive) d
     CROSS JOIN LATERAL (
       SELECT (SELECT k FROM jsonb_object_keys(CASE WHEN jsonb_typeof(d) = 'object' THEN d ELSE '{}' END) k
                WHERE k <> ALL ('{type,on,column,becomes,equals,changes,fields}') LIMIT 1) AS unknown,
              (SELECT f.value FROM jsonb_each_text(CASE WHEN jsonb_typeof(d->'fields') = 'object' THEN d->'fields' ELSE '{}' END) f
                WHERE coalesce(f.value, '') <> ALL (captured::text[]) LIMIT 1) AS field) x
     WHERE true
     ORDER BY 1 NULLS LAST
     LIMIT 1) END
$$;

-- A table has at most one watch of events and one of access. Their triggers' names
-- sort first, since triggers fire by name: an application's own AFTER trigger that
-- updates the row again is to be logged after these. And access sorts before
-- events: who is put out by a change is not told of it.
CREATE FUNCTION rowcast.trigger_name(access boolean, op text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT '00_rowcast_' || CASE WHEN access THEN 'access_' ELSE '' END || op
$$;

-- The commands that take a watch's triggers away, whichever of them are there.
CREATE FUNCTION rowcast.drop_commands(source regclass, access boolean) RETURNS text[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT ARRAY(SELECT format('DROP TRIGGER %I ON %s', t.tgname, source)
                 FROM unnest('{insert,update,delete,truncate}'::text[]) op
                 JOIN pg_trigger t ON t.tgrelid = source AND t.tgname = rowcast.trigger_name(access, op))
$$;

-- Captures a table as w says, for watch() and watch_access(). Returns what there
-- is to know, a line each, or NULL when it is watched like this already.
-- +goose StatementBegin
CREATE FUNCTION rowcast.start_watch(w rowcast.watch) RETURNS text[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  access   boolean := w.subject_column IS NOT NULL;
  undo     text := CASE WHEN access THEN 'unwatch_access' ELSE 'unwatch' END;
  rel      pg_class;
  parent   regclass;
  fault    text;
  hint     text;
  existing name[];   -- columns a trigger can see
  virtual  name[];
  key      name[];
  needed   name[];
  varied   name[];   -- those of the needed whose equal values may differ as text
  captured name[];
  live     rowcast.watch;
  op       text;
  chosen   boolean;
  args     text;
  commands text[];
  notes    text[] := '{}';
BEGIN
  SELECT * INTO rel FROM pg_class c WHERE c.oid = w.source;

  -- Can it be watched at all?
  SELECT a.relid INTO parent FROM pg_partition_ancestors(w.source) a
    JOIN rowcast.watch x ON x.source = a.relid AND x.ended IS NULL AND (x.subject_column IS NOT NULL) = access
   WHERE a.relid <> w.source;
  IF rel.oid IS NULL THEN
    fault := 'no such table';
  ELSIF rel.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace, 'rowcast'::regnamespace) THEN
    fault := 'it is a system table';
  ELSIF rel.relpersistence = 't' THEN
    fault := 'it is a temporary table'; hint := 'Use rowcast.emit() for what only this session sees.';
  ELSIF rel.relkind = 'v' THEN
    fault := 'it is a view'; hint := 'Watch the tables it reads from.';
  ELSIF rel.relkind = 'm' THEN
    fault := 'it is a materialized view'; hint := 'Watch the tables it reads from, or call rowcast.emit() after REFRESH.';
  ELSIF rel.relkind = 'f' THEN
    fault := 'it is a foreign table'; hint := 'Watch it in the database it lives in.';
  ELSIF rel.relkind NOT IN ('r', 'p') THEN
    fault := 'it is no table';
  ELSIF parent IS NOT NULL THEN
    fault := format('it is captured through its parent %s', parent); hint := format('To capture this partition alone: SELECT rowcast.%s(%L) first.', undo, parent::text);
  END IF;
  IF fault IS NULL THEN
    SELECT t.relid INTO parent FROM pg_partition_tree(w.source) t
      JOIN rowcast.watch x ON x.source = t.relid AND x.ended IS NULL AND (x.subject_column IS NOT NULL) = access
     WHERE t.relid <> w.source LIMIT 1;
    IF parent IS NOT NULL THEN
      fault := format('its partition %s is watched', parent); hint := format('SELECT rowcast.%s(%L) first.', undo, parent::text);
    ELSIF w.level = 'statement' AND EXISTS (SELECT FROM pg_inherits i WHERE w.source IN (i.inhrelid, i.inhparent)) THEN
      fault := 'a statement trigger would miss what is written to its partitions, children or parent directly'; hint := 'Use level => ''row''.';
    END IF;
  END IF;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION 'cannot watch %: %', w.source, fault USING ERRCODE = 'invalid_parameter_value', HINT = coalesce(hint, '');
  END IF;

  -- The columns.
  SELECT coalesce(array_agg(a.attname) FILTER (WHERE a.attgenerated <> 'v'), '{}'),
         coalesce(array_agg(a.attname) FILTER (WHERE a.attgenerated = 'v'), '{}'),
         coalesce(array_agg(a.attname) FILTER (WHERE rowcast.casts_to_json(a.atttypid)), '{}')
    INTO existing, virtual, w.as_text
    FROM pg_attribute a WHERE a.attrelid = w.source AND a.attnum > 0 AND NOT a.attisdropped;
  SELECT coalesce(array_agg(a.attname), '{}') INTO key
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = w.source AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
   WHERE i.indrelid = w.source AND i.indisprimary;

  needed := ARRAY(SELECT c::name FROM rowcast.template_columns(w.topics) c UNION SELECT c FROM unnest(ARRAY[w.topic_column, w.subject_column]) c WHERE c IS NOT NULL);
  varied := ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = w.source AND a.attname = ANY (needed) AND rowcast.varies(a.atttypid, a.attcollation) ORDER BY a.attnum);
  captured := ARRAY(SELECT e FROM unnest(existing) e WHERE e = ANY (key || needed) OR (w.columns IS NULL OR e = ANY (w.columns)) AND e <> ALL (w.exclude));

  SELECT format('column "%s" is a virtual generated column, which is null inside triggers', c) INTO fault
    FROM unnest(needed || coalesce(w.columns, '{}')) c WHERE c = ANY (virtual) LIMIT 1;
  IF fault IS NULL THEN
    SELECT format('column "%s" does not exist', c) INTO fault
      FROM unnest(needed || coalesce(w.columns, '{}') || w.exclude) c WHERE c <> ALL (existing || virtual) OR c IS NULL LIMIT 1;
  END IF;
  IF fault IS NOT NULL THEN
  ELSIF coalesce(cardinality(w.topics), 0) = 0 THEN
    fault := 'topics is empty';
  ELSIF EXISTS (SELECT FROM unnest(w.topics) t WHERE rowcast.is_topic(regexp_replace(t, '[{][^{}]+[}]', 'x', 'g')) IS NOT TRUE
                                                 OR regexp_replace(t, '[{][^{}]+[}]', 'x', 'g') ~ '[{}]') THEN
    fault := format('topics %s: a topic has 1 to 200 bytes without space, comma, * or control characters, does not begin with $, and names columns as {column}', w.topics);
    hint := 'Give topics => array[…].';
  ELSIF w.entity IS NULL THEN
    fault := format('no entity can be derived from "%s"', rel.relname); hint := 'Give entity => ''…'', in the singular.';
  ELSIF w.entity !~ '^[a-z][a-z0-9_]{0,99}$' THEN
    fault := format('entity "%s" must be lower-case letters, digits and _, beginning with a letter', w.entity); hint := 'Give entity => ''…''.';
  ELSIF w.entity = ANY ('{topic_id,id,changed,changed_fields,old,truncated,moved}') THEN
    fault := format('entity "%s" is a field that every payload has', w.entity); hint := 'Give entity => ''…''.';
  ELSIF cardinality(w.ops) = 0 OR w.ops && ARRAY[NULL]::text[] OR NOT w.ops <@ '{insert,update,delete,truncate}' THEN
    fault := format('ops %s: insert, update, delete and truncate there are', w.ops);
  ELSIF coalesce(w.level, '') NOT IN ('row', 'statement') THEN
    fault := 'level must be ''row'' or ''statement''';
  ELSIF w.columns IS NOT NULL AND w.exclude <> '{}' THEN
    fault := 'columns and exclude cannot both be given';
  ELSIF w.exclude && (key || needed) THEN
    fault := 'exclude names a key or topic column, without which there is no telling whom a change concerns';
  ELSIF w.max_bytes NOT BETWEEN 1 AND 524288 OR w.max_bytes IS NULL THEN
    fault := 'max_bytes must be between 1 and 524288';
  ELSIF w.include_old IS NULL OR w.unchanged IS NULL OR w.always IS NULL OR w.exclude IS NULL OR w.derive IS NULL THEN
    fault := 'only topic_column, topics, entity and columns may be NULL';
  ELSE
    fault := rowcast.derive_fault(w.derive, w.ops, captured);
  END IF;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION 'cannot watch %: %', w.source, fault USING ERRCODE = 'invalid_parameter_value', HINT = coalesce(hint, '');
  END IF;

  PERFORM pg_advisory_xact_lock(hashtext('rowcast.watch'), w.source::oid::int);  -- whoever does the same at this moment

  -- A migration that runs again changes nothing and locks nothing.
  SELECT * INTO live FROM rowcast.watch x WHERE x.source = w.source AND x.ended IS NULL AND (x.subject_column IS NOT NULL) = access;
  w.id := live.id;
  w.created := live.created;
  IF live *= w AND rowcast.trigger_fault(live.id) IS NULL THEN
    RETURN NULL;
  END IF;

  UPDATE rowcast.watch x SET ended = clock_timestamp()
   WHERE x.id = live.id OR x.ended IS NULL AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = x.source);
  INSERT INTO rowcast.watch (source, topic_column, subject_column, topics, entity, ops, exclude, columns, as_text, level, include_old, max_bytes, derive, unchanged, always)
  VALUES (w.source, w.topic_column, w.subject_column, w.topics, w.entity, w.ops, w.exclude, w.columns, w.as_text, w.level, w.include_old, w.max_bytes, w.derive, w.unchanged, w.always)
  RETURNING id INTO w.id;

  commands := rowcast.drop_commands(w.source, access);
  FOREACH op IN ARRAY w.ops || CASE WHEN 'delete' = ANY (w.ops) AND 'truncate' <> ALL (w.ops) THEN '{truncate}' ELSE '{}' END::text[] LOOP
    -- The columns of an access watch say which UPDATEs count. It sends no row to
    -- anybody: one that comes or goes is logged whole, which costs a sixth.
    chosen := w.as_text <> '{}' OR (w.columns IS NOT NULL OR w.exclude <> '{}') AND NOT (access AND op <> 'update');
    args := format('%s, %s, %L, %L', w.id, w.max_bytes, CASE WHEN chosen THEN 'chosen' ELSE 'whole' END, CASE WHEN w.unchanged THEN 'unchanged' ELSE 'changed' END);
    commands := commands || format(
      CASE WHEN op = 'truncate' THEN 'CREATE TRIGGER %I AFTER %s ON %s FOR EACH STATEMENT EXECUTE FUNCTION rowcast.capture_truncate(%s)'
           WHEN w.level = 'row' THEN 'CREATE TRIGGER %I AFTER %s ON %s FOR EACH ROW EXECUTE FUNCTION rowcast.capture_row(%s)'
           WHEN op = 'insert' THEN 'CREATE TRIGGER %I AFTER %s ON %s REFERENCING NEW TABLE AS rowcast_new FOR EACH STATEMENT EXECUTE FUNCTION rowcast.capture_statement(%s)'
           WHEN op = 'delete' THEN 'CREATE TRIGGER %I AFTER %s ON %s REFERENCING OLD TABLE AS rowcast_old FOR EACH STATEMENT EXECUTE FUNCTION rowcast.capture_statement(%s)'
           ELSE 'CREATE TRIGGER %I AFTER %s ON %s REFERENCING OLD TABLE AS rowcast_old NEW TABLE AS rowcast_new FOR EACH STATEMENT EXECUTE FUNCTION rowcast.capture_statement(%s)' END,
      rowcast.trigger_name(access, op), upper(op), w.source, args);
    IF w.always THEN
      commands := commands || format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', w.source, rowcast.trigger_name(access, op));
    END IF;
  END LOOP;
  PERFORM rowcast.run_locked(w.source, commands);

  -- What the caller should know.
  IF key = '{}' AND NOT access THEN
    notes := notes || 'it has no primary key: its events carry no id'::text;
  END IF;
  IF virtual <> '{}' THEN
    notes := notes || format('left out, because virtual generated columns are null inside triggers: %s', array_to_string(virtual, ', '));
  END IF;
  IF w.as_text <> '{}' THEN
    notes := notes || format('sent as text, because a cast of their type to json could raise: %s', array_to_string(w.as_text, ', '));
  END IF;
  IF access AND varied <> '{}' THEN
    notes := notes || format('a revocation finds its subject and topic by their text, and what is equal in these columns may not be spelt alike: %s', array_to_string(varied, ', '));
  END IF;
  IF w.columns IS NOT NULL AND 'update' = ANY (w.ops) AND NOT w.unchanged AND NOT access THEN
    notes := notes || 'an UPDATE of other columns makes no event (unchanged => true makes one)'::text;
  END IF;
  IF rel.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = w.source) THEN
    notes := notes || format('rows of its children are not captured, watch them too: %s',
                             (SELECT string_agg(i.inhrelid::regclass::text, ', ') FROM pg_inherits i WHERE i.inhparent = w.source));
  END IF;
  IF current_setting('max_prepared_transactions')::int > 0 THEN
    notes := notes || 'max_prepared_transactions is not 0: PREPARE TRANSACTION fails after a write to this table while the daemon sleeps; set capture.mode to poll if you use it'::text;
  END IF;
  FOR i IN 1 .. cardinality(notes) LOOP
    RAISE WARNING '%: %', w.source, notes[i];
  END LOOP;
  RETURN notes;
END $$;
-- +goose StatementEnd

-- Captures a table. Returns what it does, then notes, a line each.
-- +goose StatementBegin
CREATE FUNCTION rowcast.watch(source regclass, topic_column name DEFAULT NULL, topics text[] DEFAULT NULL, entity text DEFAULT NULL,
                              ops text[] DEFAULT '{insert,update,delete}', exclude name[] DEFAULT '{}', level text DEFAULT 'row',
                              include_old boolean DEFAULT false, columns name[] DEFAULT NULL, max_bytes int DEFAULT 32768,
                              derive jsonb DEFAULT '[]', unchanged boolean DEFAULT false, always boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  relation text := (SELECT c.relname FROM pg_class c WHERE c.oid = source);
  notes    text[];
BEGIN
  topics := coalesce(topics, CASE WHEN topic_column IS NULL THEN ARRAY[lower(relation)] ELSE ARRAY['topic_{' || topic_column || '}'] END);
  entity := coalesce(entity, rowcast.default_entity(relation));
  ops := ARRAY(SELECT o FROM unnest('{insert,update,delete,truncate}'::text[]) o WHERE o = ANY (ops)) || ARRAY(SELECT o FROM unnest(ops) o WHERE o <> ALL ('{insert,update,delete,truncate}'));
  notes := rowcast.start_watch((NULL, source, topic_column, NULL, topics, entity, ops, exclude, columns, NULL, level, include_old, max_bytes, derive, unchanged, always, NULL, NULL));
  IF notes IS NULL THEN
    RETURN format('%s is watched already', source);
  END IF;
  RETURN array_to_string(format('watching %s: %s, to %s', source,
      (SELECT string_agg(entity || CASE o WHEN 'insert' THEN '_created' WHEN 'update' THEN '_updated' ELSE '_deleted' END, ', ')
         FROM unnest(ops) o WHERE o <> 'truncate'), array_to_string(topics, ', ')) || notes, E'\n');
END $$;
-- +goose StatementEnd

-- What is wrong with a watch's triggers, or NULL. In partitions too.
CREATE FUNCTION rowcast.trigger_fault(watch_id int) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN t.tgrelid IS NULL THEN 'trigger missing: ' || o
              WHEN w.always AND t.tgenabled <> 'A' OR t.tgenabled NOT IN ('O', 'A') THEN format('trigger disabled: %s on %s', o, t.tgrelid::regclass) END
    FROM rowcast.watch w
   CROSS JOIN LATERAL (SELECT unnest(w.ops) UNION SELECT 'truncate' WHERE 'delete' = ANY (w.ops)) ops(o)
   CROSS JOIN LATERAL (SELECT w.source AS relid UNION SELECT p.relid FROM pg_partition_tree(w.source) p WHERE o <> 'truncate') r
    LEFT JOIN pg_trigger t ON t.tgrelid = r.relid AND t.tgname = rowcast.trigger_name(w.subject_column IS NOT NULL, o)
                          AND split_part(encode(t.tgargs, 'escape'), E'\\000', 1) = w.id::text
   WHERE w.id = watch_id AND (t.tgrelid IS NULL OR t.tgenabled <> 'A' AND (w.always OR t.tgenabled <> 'O'))
   LIMIT 1
$$;

-- Which column that says whom a row concerns is gone, dropped or renamed, or NULL.
CREATE FUNCTION rowcast.column_fault(w rowcast.watch) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('%s column missing: %s', u.kind, u.name)
    FROM (SELECT 'subject', w.subject_column::text UNION SELECT 'topic', w.topic_column UNION SELECT 'topic', rowcast.template_columns(w.topics)) u(kind, name)
   WHERE u.name IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = w.source AND a.attname = u.name AND a.attnum > 0)
   LIMIT 1
$$;

-- SECURITY DEFINER: the daemon reads the view and owns nothing.
CREATE FUNCTION rowcast.state_of(watch_id int) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
      WHEN c.oid IS NULL THEN 'table gone'
      WHEN f.fault IS NOT NULL THEN f.fault
      WHEN m.fault IS NOT NULL THEN m.fault
      WHEN j.column IS NOT NULL THEN format('column %s has got a cast to json: watch again', j.column)
      WHEN b.bell IS NULL THEN 'abandoned: no daemon has come yet'
      WHEN rowcast.is_abandoned(b.bell, (date_part('epoch', clock_timestamp()) * 1000)::bigint)
        THEN format('abandoned since %s', date_trunc('second', to_timestamp(abs(b.bell) / 1000)))
      ELSE 'ok' END
    FROM rowcast.watch w
    LEFT JOIN pg_class c ON c.oid = w.source
   CROSS JOIN LATERAL (SELECT rowcast.trigger_fault(w.id) AS fault) f
   CROSS JOIN LATERAL (SELECT rowcast.column_fault(w) AS fault) m
    LEFT JOIN LATERAL (SELECT a.attname AS "column" FROM pg_attribute a
                        WHERE a.attrelid = w.source AND a.attnum > 0 AND NOT a.attisdropped
                          AND a.attname <> ALL (w.as_text) AND rowcast.casts_to_json(a.atttypid)
                        LIMIT 1) j ON true
   CROSS JOIN LATERAL (SELECT pg_sequence_last_value('rowcast.doorbell') AS bell) b
   WHERE w.id = watch_id
$$;

CREATE VIEW rowcast.watches AS
  SELECT w.id, w.source, w.topic_column, w.subject_column, w.topics, w.entity, w.ops, w.exclude, w.columns, w.level, w.include_old, w.max_bytes,
         w.derive, w.unchanged, w.always, w.created, rowcast.state_of(w.id) AS state
    FROM rowcast.watch w
   WHERE w.ended IS NULL AND w.id > 0;

-- Ends a watch. Its row stays until no log row can name it (see rotate).
-- +goose StatementBegin
CREATE FUNCTION rowcast.stop_watch(source regclass, access boolean) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
  commands text[] := rowcast.drop_commands(source, access);
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('rowcast.watch'), source::oid::int);
  PERFORM rowcast.run_locked(source, commands);
  UPDATE rowcast.watch w SET ended = clock_timestamp() WHERE w.source = source AND w.ended IS NULL AND (w.subject_column IS NOT NULL) = access;
  IF NOT FOUND AND commands = '{}' THEN
    RAISE EXCEPTION '% is not watched%', source, CASE WHEN access THEN ' for access' ELSE '' END USING ERRCODE = 'invalid_parameter_value';
  END IF;
END $$;
-- +goose StatementEnd

CREATE FUNCTION rowcast.unwatch(source regclass) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT rowcast.stop_watch(source, false) $$;

-- +goose Down
-- The triggers first: when they are gone, no writer comes to what is dropped
-- next. All tables in one transaction: see patience().
-- +goose StatementBegin
DO $$
DECLARE
  sources pg_catalog.regclass[] := ARRAY(SELECT g.tgrelid::pg_catalog.regclass FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
                                          WHERE p.pronamespace = 'rowcast'::pg_catalog.regnamespace GROUP BY 1 ORDER BY 1);
  source  pg_catalog.regclass;
  wait    pg_catalog.text := rowcast.patience(pg_catalog.cardinality(sources));
  until   pg_catalog.timestamptz := pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) '30 s'::pg_catalog.interval;
  t       record;
BEGIN
  FOR try IN 1 .. 10000 LOOP
    -- Briefly and often, now and then patiently: see run_locked.
    PERFORM pg_catalog.set_config('lock_timeout', CASE WHEN try OPERATOR(pg_catalog.%) 10 OPERATOR(pg_catalog.=) 1 THEN wait ELSE '5ms' END, true);
    BEGIN
      FOREACH source IN ARRAY sources LOOP
        EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', source);
      END LOOP;
      PERFORM pg_catalog.set_config('lock_timeout', wait, true);
      EXIT;
    EXCEPTION WHEN lock_not_available THEN
      IF pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>) until THEN
        RAISE EXCEPTION 'table % is locked by another transaction', source
          USING ERRCODE = 'lock_not_available', HINT = 'Nothing was changed. SELECT rowcast.unwatch(…) each watched table first, in a transaction of its own.';
      END IF;
      -- The one that is hard to get goes first: holding nothing, we wait for it at no writer's cost.
      sources := source OPERATOR(pg_catalog.||) pg_catalog.array_remove(sources, source);
      PERFORM pg_catalog.pg_sleep(0.02);
    END;
  END LOOP;
  FOR t IN SELECT g.tgname, g.tgrelid::pg_catalog.regclass AS source FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
            WHERE p.pronamespace = 'rowcast'::pg_catalog.regnamespace AND g.tgparentid = 0 LOOP
    EXECUTE pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.source);
  END LOOP;
END $$;
-- +goose StatementEnd
DROP FUNCTION rowcast.unwatch(regclass);
DROP FUNCTION rowcast.stop_watch(regclass, boolean);
DROP VIEW rowcast.watches;
DROP FUNCTION rowcast.state_of(int);
DROP FUNCTION rowcast.column_fault(rowcast.watch);
DROP FUNCTION rowcast.trigger_fault(int);
DROP FUNCTION rowcast.watch(regclass, name, text[], text, text[], name[], text, boolean, name[], int, jsonb, boolean, boolean);
DROP FUNCTION rowcast.start_watch(rowcast.watch);
DROP FUNCTION rowcast.drop_commands(regclass, boolean);
DROP FUNCTION rowcast.trigger_name(boolean, text);
DROP FUNCTION rowcast.derive_fault(jsonb, text[], name[]);
DROP FUNCTION rowcast.run_locked(regclass, text[]);
DROP FUNCTION rowcast.patience(bigint);
DROP FUNCTION rowcast.varies(oid, oid);
DROP FUNCTION rowcast.casts_to_json(oid);
DROP FUNCTION rowcast.default_entity(text);
DROP FUNCTION rowcast.template_columns(text[]);
DROP FUNCTION rowcast.is_topic(text);
