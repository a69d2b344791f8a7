-- Who may be in a topic, where that changes: an application says so itself, or
-- has the table watched in which it is written. The daemon keeps no list of who
-- may what; it learns only whose admission has to be judged anew.

-- +goose Up

-- Whoever is in the topic, or in the topics of a pattern, leaves at the commit.
-- The subject '*' is everyone.
-- +goose StatementBegin
CREATE FUNCTION rowcast.revoke(subject text, topic text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_variable
DECLARE
  xid  pg_catalog.xid8;
  made pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  ms   pg_catalog.int8 := pg_catalog.date_part('epoch', made) OPERATOR(pg_catalog.*) 1000;
  bell pg_catalog.int8;
BEGIN
  IF subject IS NULL OR subject OPERATOR(pg_catalog.=) '' OR pg_catalog.length(subject) OPERATOR(pg_catalog.>) 1000 THEN
    RAISE EXCEPTION 'rowcast.revoke: subject % must be 1 to 1000 characters, or * for everyone', pg_catalog.quote_nullable(pg_catalog.left(subject, 100))
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF rowcast.is_topic(pg_catalog.replace(topic, '*', 'x')) IS NOT TRUE THEN
    RAISE EXCEPTION 'rowcast.revoke: topic % must be 1 to 200 bytes without space, comma or control characters, not beginning with $; * stands for any text', pg_catalog.quote_nullable(pg_catalog.left(topic, 100))
      USING ERRCODE = 'invalid_parameter_value';
  END IF;

  -- In this order: see emit().
  xid := pg_catalog.pg_current_xact_id();
  bell := pg_catalog.pg_sequence_last_value('rowcast.doorbell');
  IF rowcast.is_abandoned(bell, ms) THEN
    RETURN;  -- whoever comes back is judged anew
  END IF;
  INSERT INTO rowcast.log (xid, watch, op, at, type, topics)
  VALUES (xid, 0, 'R', made, CASE WHEN subject OPERATOR(pg_catalog.<>) '*' THEN subject END, ARRAY[topic]);
  IF rowcast.must_ring(bell, ms) THEN
    PERFORM pg_catalog.pg_notify('rowcast', '');
  END IF;
END $$;
-- +goose StatementEnd

-- Captures a table of memberships: subject_column says whose a row is, topics are
-- templates of where it lets its subject in. A row that comes may let in, one that
-- goes puts out, one that changes does both. columns says which changes count
-- besides those of key, subject and topics. Returns what watch() returns.
-- +goose StatementBegin
CREATE FUNCTION rowcast.watch_access(source regclass, subject_column name, topics text[], columns name[] DEFAULT NULL,
                                     always boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  notes text[];
BEGIN
  IF subject_column IS NULL THEN
    RAISE EXCEPTION 'cannot watch %: subject_column is NULL', source USING ERRCODE = 'invalid_parameter_value';
  END IF;
  notes := rowcast.start_watch((NULL, source, NULL, subject_column, topics, 'access', '{insert,update,delete}', '{}', columns, NULL, 'row', false, 32768, '[]', false, always, NULL, NULL));
  IF notes IS NULL THEN
    RETURN format('%s is watched for access already', source);
  END IF;
  RETURN array_to_string(format('watching access by %s: of %s to %s', source, subject_column, array_to_string(topics, ', ')) || notes, E'\n');
END $$;
-- +goose StatementEnd

CREATE FUNCTION rowcast.unwatch_access(source regclass) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT rowcast.stop_watch(source, true) $$;

-- +goose Down
DROP FUNCTION rowcast.unwatch_access(regclass);
DROP FUNCTION rowcast.watch_access(regclass, name, text[], name[], boolean);
DROP FUNCTION rowcast.revoke(text, text);
