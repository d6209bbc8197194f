-- The rights of deploy/postgres/roles.sql. The operator makes the database and its owner
-- before, and sets the password of the other role.
CREATE ROLE auth_app LOGIN;
REVOKE ALL ON DATABASE auth FROM PUBLIC;
GRANT CONNECT ON DATABASE auth TO auth_app;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO auth_owner;
ALTER SCHEMA public OWNER TO auth_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO auth_app;
ALTER DEFAULT PRIVILEGES FOR ROLE auth_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO auth_app;
ALTER DEFAULT PRIVILEGES FOR ROLE auth_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO auth_app;
