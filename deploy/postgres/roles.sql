-- The two roles and the database of one service. Safe to run again: it creates what
-- is missing and sets passwords and rights again.
--
-- ./manage_all.sh and the PostgreSQL image (docker-entrypoint-initdb.d) run it with psql.
-- It reads from the environment:
--   MEMO_SERVICE              auth: names the database and the roles' prefix
--   MEMO_OWNER_PASSWORD_FILE  file with the password of <service>_owner
--   MEMO_APP_PASSWORD_FILE    file with the password of <service>_app
--
-- Passwords come from files, so no process list shows them. No statement reaches the
-- server's log, not even a failed one.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SET password_encryption = 'scram-sha-256';

\getenv service MEMO_SERVICE
\set owner :service _owner
\set app :service _app
\set owner_password `cat "$MEMO_OWNER_PASSWORD_FILE"`
\set app_password `cat "$MEMO_APP_PASSWORD_FILE"`

SELECT format('CREATE ROLE %I', role)
FROM unnest(ARRAY[:'owner', :'app']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec

-- The owner migrates; CREATEDB lets the test suites make databases of their own.
ALTER ROLE :"owner" LOGIN CREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION
    PASSWORD :'owner_password';
ALTER ROLE :"app" LOGIN NOCREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION
    PASSWORD :'app_password';

-- To end statements without a client. Settings of a role apply behind a pooler too,
-- which refuses settings of a connection. Our statements take milliseconds.
ALTER ROLE :"app" SET statement_timeout = '5s';
ALTER ROLE :"app" SET lock_timeout = '2s';
ALTER ROLE :"app" SET idle_in_transaction_session_timeout = '15s';
-- While a migration waits for a table, all others wait behind it. So it gives up first.
ALTER ROLE :"owner" SET lock_timeout = '5s';

SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
ALTER DATABASE :"service" OWNER TO :"owner";

REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"service" TO :"app";
-- Test databases are created from a connection to `postgres`.
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO :"owner";

\connect :"service"
SET log_statement = 'none';

-- The owner of the database owns the schema.
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO :"app";

-- The application may use, but not change, what the owner's migrations create.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO :"app";
