"""The product behind PgBouncer: 40 clients on 10 connections to PostgreSQL."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg
import pytest

from deploy.local.servers import application
from deploy.tests.chaos.clients import Service, SimulatedUser
from deploy.tests.chaos.faults import catalogue
from deploy.tests.chaos.run import Run
from deploy.tests.client import Response, TestUser, at_once
from deploy.tests.failover.pgbouncer import (
    BEHIND,
    SERVERS,
    PgBouncer,
    PooledStack,
    poolers,
    watched,
)
from deploy.tests.stack import ROOT, SERVICES, System

pytestmark = pytest.mark.verify
CLIENTS = 40
SECONDS, MINUTES, SEED = 30, 10.0, 4
BUSY = {("register", 503), ("log_in", 503)}
STORIES = ["test_account_story.py", "sessions/test_races.py", "sessions/test_epochs.py"]
# They set or look at something of a session of PostgreSQL, which the next transaction
# does not have behind a pooler. What they prove of the product has no pooler in it.
OF_A_SESSION = {
    "auth": [
        "test_a_row_that_stays_locked_is_503",  # SET lock_timeout
        "test_a_connection_is_used_again",  # pg_backend_pid(), pg_prepared_statements
        "test_a_connection_that_takes_no_writes",  # SET, the server's process
    ],
    "users": [],
}
LIMITS = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "15s",
}


@pytest.fixture(scope="module")
def pooled(system: System) -> Iterator[dict[str, PgBouncer]]:
    with poolers(system) as running:
        yield running


@pytest.fixture
def behind(system: System, pooled: dict[str, PgBouncer]) -> Iterator[None]:
    """The services of the stack, with as many connections in all as there are clients.
    The worker of users, too: it hears of no job there, and looks every few seconds."""
    settings = {
        name: {"DATABASE_URL": each.url(), **BEHIND} for name, each in pooled.items()
    }
    with system.with_settings(**settings):
        yield


@pytest.mark.parametrize("service", SERVICES)
def test_limits_of_the_roles_hold(pooled: dict[str, PgBouncer], service: str) -> None:
    pooler = pooled[service]
    app = psycopg.connect(
        host=str(pooler.folder),
        dbname=service,
        user=f"{service}_app",
        password=pooler.password("app"),
    )
    with closing(app):
        found = {x: app.execute(f"SHOW {x}".encode()).fetchone() for x in LIMITS}
        assert found == {name: (value,) for name, value in LIMITS.items()}
        with pytest.raises(psycopg.errors.QueryCanceled):
            app.execute("SELECT pg_sleep(20)")


@pytest.mark.parametrize("service", SERVICES)
def test_suites_of_the_services(
    system: System, pooled: dict[str, PgBouncer], service: str
) -> None:
    """As the owner, who may make the tables."""
    pooler = pooled[service]
    one = next(each for each in system.layout.services if each.name == service)
    env = application.environment(system.layout, one, owner=True, caller=os.environ)
    env["MIGRATION_DATABASE_URL"] = pooler.url("owner")
    env |= {"DATABASE_POOLER": "transaction", "PYTHONPATH": str(ROOT)}
    # A path that is short enough for sockets.
    words = ["--reuse-db", f"--basetemp={ROOT / '.run/tmp/pooled'}", "--maxfail=20"]
    words += ["-m", "not verify"]
    words += ["-k", " and ".join(f"not {x}" for x in OF_A_SESSION[service])]
    direct = system.connect(service, f"{service}_owner", pooler.password("owner"))
    name = f"test_{service}"
    with closing(direct):
        direct.autocommit = True
        # PgBouncer keeps connections to it, so it can be dropped by force alone.
        direct.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        direct.execute(f"CREATE DATABASE {name}".encode())
        try:
            status = run(words, env, one.project)
        finally:
            direct.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    assert status == 0


def run(words: list[str], env: dict[str, str], folder: Path) -> int:
    command = [sys.executable, "-m", "pytest", "-q", *words]
    return subprocess.run(command, cwd=folder, env=env, check=False).returncode


@pytest.mark.usefixtures("behind")
def test_stories_and_races(system: System, tmp_path: Path) -> None:
    files = [f"deploy/tests/system/{name}" for name in STORIES]
    env = {**os.environ, "MEMO_STACK": system.stack}
    assert run([*files, f"--basetemp={tmp_path / 'tmp'}"], env, ROOT) == 0


@pytest.mark.usefixtures("behind")
def test_more_clients_than_connections(
    system: System, pooled: dict[str, PgBouncer]
) -> None:
    """Every answer is good, but that few may have a password hashed at once."""
    end = time.monotonic() + SECONDS
    with watched(pooled.values()) as seen:
        answers = sum(at_once([partial(work, system, end)] * CLIENTS), Counter())
    clients, servers = map(max, zip(*seen, strict=True))
    print(f"{clients} connections of services on {servers} to PostgreSQL: {answers}")
    assert not {(act, status) for act, status in answers if status >= 400} - BUSY
    assert servers <= 2 * SERVERS < clients


def work(system: System, end: float) -> Counter[tuple[str, int]]:
    """A user with a session, until the time is over: the answers by act and status."""
    user, answers = TestUser(system), Counter[tuple[str, int]]()

    def ask(*acts: Callable[[], Response]) -> Response:
        for act in acts:
            response = act()
            answers[act.__name__, response.status_code] += 1
        return response

    for act in (user.register, user.log_in):
        while not ask(act).ok and time.monotonic() < end:
            time.sleep(1)
    while time.monotonic() < end:
        ask(user.me, user.verify, user.refresh, user.sessions)
    ask(user.log_out)
    return answers


def test_users_notice_nothing_worse_than_503_while_things_break(
    system: System,
) -> None:
    users = 10  # more have too many passwords hashed for two cores
    kinds = [*[SimulatedUser] * users, *[Service] * (CLIENTS - users)]
    stack = PooledStack(system.stack)
    with (
        stack.linked(),
        watched(stack.poolers.values()) as seen,
        Run(stack, SEED, kinds) as chaos,
    ):
        chaos.break_until(time.monotonic() + 60 * MINUTES, catalogue())
    clients, servers = map(max, zip(*seen, strict=True))
    print(f"{clients} connections of services on {servers} to PostgreSQL")
    print(chaos.summary())
    assert not chaos.violations, chaos.summary()
    assert servers <= 2 * SERVERS < clients
