"""All keys are rotated while they are in use: no client is refused (S2S-01, TOK-18)."""

import time
from collections.abc import Callable

import pytest

from deploy.tests.api_keys import (
    Direction,
    all_accept_two,
    all_present_the_next,
    assert_rotated,
    rotation,
)
from deploy.tests.client import TestUser
from deploy.tests.load import Load
from deploy.tests.signing_keys import kid_of, listed, max_age, published, stage
from deploy.tests.stack import SERVICES, System, wait_until
from deploy.tests.third_service import ThirdService

RATE = 75  # requests a second that are sent; at least 50 are what is to be shown


@pytest.fixture
def fresh_workers(healthy: System) -> None:
    """No worker is near the 20,000 requests after which gunicorn replaces it."""
    for service in SERVICES:
        healthy.run("restart", service)


def rotate(both: list[Direction]) -> None:
    """Once, in all directions. One that is interrupted is in the tests of the command:
    deploy/tests/local/test_rotation.py."""
    old = [each.presented for each in both]
    command = rotation(both[0].system)
    wait_until(lambda: all_accept_two(both), 10, "a second key")
    assert [each.presented for each in both] == old
    wait_until(lambda: all_present_the_next(both), 10, "the next key in use")
    for each, key in zip(both, old, strict=True):
        assert each.accepted == [key, each.presented]
        assert each.takes(key)
        assert each.takes(each.presented)
    output, _ = command.communicate(timeout=60)
    assert command.returncode == 0, output
    assert_rotated(both, old)


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
@pytest.mark.parametrize(
    "requests", [2000, pytest.param(5000, marks=pytest.mark.verify)]
)
def test_rotations_under_load_cost_no_client_an_answer(
    requests: int,
    both: list[Direction],
    healthy: System,
    register: Callable[[], TestUser],
    third: ThirdService,
    one_key: str,
) -> None:
    users = [register() for _ in range(20)]
    assert all(each.log_in().ok for each in users)
    witness = both[0].witness
    assert witness.log_in().ok
    processes = [healthy.family(service) for service in SERVICES]
    with Load(users, RATE) as load:
        load.run_until(200)
        new = stage(healthy)
        may_be_activated = time.monotonic() + max_age(healthy) + 10 + 1
        rotate(both)
        time.sleep(max(0.0, may_be_activated - time.monotonic()))
        activate_and_retire(healthy, witness, third, one_key, new)
        load.run_until(requests)
    print(load.report())
    assert not load.failures(), load.report()
    assert load.achieved() >= 50, load.report()
    assert healthy.run("up").startswith("memo: already up")
    assert [healthy.family(service) for service in SERVICES] == processes
