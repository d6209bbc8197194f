"""Diagnostics of PostgreSQL, run as the application role."""

from functools import partial

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from shared.db.rights import append_only_tables
from shared.doctor import NTP, clock_fault, diagnostic

SPARE_CONNECTIONS = 20  # for a worker, migrations, backups and administrators
CONNECTIONS = settings.WEB_CONCURRENCY * (settings.WEB_THREADS + 1)
RIGHTS = "Revoke them: ./manage_all.sh migrate, or the -migrate step in containers."
ROLES_SQL = "Run deploy/postgres/roles.sql again."

# By id: a statement that has to hold, a hint, and a query whose rows are the faults.
QUERIES = {
    "database.role": (
        "the service's role has no administrator's rights (DATA-10)",
        ROLES_SQL,
        "SELECT rolname FROM pg_roles WHERE rolname = current_user AND (rolsuper"
        " OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)",
    ),
    "database.create": (
        "the service's role may not create tables",
        ROLES_SQL,
        "SELECT 'it may' WHERE has_schema_privilege('public', 'CREATE')"
        " OR has_database_privilege(current_database(), 'CREATE')",
    ),
    "database.owner": (
        "the service's role, and its group, own nothing",
        ROLES_SQL,
        "SELECT relname FROM pg_class WHERE pg_has_role(relowner, 'MEMBER') UNION ALL"
        " SELECT datname FROM pg_database WHERE pg_has_role(datdba, 'MEMBER') LIMIT 9",
    ),
    "database.limits": (
        "the service's role has limits for statements, locks and transactions",
        ROLES_SQL,
        "SELECT name FROM unnest(ARRAY['statement_timeout', 'lock_timeout',"
        " 'idle_in_transaction_session_timeout']) AS name"
        " WHERE current_setting(name) = '0'",
    ),
    "database.pools": (
        "the connection pools fit in max_connections, with 20 to spare",
        "Raise max_connections, or lower WEB_CONCURRENCY or WEB_THREADS.",
        "SELECT setting FROM pg_settings WHERE name = 'max_connections'"  # noqa: S608
        f" AND setting::int < {CONNECTIONS + SPARE_CONNECTIONS}",
    ),
    # The text of a slow statement is harmless if its parameters are cut off.
    "database.logs": (
        "PostgreSQL's log has no values of users (LOG-01)",
        "Set log_statement = none; log_min_duration_statement = -1; "
        "log_parameter_max_length_on_error = 0; log_error_verbosity = terse",
        "SELECT name || ' = ' || setting FROM pg_settings WHERE"
        " (name = 'log_statement' AND setting <> 'none')"
        " OR (name = 'log_min_duration_statement' AND setting <> '-1'"
        " AND current_setting('log_parameter_max_length') <> '0')"
        " OR (name = 'log_parameter_max_length_on_error' AND setting <> '0')"
        " OR (name = 'log_error_verbosity' AND setting <> 'terse')",
    ),
}


def rows(sql: str) -> str:
    """The first column of a query's rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return ", ".join(str(row[0]) for row in cursor.fetchall())


# By table: the id, the column of the time of expiry, and the command that deletes
# expired rows now. The sweep or the worker deletes them within a day.
EXPIRING = {
    "tokens_session": ("sessions.expired", "expires_at", "flushexpiredsessions"),
    "django_session": ("admin.expired", "expire_date", "clearsessions"),
}

for name, (statement, hint, sql) in QUERIES.items():
    diagnostic(name, statement, hint)(partial(rows, sql))
for table in append_only_tables():
    statement = f"the service's role can only add rows to {table}"
    sql = (
        "SELECT privilege FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE'])"  # noqa: S608
        f" AS privilege WHERE has_table_privilege('{table}', privilege)"
    )
    diagnostic(f"rights.{table}", statement, RIGHTS)(partial(rows, sql))
for table in EXPIRING.keys() & connection.introspection.django_table_names():
    name, column, command = EXPIRING[table]
    statement = "no expired session waits to be deleted (DATA-11)"
    sql = (
        f"SELECT count(*) || ' wait' FROM {table} WHERE {column} < now()"  # noqa: S608
        " - interval '3 days' HAVING count(*) > 0"
    )
    hint = f"The service's log says why. ./manage_all.sh {command} deletes them now."
    diagnostic(name, statement, hint)(partial(rows, sql))


@diagnostic(
    "database.migrations",
    "all migrations are applied",
    "Apply them: ./manage_all.sh migrate, or the -migrate step in containers.",
)
def missing_migrations() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return ", ".join(f"{each.app_label}.{each.name}" for each, _ in plan)


@diagnostic("clock.database", "PostgreSQL's clock agrees with ours", NTP)
def clock() -> str:
    return clock_fault(float(rows("SELECT extract(epoch FROM clock_timestamp())")))
