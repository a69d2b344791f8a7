-- The demo's application: ordinary tables, a few rows, and at the end what
-- rowcast watches of them.

CREATE TABLE topics (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE messages (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id   bigint NOT NULL REFERENCES topics ON DELETE CASCADE,
    author     text NOT NULL DEFAULT CURRENT_USER,
    content    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON messages (topic_id, id);

CREATE TABLE projects (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    archived   boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE proposals (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id   bigint REFERENCES topics ON DELETE CASCADE,
    title      text NOT NULL,
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected')),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE analysis_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id    bigint REFERENCES topics ON DELETE CASCADE,
    status      text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
    error       text,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

CREATE TABLE knowledge_atoms (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id   bigint REFERENCES topics ON DELETE CASCADE,
    title      text NOT NULL,
    content    text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO topics (title) VALUES
    ('General'), ('Design'), ('Backend'), ('Mobile'), ('Support'), ('Reading'), ('Launch');
INSERT INTO messages (topic_id, author, content) VALUES
    (1, 'Olena', 'Good morning'),
    (7, 'Olena', 'Two weeks to go. Who writes the announcement?'),
    (7, 'Maks', 'I do. Draft on Thursday.');
INSERT INTO projects (name) VALUES ('Website'), ('Launch');
INSERT INTO proposals (topic_id, title) VALUES (7, 'Ship on a Tuesday'), (7, 'Ship on a Friday');
INSERT INTO analysis_runs (topic_id) VALUES (7);
INSERT INTO knowledge_atoms (topic_id, title, content) VALUES
    (6, 'Outbox', 'Write the event in the transaction that makes it true.');

SELECT rowcast.watch('messages', 'topic_id', topics => array['topic_{topic_id}', 'messages']);
SELECT rowcast.watch('projects');
SELECT rowcast.watch('proposals', 'topic_id', topics => array['proposals', 'topic_{topic_id}'], derive => '[
    {"type": "proposal_approved", "on": "update", "column": "status", "becomes": "approved"},
    {"type": "proposal_rejected", "on": "update", "column": "status", "becomes": "rejected"}]');
SELECT rowcast.watch('analysis_runs', 'topic_id', topics => array['analysis'], derive => '[
    {"type": "analysis_started",   "on": "insert", "column": "status", "equals": "running",    "fields": {"run_id": "id"}},
    {"type": "analysis_completed", "on": "update", "column": "status", "becomes": "completed", "fields": {"run_id": "id"}},
    {"type": "analysis_failed",    "on": "update", "column": "status", "becomes": "failed",    "fields": {"run_id": "id", "error": "error"}}]');
SELECT rowcast.watch('knowledge_atoms', 'topic_id', topics => array['knowledge'], entity => 'knowledge');
