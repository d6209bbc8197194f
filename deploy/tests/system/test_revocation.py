"""A logout that was acknowledged ends the access token, whatever Redis goes through.

Without a fault within a second; with one, within three seconds of its end, and it must
stay so: every test also looks afterwards.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deploy.tests.stack import System, eventually
from deploy.tests.users import Person, code_of

Fault = Callable[[System], Iterator[None]]


def refused(person: Person) -> bool:
    """At both doors: /me asks Redis first, verify_token is asked by other services."""
    answers = (person.me(), person.verify())
    assert {a.status_code for a in answers} <= {200, 401}, [a.text for a in answers]
    return all(not a.ok and code_of(a) == "token_revoked" for a in answers)


def assert_refused_within(person: Person, seconds: float) -> None:
    eventually(lambda: refused(person), seconds, "refusal of the access token")


def assert_stays_refused(person: Person, seconds: float) -> None:
    """It does not come back."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert refused(person), "a revoked token is accepted again"
        time.sleep(0.25)


def test_after_logout_the_access_token_is_refused_within_a_second(
    person: Person,
) -> None:
    assert person.me().ok
    assert person.verify().ok
    assert person.log_out().status_code == 200
    assert_refused_within(person, 1)
    assert_stays_refused(person, 2)


def test_a_flush_brings_no_revoked_token_back(person: Person, system: System) -> None:
    person.log_out()
    system.redis().flushall()
    assert_refused_within(person, 1)
    assert_stays_refused(person, 3)


def test_a_flush_ends_no_living_session(person: Person, system: System) -> None:
    system.redis().flushall()
    assert person.me().ok
    assert person.verify().ok


def test_a_restored_active_key_is_corrected_by_the_sweep(
    person: Person, system: System
) -> None:
    """As after a failover to a replica that was behind."""
    person.log_out()
    system.redis().set(f"session:{person.sid}", "active", ex=310)
    assert_refused_within(person, 3)
    assert_stays_refused(person, 3)


# ---- Redis in trouble while somebody logs out ------------------------------------


@contextmanager
def stopped(system: System) -> Iterator[None]:
    with system.stopped("redis"):
        yield


@contextmanager
def paused(system: System) -> Iterator[None]:
    with system.paused("redis"):
        yield


@contextmanager
def full(system: System) -> Iterator[None]:
    """It takes no write; with `noeviction` DEL still works, and that is enough."""
    admin = system.redis()
    limit = admin.config_get("maxmemory")["maxmemory"]
    admin.config_set("maxmemory", "1")
    try:
        yield
    finally:
        admin.config_set("maxmemory", limit)


@contextmanager
def cut_off(system: System) -> Iterator[None]:
    """Nobody gets through to it, and it keeps what it has: keys that say `active`."""
    users = ("auth", "users")
    for user in users:
        system.redis().acl_setuser(user, enabled=False)
        system.redis().execute_command("CLIENT", "KILL", "USER", user)
    try:
        yield
    finally:
        for user in users:
            system.redis().acl_setuser(user, enabled=True)


FAULTS = [
    pytest.param(stopped, id="stopped"),
    pytest.param(paused, id="paused"),
    pytest.param(full, id="full"),
    pytest.param(cut_off, id="cut-off"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_logout_during_the_fault_holds_during_and_after_it(
    fault: Fault, person: Person, healthy: System
) -> None:
    assert person.me().ok
    with fault(healthy):
        assert person.log_out().status_code == 200
        assert_refused_within(person, 5)  # each answer may wait for Redis to time out
        assert_stays_refused(person, 2)
    assert_refused_within(person, 3)
    assert_stays_refused(person, 10)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_ends_no_living_session(
    fault: Fault, person: Person, healthy: System
) -> None:
    with fault(healthy):
        assert person.me().status_code == 200
        assert person.verify().status_code == 200
        assert person.refresh().status_code == 200
    assert person.me().ok
    assert person.verify().ok


def test_a_restart_of_redis_brings_nothing_back(
    person: Person, healthy: System
) -> None:
    assert person.log_out().ok
    healthy.run("restart", "redis")
    assert_refused_within(person, 3)
    assert_stays_refused(person, 10)
