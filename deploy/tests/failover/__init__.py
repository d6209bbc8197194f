"""PgBouncer, a standby of PostgreSQL and Redis Sentinel: real ones, under load."""
