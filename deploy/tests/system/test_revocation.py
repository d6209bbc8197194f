"""A logout that was acknowledged ends the access token, whatever happens to Redis.

Without a fault within a second; with one, within three seconds of its end, and it must
stay so: every test also looks afterwards.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from deploy.tests.client import TestUser, code_of
from deploy.tests.stack import SERVICES, System, wait_until

Fault = Callable[[System], AbstractContextManager[None]]
# Longer than services avoid a Redis that is back, and a sweep after it.
LONG_ENOUGH = 8


def refused(user: TestUser) -> bool:
    """By the User Service, which asks Redis first, and by the Auth Service, which other
    services ask."""
    responses = (user.me(), user.verify())
    assert {r.status_code for r in responses} <= {200, 401}, [r.text for r in responses]
    return all(not r.ok and code_of(r) == "token_revoked" for r in responses)


def assert_refused_within(user: TestUser, seconds: float) -> None:
    wait_until(lambda: refused(user), seconds, "refusal of the access token")


def assert_stays_refused(user: TestUser, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert refused(user), "a revoked token is accepted again"
        time.sleep(0.25)


def assert_goes_on(user: TestUser) -> None:
    for response in (user.me(), user.verify(), user.refresh()):
        assert response.status_code == 200, response.text


def test_after_logout_the_access_token_is_refused_within_a_second(
    user: TestUser,
) -> None:
    assert user.me().ok
    assert user.verify().ok
    assert user.log_out().status_code == 200
    assert_refused_within(user, 1)
    assert_stays_refused(user, 1)


def test_a_flush_brings_no_revoked_token_back_and_ends_no_living_session(
    user: TestUser, other: TestUser, system: System
) -> None:
    user.log_out()
    system.redis().flushall()
    assert_refused_within(user, 1)
    assert_stays_refused(user, 3)
    assert_goes_on(other)


def test_a_restored_active_key_is_corrected_by_the_sweep(
    user: TestUser, system: System
) -> None:
    """As after a failover to a replica that was behind."""
    user.log_out()
    system.redis().set(f"session:{user.sid}", "active", ex=310)
    assert_refused_within(user, 3)
    assert_stays_refused(user, 3)


# ---- Redis fails while a user logs out -----------------------------------------------


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
    """No service reaches it, and it keeps what it has: keys that say `active`."""
    for service in SERVICES:
        system.redis().acl_setuser(service, enabled=False)
        system.redis().execute_command("CLIENT", "KILL", "USER", service)
    try:
        yield
    finally:
        for service in SERVICES:
            system.redis().acl_setuser(service, enabled=True)


@contextmanager
def restarted(system: System) -> Iterator[None]:
    """After what happens in the block."""
    yield
    system.run("restart", "redis")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda system: system.stopped("redis"), id="stopped"),
        pytest.param(lambda system: system.paused("redis"), id="paused"),
        pytest.param(full, id="full", marks=pytest.mark.verify),
        pytest.param(cut_off, id="cut-off"),
        pytest.param(restarted, id="restarted", marks=pytest.mark.verify),
    ],
)
def test_a_logout_during_the_fault_holds_and_living_sessions_go_on(
    fault: Fault, user: TestUser, other: TestUser, healthy: System
) -> None:
    """During the fault and after it."""
    assert user.me().ok
    with fault(healthy):
        assert user.log_out().status_code == 200
        assert_refused_within(user, 5)  # each answer may wait for Redis to time out
        assert_stays_refused(user, 1)
        assert_goes_on(other)
    assert_refused_within(user, 3)
    assert_stays_refused(user, LONG_ENOUGH)
    assert_goes_on(other)
