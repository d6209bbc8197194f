"""A logout that was acknowledged ends the access token, whatever happens to Redis.

Without a fault within a second (test_revocation_matrix.py); with one, within three
seconds of its end, and it must stay so: every test also looks afterwards. Redis that is
stopped or paused is in test_failures.py.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from deploy.tests.client import assert_revoked, assert_valid
from deploy.tests.stack import SERVICES, System

Fault = Callable[[System], AbstractContextManager[None]]
# Longer than services avoid a Redis that is back, and a sweep after it.
LONG_ENOUGH = 8


def test_a_flush_brings_no_revoked_token_back_and_ends_no_living_session(
    user, other, system
):
    user.log_out()
    system.redis().flushall()
    assert_revoked(user, then_for=3)
    assert_valid(other)


@contextmanager
def cut_off(system: System) -> Iterator[None]:
    """No service reaches it, and it keeps what it has: keys that say `active`."""
    admin = system.redis()
    for service in SERVICES:
        admin.acl_setuser(service, enabled=False)
        admin.execute_command("CLIENT", "KILL", "USER", service)
    try:
        yield
    finally:
        for service in SERVICES:
            admin.acl_setuser(service, enabled=True)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(System.full_redis, id="full", marks=pytest.mark.verify),
        pytest.param(cut_off, id="cut-off"),
    ],
)
def test_a_logout_during_the_fault_holds_and_living_sessions_continue(
    fault, user, other, healthy
):
    """During the fault and after it."""
    assert user.me().ok
    with fault(healthy):
        assert user.log_out().status_code == 200
        assert_revoked(user, within=5, then_for=1)  # answers may wait for Redis
        assert_valid(other)
    assert_revoked(user, within=3, then_for=LONG_ENOUGH)
    assert_valid(other)
