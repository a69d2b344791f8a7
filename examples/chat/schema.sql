-- The demo's application: ordinary tables, who may read what, a few rows, and at
-- the end what rowcast watches of them.

CREATE TABLE users (
    id   text PRIMARY KEY, -- the sub of their tokens
    name text NOT NULL
);

-- A private topic is for its members. What everybody sees, such as a proposal,
-- refers to public_id: the database itself keeps it out of private topics.
CREATE TABLE topics (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title      text NOT NULL,
    private    boolean NOT NULL DEFAULT false, -- for good: nobody is sent out of a topic that was public
    public_id  bigint UNIQUE GENERATED ALWAYS AS (CASE WHEN NOT private THEN id END) STORED,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE memberships (
    topic_id bigint NOT NULL REFERENCES topics ON DELETE CASCADE,
    member   text NOT NULL REFERENCES users ON DELETE CASCADE,
    owner    boolean NOT NULL DEFAULT false, -- adds and removes the others
    PRIMARY KEY (topic_id, member)
);

CREATE TABLE messages (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id   bigint NOT NULL REFERENCES topics ON DELETE CASCADE,
    author     text NOT NULL DEFAULT CURRENT_USER,
    content    text NOT NULL,
    feed       text, -- the topic in which everybody hears of it; NULL in a private one
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON messages (topic_id, id);

CREATE FUNCTION choose_feed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    NEW.feed := (SELECT 'messages' FROM topics WHERE public_id = NEW.topic_id);
    RETURN NEW;
END $$;
CREATE TRIGGER choose_feed BEFORE INSERT OR UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION choose_feed();

CREATE TABLE projects (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    archived   boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE proposals (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id   bigint REFERENCES topics (public_id) ON DELETE CASCADE,
    title      text NOT NULL,
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected')),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE analysis_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id    bigint REFERENCES topics (public_id) ON DELETE CASCADE,
    status      text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
    error       text,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

CREATE TABLE knowledge_atoms (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic_id   bigint REFERENCES topics (public_id) ON DELETE CASCADE,
    title      text NOT NULL,
    content    text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Who may join a topic: the daemon asks before it lets anybody in, and the API
-- before it reads or writes a message. A topic that does not exist is not for
-- anybody: it could become a private one.
CREATE FUNCTION can_join(topic text, claims jsonb) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT topic IN ('messages', 'projects', 'proposals', 'analysis', 'knowledge')
        OR coalesce(topic = 'user_' || (claims->>'sub'), false)
        OR EXISTS (SELECT FROM topics t
                   WHERE t.id = substring(topic FROM '^topic_([1-9][0-9]{0,17})$')::bigint
                     AND (NOT t.private OR EXISTS (SELECT FROM memberships m
                                                   WHERE m.topic_id = t.id AND m.member = claims->>'sub')))
$$;

INSERT INTO users VALUES ('olena', 'Olena'), ('maks', 'Maks');

INSERT INTO topics (title, private) VALUES
    ('General', false), ('Design', false), ('Backend', false), ('Mobile', false), ('Support', false), ('Reading', false),
    ('Launch', false), ('Salaries', true);

INSERT INTO memberships VALUES (8, 'olena', true);

INSERT INTO messages (topic_id, author, content, created_at)
SELECT topic_id, author, content, now() - ago
FROM (VALUES
    (1, 'Olena', interval '3 days',      'Good morning! The new coffee machine works.'),
    (1, 'Maks',  interval '70 hours',    'It does. The old one is on my desk, do not ask.'),
    (2, 'Maks',  interval '2 days',      'Dark mode: the border is one step too light.'),
    (3, 'Olena', interval '30 hours',    'The import runs in one transaction now. 40 minutes became 3.'),
    (4, 'Maks',  interval '26 hours',    'Android keeps the socket in the background after all.'),
    (5, 'Olena', interval '8 hours',     'Somebody asks whether an export can be scheduled.'),
    (5, 'Maks',  interval '7 hours',     'Not yet. I wrote it down as a proposal.'),
    (6, 'Maks',  interval '6 hours',     'A long piece on snapshots, worth the evening.'),
    (7, 'Olena', interval '50 minutes',  'Two weeks to go. Who writes the announcement?'),
    (7, 'Maks',  interval '48 minutes',  'I do. Draft on Thursday.'),
    (7, 'Olena', interval '45 minutes',  'Then I take the screenshots, light and dark.'),
    (7, 'Maks',  interval '12 minutes',  'Tuesday or Friday? There is a proposal for each.'),
    (7, 'Olena', interval '11 minutes',  'Tuesday. Nobody fixes anything on a Friday evening.'),
    (8, 'Olena', interval '5 hours',     'The budget allows one raise. I would start with Maks.')
) AS seed (topic_id, author, ago, content)
ORDER BY ago DESC;

INSERT INTO projects (name, archived) VALUES
    ('Website', false), ('Launch', false), ('Import', false), ('Old intranet', true);

INSERT INTO proposals (topic_id, title, status) VALUES
    (7, 'Ship on a Tuesday', 'pending'),
    (7, 'Ship on a Friday', 'pending'),
    (5, 'Exports on a schedule', 'pending'),
    (3, 'One transaction for each import', 'approved'),
    (2, 'Rounder corners', 'rejected');

INSERT INTO analysis_runs (topic_id, status, error, started_at, finished_at) VALUES
    (5, 'completed', NULL,            now() - interval '5 hours',   now() - interval '295 minutes'),
    (3, 'failed',    'out of memory', now() - interval '2 hours',   now() - interval '118 minutes'),
    (7, 'running',   NULL,            now() - interval '3 minutes', NULL);

INSERT INTO knowledge_atoms (topic_id, title, content) VALUES
    (6, 'Outbox', 'Write the event in the transaction that makes it true.'),
    (6, 'Snapshot', 'Ids are handed out before commit: their order is not the order of commits.'),
    (3, 'Backfill', 'Small batches, and a pause between them.');

-- A template with a NULL makes no topic: only its members hear of what is said in
-- a private one.
SELECT rowcast.watch('messages', 'topic_id', topics => array['topic_{topic_id}', '{feed}']);
SELECT rowcast.watch('projects');
SELECT rowcast.watch('proposals', 'topic_id', topics => array['proposals', 'topic_{topic_id}'], derive => '[
    {"type": "proposal_approved", "on": "update", "column": "status", "becomes": "approved"},
    {"type": "proposal_rejected", "on": "update", "column": "status", "becomes": "rejected"}]');
SELECT rowcast.watch('analysis_runs', 'topic_id', topics => array['analysis'], derive => '[
    {"type": "analysis_started",   "on": "insert", "column": "status", "equals": "running",    "fields": {"run_id": "id"}},
    {"type": "analysis_completed", "on": "update", "column": "status", "becomes": "completed", "fields": {"run_id": "id"}},
    {"type": "analysis_failed",    "on": "update", "column": "status", "becomes": "failed",    "fields": {"run_id": "id", "error": "error"}}]');
SELECT rowcast.watch('knowledge_atoms', 'topic_id', topics => array['knowledge'], entity => 'knowledge');

-- A membership that ends takes its member out of the topic, wherever that page is
-- open. The event beside it tells pages what to fetch anew, or to try again.
SELECT rowcast.watch_access('memberships', 'member', array['topic_{topic_id}']);
SELECT rowcast.watch('memberships', 'topic_id', topics => array['user_{member}', 'topic_{topic_id}']);
