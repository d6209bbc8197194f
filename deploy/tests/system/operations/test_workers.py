"""gunicorn loads a service once and forks: what must not be there before the fork, and
what every worker must have after it."""

import json
import os
import signal
from pathlib import Path

import pytest

from deploy.tests.stack import SERVICES, wait_until


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_that_a_fork_would_break_is_there_before_it(system, service):
    """No thread, which might hold a lock, and no connection, which two would share."""
    master = system.pids(service)[0]
    sockets = {str(link.readlink()) for link in Path(f"/proc/{master}/fd").iterdir()}

    assert len(list(Path(f"/proc/{master}/task").iterdir())) == 1
    assert not connected() & sockets


def connected() -> set[str]:
    """All sockets of the machine that are connected; to both stores it is by file."""
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return {f"socket:[{row[6]}]" for row in rows if row[5] == "03"}


def test_a_service_says_when_it_starts_and_when_it_ends(healthy):
    """LOG-02: a gap in a log is not silence."""
    logs = sorted((healthy.state / "log").glob("users-[1-9].log"))
    before = [len(path.read_text()) for path in logs]
    with healthy.stopped("users"):
        pass

    assert len(logs) == 2
    for path, length in zip(logs, before, strict=True):
        # `start` returns when one of the two answers.
        said = lambda: path.read_text()[length:]  # noqa: B023, E731
        wait_until(lambda: "sys_startup" in said(), 20, "both")  # noqa: B023
        assert said().index("sys_shutdown") < said().index("sys_startup")


def test_a_service_stops_with_the_workers_of_a_killed_process(healthy):
    """One that hangs has the socket: no other process could have its port."""
    os.kill(healthy.workers("users")[0], signal.SIGSTOP)
    for pid in healthy.pids("users"):
        os.kill(pid, signal.SIGKILL)

    healthy.stop("users")
    healthy.start("users")
    assert healthy.status()["processes"]["users"]["healthy"]


def test_what_an_operator_does_is_with_the_events_of_the_service(user, system):
    """And not on their terminal alone."""
    system.run("revokesession", user.sid)

    lines = system.log("auth-audit").splitlines()
    events = [json.loads(line) for line in lines if '"authn_token_revoked"' in line]
    assert [event.get("sid") for event in events].count(user.sid) == 1
