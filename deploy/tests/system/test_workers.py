"""gunicorn loads a service once and forks: what must not be there before the fork, and
what every worker must have after it."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.tests.client import TestUser
from deploy.tests.stack import SERVICES, System, wait_until


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_that_a_fork_would_break_is_there_before_it(system: System, service):
    """No thread, which might hold a lock, and no connection, which two would share."""
    master = system.family(service)[0]

    assert len(list(Path(f"/proc/{master}/task").iterdir())) == 1
    assert not connected() & held(master)


def test_a_service_says_when_it_starts_and_when_it_ends(healthy: System):
    """LOG-02: a gap in a log is not silence."""
    logs = sorted((healthy.state / "log").glob("users-[1-9].log"))
    before = [len(path.read_text()) for path in logs]
    healthy.run("restart", "users")

    assert len(logs) == 2
    for path, length in zip(logs, before, strict=True):
        said = path.read_text()[length:]
        assert said.index("sys_shutdown") < said.index("sys_startup")


def test_what_an_operator_does_is_in_the_log_of_the_service(
    user: TestUser, system: System
) -> None:
    """And not on their terminal alone."""
    assert user.sid not in told(system)
    system.run("revokesession", user.sid)

    assert user.sid in told(system)


def told(system: System) -> set[str | None]:
    """The sessions that the log of auth tells to have been revoked."""
    lines = system.log("auth").splitlines()
    events = [json.loads(line) for line in lines if '"authn_token_revoked"' in line]
    return {event.get("sid") for event in events}


def connected() -> set[str]:
    """All sockets of the machine that are connected; to both stores it is by file."""
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return {f"socket:[{row[6]}]" for row in rows if row[5] == "03"}


def held(pid: int) -> set[str]:
    links = Path(f"/proc/{pid}/fd").iterdir()
    return {str(link.readlink()) for link in links}


def test_every_worker_of_auth_sweeps(user: TestUser, healthy: System):
    """Each on its own, without a request, and so does one that replaces another."""
    user.log_out()
    key, workers = f"session:{user.sid}", workers_of(healthy)
    os.kill(workers[0], signal.SIGKILL)
    new = lambda: set(workers_of(healthy)) - {workers[0]}  # noqa: E731
    wait_until(lambda: len(new()) == len(workers), 15, "another worker")

    for worker in workers_of(healthy):
        others = [other for other in workers_of(healthy) if other != worker]
        with standing_still(others):
            healthy.redis().delete(key)
            wait_until(lambda: healthy.redis().exists(key), 15, "the sweep")


def workers_of(system: System) -> list[int]:
    return system.workers("auth")


@contextmanager
def standing_still(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
