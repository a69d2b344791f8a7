-- What an application may say itself: an event of its own, or "a lot is coming".

-- +goose Up

-- An event in the caller's transaction. The result is the number inside the
-- event's id; NULL if no daemon has looked for longer than the log is kept.
-- +goose StatementBegin
CREATE FUNCTION rowcast.emit(type text, payload jsonb, topics text[]) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_variable
DECLARE
  xid    pg_catalog.xid8;
  made   pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  ms     pg_catalog.int8 := pg_catalog.date_part('epoch', made) OPERATOR(pg_catalog.*) 1000;
  bell   pg_catalog.int8;
  topic  pg_catalog.text;
  data   pg_catalog.json;
  cut    pg_catalog.int2 := 0;
  number pg_catalog.int8;
BEGIN
  IF type IS NULL OR type OPERATOR(pg_catalog.!~) '^[a-z][a-z0-9_]*$' OR pg_catalog.length(type) OPERATOR(pg_catalog.>) 200 THEN
    RAISE EXCEPTION 'rowcast.emit: type % must be lower-case letters, digits and _, beginning with a letter', pg_catalog.quote_nullable(pg_catalog.left(type, 100))
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF payload IS NULL OR pg_catalog.jsonb_typeof(payload) OPERATOR(pg_catalog.<>) 'object' THEN
    RAISE EXCEPTION 'rowcast.emit: payload must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF topics IS NULL OR pg_catalog.cardinality(topics) OPERATOR(pg_catalog.=) 0 THEN
    RAISE EXCEPTION 'rowcast.emit: no topics' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOREACH topic IN ARRAY topics LOOP
    IF rowcast.is_topic(topic) IS NOT TRUE THEN
      RAISE EXCEPTION 'rowcast.emit: topic % must be 1 to 200 bytes without space, comma, * or control characters, not beginning with $', pg_catalog.quote_nullable(pg_catalog.left(topic, 100))
        USING ERRCODE = 'invalid_parameter_value';
    END IF;
  END LOOP;

  -- In this order: a reader that falls asleep waits for the xids it may have
  -- missed, so the xid must be there when the doorbell is read.
  xid := pg_catalog.pg_current_xact_id();
  bell := pg_catalog.pg_sequence_last_value('rowcast.doorbell');
  IF rowcast.is_abandoned(bell, ms) THEN
    RETURN NULL;
  END IF;

  IF pg_catalog.pg_column_size(payload) OPERATOR(pg_catalog.<=) 1048576 THEN
    data := payload::pg_catalog.json;
  END IF;
  IF data IS NULL OR pg_catalog.pg_column_size(data) OPERATOR(pg_catalog.>) 1048576 THEN
    cut := 1;
    data := pg_catalog.json_build_object('truncated', true);
    IF pg_catalog.jsonb_typeof(payload OPERATOR(pg_catalog.->) 'topic_id') OPERATOR(pg_catalog.=) ANY (ARRAY['string', 'number']) THEN
      data := pg_catalog.json_build_object('truncated', true, 'topic_id', pg_catalog.left(payload OPERATOR(pg_catalog.->>) 'topic_id', 1000));
    END IF;
  END IF;

  INSERT INTO rowcast.log AS l (xid, watch, op, flags, at, mutation_id, data, type, topics)
  VALUES (xid, 0, 'E', cut, made,
          pg_catalog.left(pg_catalog.current_setting('rowcast.mutation_id', true), 200), data, type, topics)
  RETURNING l.id INTO number;
  IF rowcast.must_ring(bell, ms) THEN
    PERFORM pg_catalog.pg_notify('rowcast', '');
  END IF;
  RETURN number;
END $$;
-- +goose StatementEnd

-- The rest of this transaction's changes of a table are told as one $resync to
-- its topics: for backfills, whose rows nobody would want one by one.
-- +goose StatementBegin
CREATE FUNCTION rowcast.bulk(source regclass) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_variable
DECLARE
  xid   pg_catalog.xid8 := pg_catalog.pg_current_xact_id();
  made  pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  ms    pg_catalog.int8 := pg_catalog.date_part('epoch', made) OPERATOR(pg_catalog.*) 1000;
  bell  pg_catalog.int8;
  watch pg_catalog.int4;
BEGIN
  SELECT w.id INTO watch FROM rowcast.watch w WHERE w.source OPERATOR(pg_catalog.=) source AND w.ended IS NULL AND w.subject_column IS NULL;
  IF watch IS NULL THEN
    RAISE EXCEPTION 'rowcast.bulk: % is not watched', source USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_catalog.set_config('rowcast.bulk', 'on', true);
  INSERT INTO rowcast.silence (xid, watch) VALUES (xid, watch) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  bell := pg_catalog.pg_sequence_last_value('rowcast.doorbell');
  IF rowcast.is_abandoned(bell, ms) THEN
    RETURN;
  END IF;
  INSERT INTO rowcast.log (xid, watch, op, at, mutation_id)
  VALUES (xid, watch, 'B', made, pg_catalog.left(pg_catalog.current_setting('rowcast.mutation_id', true), 200));
  IF rowcast.must_ring(bell, ms) THEN
    PERFORM pg_catalog.pg_notify('rowcast', '');
  END IF;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION rowcast.bulk(regclass);
DROP FUNCTION rowcast.emit(text, jsonb, text[]);
