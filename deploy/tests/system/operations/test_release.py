"""The last release works on the schema of this version: it runs while an upgrade
migrates, and after the way back (docs/operations/upgrade.md)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from deploy.local.servers import application
from deploy.tests.release import release
from deploy.tests.stack import ROOT, SERVICES, System

__all__ = ["release"]
# A path that is short enough for sockets.
TEMPORARY = ROOT / ".run" / "tmp" / "release"
# The tests of a release empty the tables that it knows; later ones may refer to them.
CASCADE = """
import pytest


@pytest.fixture(autouse=True, scope="session")
def flush_all(django_db_setup):
    from django.db.backends.postgresql.operations import DatabaseOperations

    known = DatabaseOperations.sql_flush

    def sql_flush(self, *args, **options):
        return known(self, *args, **options | {"allow_cascade": True})

    DatabaseOperations.sql_flush = sql_flush
"""


@contextmanager
def emptied(system: System, service: str) -> Iterator[None]:
    """The database that a suite of this service uses, which has nothing before and is
    not there after."""
    password = system.secret(f"{service}_db_owner_password")
    name = f"test_{service}"
    with closing(system.connect(service, f"{service}_owner", password)) as owner:
        owner.autocommit = True
        drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode()
        owner.execute(drop)
        owner.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield
        finally:
            owner.execute(drop)


@pytest.mark.verify
@pytest.mark.parametrize("service", SERVICES)
def test_suites_of_the_last_release_pass_on_this_schema(
    release: Path, system: System, service: str
) -> None:
    """Its own migrations have nothing to do."""
    one = next(each for each in system.layout.services if each.name == service)
    env = application.environment(system.layout, one, owner=True, caller=os.environ)
    url = env["MIGRATION_DATABASE_URL"]
    there = f"/{service}"
    assert url.endswith(there)
    migrated = {
        **env,
        "MIGRATION_DATABASE_URL": url.removesuffix(there) + f"/test_{service}",
    }
    if not (release / ".run").exists():  # settings name files there
        (release / ".run").symlink_to(ROOT / ".run")
    (release / "flush_all.py").write_text(CASCADE)
    with emptied(system, service):
        manage = [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"]
        subprocess.run(manage, cwd=one.project, env=migrated, check=True)
        words = ["-q", "--reuse-db", "-m", "not verify", f"--basetemp={TEMPORARY}"]
        words += ["-p", "flush_all"]
        command = [sys.executable, "-m", "pytest", *words, "tests"]
        folder = release / one.project.relative_to(ROOT)
        old = {**env, "PYTHONPATH": str(release)}
        assert subprocess.run(command, cwd=folder, env=old, check=False).returncode == 0
