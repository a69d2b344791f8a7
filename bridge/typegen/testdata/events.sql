-- Events of every kind.

CREATE SCHEMA archive;

-- Moves, a hidden column, rows that are too large.
CREATE TABLE messages (id bigint PRIMARY KEY, topic_id bigint NOT NULL, content text, secret text);
SELECT rowcast.watch('messages', 'topic_id', topics => array['topic_{topic_id}', 'all'], exclude => '{secret}', max_bytes => 2000);

-- The same entity from tables that look the same, and from one that does not.
CREATE TABLE archive.messages (id bigint PRIMARY KEY, topic_id bigint NOT NULL, content text);
SELECT rowcast.watch('archive.messages', 'topic_id', topics => array['all']);
CREATE TABLE archive.mails (topic_id text, id int, subject text NOT NULL, PRIMARY KEY (id));
SELECT rowcast.watch('archive.mails', 'topic_id', topics => array['all'], entity => 'message', include_old => true, max_bytes => 2000);

-- A composite key, no topic column, old values, updates that change nothing.
CREATE TABLE memberships (user_id int, project text, role text NOT NULL, PRIMARY KEY (project, user_id));
SELECT rowcast.watch('memberships', topics => array['user_{user_id}', 'all'], include_old => true, unchanged => true, max_bytes => 2000);

-- Who may be where is no event.
CREATE TABLE seats (holder text, project text);
SELECT rowcast.watch_access('seats', 'holder', array['project_{project}']), rowcast.watch_access('memberships', 'user_id', array['project_{project}']);

-- No key, and a topic column that may be NULL.
CREATE TABLE notes (room text, body text);
SELECT rowcast.watch('notes', 'room', topics => array['note_{room}', 'all'], max_bytes => 2000);

-- Nothing to see.
CREATE TABLE blips (n int);
SELECT rowcast.watch('blips', topics => array['all'], columns => '{}', unchanged => true);

-- A key that is cut like text.
CREATE TABLE tagged (tags text[] PRIMARY KEY, grid int[][] NOT NULL, body text);
SELECT rowcast.watch('tagged', 'grid', topics => array['tagged_{tags}', 'all'], max_bytes => 2000, derive => '[
    {"type": "tagged_anew", "on": "update", "column": "grid", "changes": true, "fields": {"where": "grid"}}]');

-- Derived events, of each operation; two tables make one type.
CREATE TYPE status AS ENUM ('pending', 'approved');
CREATE TABLE proposals (id bigint PRIMARY KEY, topic_id bigint, status status NOT NULL DEFAULT 'pending', error text, reasons text[]);
SELECT rowcast.watch('proposals', 'topic_id', topics => array['all'], max_bytes => 2000, derive => '[
    {"type": "proposal_opened",   "on": "insert", "column": "status", "equals": "pending", "fields": {"run-id": "id", "id": "error", "proposal": "error"}},
    {"type": "proposal_approved", "on": "update", "column": "status", "becomes": "approved", "fields": {"error": "error", "reasons": "reasons"}},
    {"type": "closed",            "on": "update", "column": "status", "becomes": "approved"},
    {"type": "closed",            "on": "delete", "fields": {"error": "error"}}]');

-- Only some operations, and a topic with characters that mean something elsewhere.
CREATE TABLE series (id int PRIMARY KEY, "at`" text);
SELECT rowcast.watch('series', topics => array['it''s`${at`}\x', 'a''b', 'all'], entity => 'topic', ops => '{update}');

-- No events at all.
CREATE TABLE quiet (id int PRIMARY KEY);
SELECT rowcast.watch('quiet', topics => array['all'], ops => '{truncate}');
