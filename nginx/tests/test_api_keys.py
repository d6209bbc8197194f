"""API keys between the services are rotated while people use them (S2S-01, TOK-18)."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from load import Load
from people import Person, claims_of, code_of, internal
from requests import Response
from system import ROOT, SERVICES, System, eventually

REQUESTS = 5000
RATE = 75  # requests a second that are sent; at least 50 are what is to be shown
SEEN = 3.0  # seconds after which every worker knows what a file says
CALLS = 12  # of one kind: more than there are workers, any of which may answer


@dataclass
class Direction:
    """From one service to the other, and a call that the one may make."""

    system: System
    witness: Person
    caller: str
    callee: str

    @property
    def presented(self) -> str:
        return self.system.secret(f"{self.caller}_{self.callee}_service_api_key")

    @property
    def accepted(self) -> list[str]:
        items = self.system.secret(f"{self.callee}_internal_api_keys").split(",")
        return [item.partition("=")[2] for item in items]

    def call(self, key: str) -> Response:
        headers = {"X-Internal-Api-Key": key}
        if self.callee == "auth":
            path, body = "/api/v1/auth/verify_token", {"token": self.witness.access}
            return internal(self.system, "POST", path, headers, json=body)
        user_id = claims_of(self.witness.access)["sub"]
        return internal(self.system, "GET", f"/api/v1/users/{user_id}", headers)

    def takes(self, key: str) -> bool:
        """Whether every worker does."""
        return all(self.call(key).status_code == 200 for _ in range(CALLS))

    def refuses(self, key: str) -> bool:
        answers = [self.call(key) for _ in range(CALLS)]
        return {(a.status_code, code_of(a)) for a in answers} == {
            (401, "service_auth_failed")
        }


@pytest.fixture
def both(person: Person, healthy: System) -> list[Direction]:
    return [
        Direction(healthy, person, "auth", "users"),
        Direction(healthy, person, "users", "auth"),
    ]


@pytest.fixture
def fresh_workers(healthy: System) -> None:
    """gunicorn replaces a worker after 20,000 requests, which is not what is tried."""
    for service in SERVICES:
        healthy.run("restart", service)


def rotation(system: System, *words: str) -> subprocess.Popen[str]:
    """`rotateapikeys`, begun."""
    return subprocess.Popen(
        ["./manage_all.sh", "rotateapikeys", *words],
        cwd=ROOT,
        env={**os.environ, "MEMO_STACK": system.stack},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(command: subprocess.Popen[str]) -> None:
    assert command.poll() is None, "too late: it is through"
    os.killpg(command.pid, signal.SIGKILL)
    command.communicate()


def all_accept_two(both: list[Direction]) -> bool:
    return all(len(each.accepted) == 2 for each in both)


def all_present_the_next(both: list[Direction]) -> bool:
    return all(each.presented == each.accepted[-1] for each in both)


@contextmanager
def damaged(direction: Direction, text: str) -> Iterator[None]:
    """With a list of keys that somebody has spoilt, for as long as it is looked at."""
    path = direction.system.state / "secrets" / f"{direction.callee}_internal_api_keys"
    right = path.read_text()
    path.write_text(text)
    try:
        time.sleep(SEEN)
        yield
    finally:
        path.write_text(right)


def rotate(both: list[Direction]) -> None:
    """Once, in all directions, looking on."""
    old = [each.presented for each in both]
    command = rotation(both[0].system)
    eventually(lambda: all_accept_two(both), 10, "a second key")
    assert [each.presented for each in both] == old
    eventually(lambda: all_present_the_next(both), 10, "the next key in use")
    for each, key in zip(both, old, strict=True):
        assert each.accepted == [key, each.presented]
        assert each.takes(key)
        assert each.takes(each.presented)
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 0, output
    assert_rotated(both, old)


def rotate_killed_twice(both: list[Direction]) -> None:
    """Killed after its first and after its second step; then it is run to its end."""
    system, old = both[0].system, [each.presented for each in both]
    command = rotation(system)
    eventually(lambda: all_accept_two(both), 10, "a second key")
    kill(command)
    following = [each.accepted[-1] for each in both]
    time.sleep(SEEN)
    assert all(map(Direction.takes, both, old))
    assert all(map(Direction.takes, both, following))
    command = rotation(system)
    eventually(lambda: all_present_the_next(both), 10, "the next key in use")
    kill(command)
    assert all(map(Direction.takes, both, old))
    assert all(map(Direction.takes, both, following))
    system.run("rotateapikeys")
    assert [each.presented for each in both] == following
    assert_rotated(both, old)


def assert_rotated(both: list[Direction], old: list[str]) -> None:
    for each, key in zip(both, old, strict=True):
        assert each.presented != key
        assert each.accepted == [each.presented]
        assert each.takes(each.presented)
        assert each.refuses(key)


@pytest.mark.usefixtures("fresh_workers")
def test_rotations_under_load_cost_nobody_an_answer(
    both: list[Direction], healthy: System, register: Callable[[], Person]
) -> None:
    people = [register() for _ in range(20)]
    assert all(each.log_in().ok for each in people)
    processes = [healthy.family(service) for service in SERVICES]
    with Load(healthy, people, RATE) as load:
        load.run_until(200)
        rotate(both)
        rotate_killed_twice(both)
        load.run_until(REQUESTS)
    print(load.report())  # noqa: T201 (pytest -s shows it)
    assert not load.failures(), load.report()
    assert load.achieved() >= 50, load.report()
    assert healthy.run("up").startswith("memo: already up")
    assert [healthy.family(service) for service in SERVICES] == processes


def test_no_key_is_in_a_log(both: list[Direction], healthy: System) -> None:
    """Nor one that is refused, or that its file gives wrongly (LOG-01)."""
    for each in both:
        each.call("canary-key-" * 4)
        with damaged(each, "canary-key"):
            assert each.takes(each.presented)
    logs = [healthy.log(name) for name in (*SERVICES, "gateway")]
    assert any("internal_api_keys failed: " in log for log in logs)
    for each in both:
        assert not [log for log in logs if each.presented in log]
    assert not [log for log in logs if "canary-key" in log]


def test_a_service_that_stands_still_is_not_passed_over(
    both: list[Direction], healthy: System
) -> None:
    to_users, _ = both
    old = to_users.presented
    with healthy.paused("users"):
        output, _ = (command := rotation(healthy, "auth", "users")).communicate()
        assert command.returncode == 1
    assert "users does not answer" in output
    assert to_users.accepted[0] == to_users.presented == old
    assert to_users.witness.log_in().ok
    healthy.run("rotateapikeys", "auth", "users")
    assert_rotated([to_users], [old])
    assert to_users.witness.log_in().ok
