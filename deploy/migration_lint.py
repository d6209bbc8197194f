"""`python -m deploy.migration_lint`: whether new migrations of a service disturb it.

The previous version runs until its processes are replaced, and again after a rollback.
So a release adds what it needs, and a later one removes what no version reads any more.
Squawk knows what a migration locks, and what breaks the previous version.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
SQUAWK = [str(Path(sys.executable).with_name("squawk")), "--reporter=json"]
# The models decide types. The owner of the tables has no statement_timeout, since an
# index may take long to build.
SQUAWK += [
    "--exclude=prefer-bigint-over-int,prefer-bigint-over-smallint,prefer-text-field"
]
SQUAWK += ["--exclude=prefer-robust-stmts,require-statement-timeout"]


def main() -> int:
    """Lint the service in whose folder it runs, with that service's database."""
    import django
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    django.setup()
    with connection.cursor() as cursor:
        # Set for the role (roles.sql), so that it applies to every migration.
        [timeout] = cursor.execute("SHOW lock_timeout").fetchone()
    found = {}
    for app, name in new_migrations(MigrationLoader(connection).graph):
        output = StringIO()
        call_command("sqlmigrate", app, name, stdout=output)
        found[f"{app}.{name}"] = list(faults(output.getvalue(), timeout))
    lines = [*report(found, TABLE.get("exception", []))]
    print("\n".join([f"{len(found)} new migrations", *lines]))
    return int(bool(lines))


def new_migrations(graph: Any) -> list[tuple[str, str]]:
    """All migrations that the baseline does not have, sorted."""
    known: set[tuple[str, str]] = set()
    apps = {app for app, _ in graph.nodes}
    for app in apps & TABLE["baseline"].keys():
        known |= set(graph.forwards_plan((app, TABLE["baseline"][app])))
    return sorted(graph.nodes.keys() - known)


def faults(sql: str, timeout: str) -> Iterator[tuple[str, str]]:
    """The rules that a migration breaks, each with where and why. `timeout` is the
    lock_timeout that it begins with."""
    set_by_role = "" if timeout == "0" else f"SET lock_timeout = '{timeout}'; "
    done = subprocess.run(
        SQUAWK, input=set_by_role + sql, capture_output=True, text=True, check=False
    )
    for each in json.loads(done.stdout):
        yield each["rule_name"], f"line {each['line']}: {each['message']}"
    created = r'CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?"?(\w+)'
    for index in re.findall(created, sql):
        if not re.search(rf'DROP INDEX CONCURRENTLY IF EXISTS "?{index}\b', sql):
            why = f"drop {index} first: an attempt that ended early may have left it"
            yield "repeatable-index-creation", why


def report(
    found: Mapping[str, Iterable[tuple[str, str]]], exceptions: list[dict[str, str]]
) -> Iterator[str]:
    """A line for each fault without exception, and for each exception without fault."""
    excepted = {(each["migration"], each["rule"]) for each in exceptions}
    for name, broken in found.items():
        for rule, why in broken:
            if (name, rule) not in excepted:
                yield f"{name}: {rule}: {why}"
    broken_rules = {
        (name, rule) for name, all_of in found.items() for rule, _ in all_of
    }
    for name, rule in excepted - broken_rules:
        if name in found:
            yield f"{name}: {rule}: remove the exception, which is not needed"


if __name__ == "__main__":
    sys.exit(main())
