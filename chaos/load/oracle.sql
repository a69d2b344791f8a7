-- The oracle: what the application did, written down in the transactions that
-- did it. Nothing in here knows rowcast but two functions that call it.

CREATE SCHEMA oracle;

CREATE TABLE oracle.tx (
  xid   xid8        PRIMARY KEY DEFAULT pg_current_xact_id(),
  began pg_snapshot NOT NULL
);

-- A row's changes are numbered in the order in which they were made, over all
-- transactions: whoever takes a number here has the row locked.
CREATE TABLE oracle.change (
  number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid       xid8   NOT NULL DEFAULT pg_current_xact_id(),
  mutation  text   NOT NULL DEFAULT current_setting('rowcast.mutation_id'),
  op        "char" NOT NULL,  -- Insert Update Delete Truncate, Bulk, Emit
  source    text   NOT NULL,  -- the table; E: the event's type
  was       text,             -- U, D: the row's key and topic before
  was_topic int,
  now       text,             -- I, U: … and after
  now_topic int,
  content   text,             -- I, U, E
  topics    text[]            -- E
);

CREATE FUNCTION oracle.write_down() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  source   text := TG_ARGV[0];   -- TG_TABLE_NAME would be a partition's
  by_topic bool := TG_ARGV[1];   -- whether topic_id is part of the key
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO oracle.change (op, source) VALUES ('T', source);
  ELSIF TG_OP <> 'UPDATE' OR OLD IS DISTINCT FROM NEW THEN  -- an update that changes nothing is no change
    INSERT INTO oracle.change (op, source, was, was_topic, now, now_topic, content)
    VALUES (TG_OP::"char", source, OLD.id || CASE WHEN by_topic THEN ',' || OLD.topic_id ELSE '' END, OLD.topic_id,
                                   NEW.id || CASE WHEN by_topic THEN ',' || NEW.topic_id ELSE '' END, NEW.topic_id, NEW.content);
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION oracle.bulk(source text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM rowcast.bulk(source::regclass);
  INSERT INTO oracle.change (op, source) VALUES ('B', source);
END $$;

CREATE FUNCTION oracle.emit(type text, content text, topics text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM rowcast.emit(type, jsonb_build_object('content', content), topics);
  INSERT INTO oracle.change (op, source, content, topics) VALUES ('E', type, content, topics);
END $$;
