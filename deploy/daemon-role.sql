-- The role that rowcast serve logs in as: it reads the event log, and nothing of
-- yours. For psql, as the owner of the schema rowcast, with the right to make
-- roles, after rowcast migrate up:
--
--   psql -d app -v role=rowcast_daemon -v password='…' -f deploy/daemon-role.sql
--
-- It may run again: with another password, or after an upgrade. Without a
-- password the role gets none, or keeps its own; \password sets one that no log
-- and no process list sees.

\set ON_ERROR_STOP on
\if :{?role}
\else
  \set role rowcast_daemon
\endif

BEGIN;

-- A new role can do nothing. One that is there already is not taken on trust.
SELECT count(*) = 0 AS missing,
       coalesce(bool_or(rolsuper OR rolbypassrls OR rolreplication OR rolcreaterole OR rolcreatedb
                        OR EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o')), false) AS mighty
  FROM pg_roles r WHERE rolname = :'role' \gset
\if :missing
  CREATE ROLE :"role";
\elif :mighty
  DO $$ BEGIN RAISE 'this role owns something, or has rights that a daemon must not have: give another name'; END $$;
\endif

-- NOINHERIT: what it is a member of (auth.role, below), it has to become first.
ALTER ROLE :"role" LOGIN NOINHERIT;
\if :{?password}
  SET LOCAL password_encryption = 'scram-sha-256';
  ALTER ROLE :"role" PASSWORD :'password';
\endif

GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
SELECT rowcast.grant_daemon(quote_ident(:'role')::regrole);

-- What the daemon asks your own functions, if it does (auth.authorize and
-- auth.authenticate): their schema, and each of them. They read your tables as
-- the daemon's role, which may not; as auth.role, if you set it; or, being
-- SECURITY DEFINER, as their owner.
--
-- GRANT USAGE ON SCHEMA app TO :"role";
-- GRANT EXECUTE ON FUNCTION app.may_join(text, jsonb), app.session(text) TO :"role";
-- GRANT web TO :"role";  -- auth.role: web

COMMIT;

-- What it can do besides, because PUBLIC can or because somebody granted it. Best
-- is an empty list, or one of what was taken into use above.
SELECT 'become ' || m.roleid::regrole AS "what this role can do besides"
  FROM pg_auth_members m
 WHERE m.member = quote_ident(:'role')::regrole
UNION ALL
SELECT 'create in schema ' || quote_ident(n.nspname)
  FROM pg_namespace n
 WHERE n.nspname <> ALL ('{rowcast,information_schema}') AND n.nspname !~ '^pg_' AND has_schema_privilege(:'role', n.oid, 'CREATE')
UNION ALL
SELECT 'read or write ' || c.oid::regclass
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> ALL ('{rowcast,information_schema}') AND n.nspname !~ '^pg_'
   AND has_schema_privilege(:'role', n.oid, 'USAGE') AND (has_table_privilege(:'role', c.oid, 'DELETE, TRUNCATE') OR has_any_column_privilege(:'role', c.oid, 'SELECT, INSERT, UPDATE'))
UNION ALL
SELECT format('call %s, which runs as %I', p.oid::regprocedure, pg_get_userbyid(p.proowner))
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prosecdef AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND (n.nspname <> 'rowcast' OR p.proname = ANY ('{emit,revoke,bulk}'))
   AND has_schema_privilege(:'role', n.oid, 'USAGE') AND has_function_privilege(:'role', p.oid, 'EXECUTE');
