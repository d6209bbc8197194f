"""PostgreSQL, as the application role sees it."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from shared.doctor import NOTE, Context, Finding, judge, probe
from shared.probes.clocks import compare

SPARE_CONNECTIONS = 10  # for migrations, backups and people
LEAST_VERSION = 15
ROLES_SQL = "Run deploy/postgres/roles.sql again."

# What must not be otherwise, or values and rows of people reach the log (LOG-01).
LOG_SETTINGS = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


def row(sql: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: tuple[Any, ...] = cursor.fetchone()
    return found


@probe
def role(context: Context) -> Iterator[Finding]:
    """It may change rows, and nothing else (DATA-10)."""
    name, *powers = row(
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication,"
        " rolbypassrls FROM pg_roles WHERE rolname = current_user"
    )
    kinds = ("SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")
    has = [kind for kind, power in zip(kinds, powers, strict=True) if power]
    yield judge(
        "database.role",
        not has,
        f"{name} has no power beyond its rows",
        f"the role {name}, which serves, is {', '.join(has)}",
        ROLES_SQL,
    )
    (may_create,) = row(
        "SELECT has_schema_privilege('public', 'CREATE')"
        " OR has_database_privilege(current_database(), 'CREATE')"
    )
    yield judge(
        "database.create",
        not may_create,
        f"{name} may not create tables",
        f"the role {name}, which serves, may create tables",
        ROLES_SQL,
    )
    (owned,) = row(
        "SELECT (SELECT count(*) FROM pg_class WHERE pg_has_role(relowner, 'MEMBER'))"
        " + (SELECT count(*) FROM pg_database WHERE pg_has_role(datdba, 'MEMBER'))"
    )
    yield judge(
        "database.owner",
        not owned,
        f"{name} owns nothing",
        f"the role {name}, which serves, owns {owned} tables, or its group does",
        ROLES_SQL,
    )


@probe
def migrations(context: Context) -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    names = ", ".join(f"{each.app_label}.{each.name}" for each, _ in waiting)
    yield judge(
        "database.migrations",
        not waiting,
        "all migrations are applied",
        f"migrations wait: {names}",
        "./manage_all.sh migrate; in containers the -migrate step.",
    )


@probe
def server(context: Context) -> Iterator[Finding]:
    version, encoding, zone, most = row(
        "SELECT current_setting('server_version'), current_setting('server_encoding'),"
        " (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'),"
        " current_setting('max_connections')::int"
    )
    if int(version.partition(".")[0]) < LEAST_VERSION:
        text = f"PostgreSQL {version}, {LEAST_VERSION} is the least"
        yield Finding("database.version", NOTE, text, "Upgrade it.")
    yield judge(
        "database.encoding",
        encoding == "UTF8",
        "the encoding is UTF8",
        f"the encoding is {encoding}",
        "Dump, create the database with UTF8, restore.",
    )
    if zone.upper() not in ("UTC", "ETC/UTC", "GMT"):
        text = f"the server's time zone is {zone}"
        yield Finding("database.timezone", NOTE, text, "timezone = 'UTC'")
    needed = settings.WEB_CONCURRENCY * (settings.WEB_THREADS + 1)
    yield judge(
        "database.pools",
        needed <= most - SPARE_CONNECTIONS,
        f"{needed} connections at most, of {most}",
        f"the pools may grow to {needed} connections, PostgreSQL has {most} and "
        f"{SPARE_CONNECTIONS} are for others",
        "Raise max_connections, or lower WEB_CONCURRENCY or WEB_THREADS.",
    )


@probe
def logs(context: Context) -> Iterator[Finding]:
    """With parameters cut to nothing, a slow statement's text gives nothing away."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE name LIKE 'log%%'", []
        )
        found = dict(cursor.fetchall())
    wrong = {n: found[n] for n, right in LOG_SETTINGS.items() if found[n] != right}
    if found["log_parameter_max_length"] == "0":
        wrong.pop("log_min_duration_statement", None)
    told = ", ".join(f"{name} = {value}" for name, value in wrong.items())
    yield judge(
        "database.logs",
        not wrong,
        "no values of statements get into PostgreSQL's log",
        f"PostgreSQL's log gets what people sent: {told}",
        "; ".join(f"{name} = {LOG_SETTINGS[name]}" for name in wrong),
    )


@probe
def clock(context: Context) -> Iterator[Finding]:
    (now,) = row("SELECT extract(epoch FROM clock_timestamp())::float8")
    yield compare("clock.database", "PostgreSQL", now)


def waiting_rows(identity: str, what: str, count: int, command: str) -> Finding:
    """Of a table that a daily command keeps small (DATA-11), after some days' grace."""
    return judge(
        identity,
        count == 0,
        f"no {what} waits to be deleted",
        f"{count} {what}s wait to be deleted: the daily command does not run",
        f"{command}, every day.",
    )
