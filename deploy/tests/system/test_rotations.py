"""All keys are rotated while they are in use: no client is refused (S2S-01, TOK-18).

That a rotation that is interrupted, or meets a service that hangs, costs nothing either
is in deploy/tests/local/test_rotation.py.
"""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from deploy.tests.client import TestUser, at_once, claims_of, code_of, internal
from deploy.tests.load import Load
from deploy.tests.signing_keys import kid_of, listed, max_age, published, stage
from deploy.tests.stack import ROOT, SERVICES, System, wait_until
from deploy.tests.third_service import ThirdService

RATE = 75  # requests a second that are sent; at least 50 are what is to be shown
CALLS = 12  # of one kind: more than there are workers, any of which may answer


@dataclass
class Direction:
    """From one service to the other, and a call that the one may make."""

    witness: TestUser
    caller: str
    callee: str

    @property
    def presented(self) -> str:
        name = f"{self.caller}_{self.callee}_service_api_key"
        return self.witness.system.secret(name)

    @property
    def accepted(self) -> list[str]:
        keys = self.witness.system.secret(f"{self.callee}_internal_api_keys")
        return [item.partition("=")[2] for item in keys.split(",")]

    def codes(self, key: str) -> set[str]:
        """Of the answers of all workers to a call with the key."""
        method, path = "GET", f"/api/v1/users/{claims_of(self.witness.access)['sub']}"
        body = {"token": self.witness.access}
        if self.callee == "auth":
            method, path = "POST", "/api/v1/auth/verify_token"
        headers, system = {"X-Internal-Api-Key": key}, self.witness.system
        call = partial(internal, system, method, path, headers, json=body)
        answers = at_once([call] * CALLS)
        return {"" if answer.ok else code_of(answer) for answer in answers}


@pytest.fixture
def fresh_workers(healthy: System) -> None:
    """No worker is near the 20,000 requests after which gunicorn replaces it."""
    for service in SERVICES:
        healthy.run("restart", service)


def rotate(system: System, both: list[Direction]) -> None:
    """Once, in both directions, looking on."""
    old = [each.presented for each in both]
    command = subprocess.Popen(
        ["./manage_all.sh", "rotateapikeys"],
        cwd=ROOT,
        env={**os.environ, "MEMO_STACK": system.stack},
    )
    two = lambda: all(len(each.accepted) == 2 for each in both)  # noqa: E731
    wait_until(two, 10, "a second key")
    assert [each.presented for each in both] == old
    used = lambda: all(x.presented == x.accepted[-1] for x in both)  # noqa: E731
    wait_until(used, 10, "the next key in use")
    for each, key in zip(both, old, strict=True):
        assert each.accepted == [key, each.presented]
        assert each.codes(key) == each.codes(each.presented) == {""}
    assert command.wait(60) == 0
    for each, key in zip(both, old, strict=True):
        assert each.accepted == [each.presented] != [key]
        assert each.codes(each.presented) == {""}
        assert each.codes(key) == {"service_auth_failed"}


def activate_and_retire(
    system: System, witness: TestUser, third: ThirdService, old: str, new: str
) -> None:
    """The end of the rotation, as a user sees it who stays logged in."""
    assert kid_of(witness.access) == old
    assert third.who(witness.access).ok
    system.run("keys", "activate", new)
    assert third.who(witness.access).ok
    assert witness.refresh().ok
    assert kid_of(witness.access) == new
    assert third.who(witness.access).ok
    system.run("keys", "retire", old)
    assert listed(system) == {old: "retired", new: "active"}
    assert published(system) == {old, new}


@pytest.mark.usefixtures("fresh_workers")
@pytest.mark.verify
def test_rotations_under_load_cost_no_client_an_answer(
    user: TestUser,
    healthy: System,
    register: Callable[[], TestUser],
    third: ThirdService,
    one_key: str,
) -> None:
    users = [register() for _ in range(20)]
    assert all(each.log_in().ok for each in users)
    assert user.log_in().ok
    processes = [healthy.family(service) for service in SERVICES]
    with Load(users, RATE) as load:
        load.run_until(200)
        new = stage(healthy)
        may_be_activated = time.monotonic() + max_age(healthy) + 10 + 1
        ways = [("auth", "users"), ("users", "auth")]
        rotate(healthy, [Direction(user, *way) for way in ways])
        time.sleep(max(0.0, may_be_activated - time.monotonic()))
        activate_and_retire(healthy, user, third, one_key, new)
        load.run_until(5000)
    print(load.report())
    assert not load.failures(), load.report()
    assert load.achieved() >= 50, load.report()
    assert healthy.run("up").startswith("memo: already up")
    assert [healthy.family(service) for service in SERVICES] == processes
