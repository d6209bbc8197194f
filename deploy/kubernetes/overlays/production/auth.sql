-- The rights of deploy/postgres/roles.sql. Before this, the operator makes the database
-- and its owner. It also sets the password of the other role.
CREATE ROLE auth_app LOGIN;
ALTER ROLE auth_app SET statement_timeout = '5s';
ALTER ROLE auth_app SET lock_timeout = '2s';
ALTER ROLE auth_app SET idle_in_transaction_session_timeout = '15s';
ALTER ROLE auth_owner SET lock_timeout = '5s';
REVOKE ALL ON DATABASE auth FROM PUBLIC;
GRANT CONNECT ON DATABASE auth TO auth_app;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO auth_owner;
-- A primary that failed rejoins through `postgres`, and the operator's exporter reads
-- both, by roles that the operator makes later.
GRANT CONNECT ON DATABASE postgres TO PUBLIC;
GRANT CONNECT ON DATABASE auth TO pg_monitor;
ALTER SCHEMA public OWNER TO auth_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO auth_app;
ALTER DEFAULT PRIVILEGES FOR ROLE auth_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO auth_app;
ALTER DEFAULT PRIVILEGES FOR ROLE auth_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO auth_app;
