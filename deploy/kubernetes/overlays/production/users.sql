-- The rights of deploy/postgres/roles.sql. Before this, the operator makes the database
-- and its owner. It also sets the password of the other role.
CREATE ROLE users_app LOGIN;
ALTER ROLE users_app SET statement_timeout = '5s';
ALTER ROLE users_app SET lock_timeout = '2s';
ALTER ROLE users_app SET idle_in_transaction_session_timeout = '15s';
ALTER ROLE users_owner SET lock_timeout = '5s';
REVOKE ALL ON DATABASE users FROM PUBLIC;
GRANT CONNECT ON DATABASE users TO users_app;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO users_owner;
-- A primary that failed rejoins through `postgres`, and the operator's exporter reads
-- both, by roles that the operator makes later.
GRANT CONNECT ON DATABASE postgres TO PUBLIC;
GRANT CONNECT ON DATABASE users TO pg_monitor;
ALTER SCHEMA public OWNER TO users_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO users_app;
ALTER DEFAULT PRIVILEGES FOR ROLE users_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO users_app;
ALTER DEFAULT PRIVILEGES FOR ROLE users_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO users_app;
