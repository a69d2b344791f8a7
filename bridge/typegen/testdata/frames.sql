-- The tables of the golden frames in bridge/testdata/frames.

CREATE TABLE messages (id bigint PRIMARY KEY, topic_id bigint, content text, created_at timestamptz NOT NULL);
SELECT rowcast.watch('messages', 'topic_id', topics => array['topic_{topic_id}', 'messages']);
CREATE SCHEMA more;
CREATE TABLE more.messages (LIKE messages INCLUDING ALL);
SELECT rowcast.watch('more.messages', 'topic_id', topics => array['topic_{topic_id}', 'messages'], include_old => true, unchanged => true);

CREATE TABLE memberships (user_id int, project text, role text, PRIMARY KEY (project, user_id));
SELECT rowcast.watch('memberships', topics => array['user_{user_id}']);
CREATE TABLE more.memberships (user_id int, project text, role text);
SELECT rowcast.watch('more.memberships', topics => array['user_{user_id}']);

CREATE TABLE proposals (id bigint PRIMARY KEY, project_id bigint, status text NOT NULL, error text);
SELECT rowcast.watch('proposals', 'project_id', derive => '[
    {"type": "proposal_opened",    "on": "insert"},
    {"type": "proposal_approved",  "on": "update", "column": "status", "becomes": "approved"},
    {"type": "proposal_failed",    "on": "update", "column": "error", "changes": true, "fields": {"error": "error"}},
    {"type": "proposal_withdrawn", "on": "delete", "fields": {"status": "status"}}]', topics => array['project_{project_id}']);

CREATE TYPE part AS (n int8, at timestamptz);
CREATE TABLE things (
    id bigint PRIMARY KEY, int2 int2, int8 int8, "numeric" numeric, money money, float8 float8, float8_nan float8, numeric_nan numeric, bool bool,
    json json, jsonb jsonb, timestamptz timestamptz, infinity timestamptz, "timestamp" timestamp, date date, bytea bytea, bytea_escape bytea,
    uuid uuid, "null" int, int8_array int8[][], text_array text[], composite part);
SELECT rowcast.watch('things');
