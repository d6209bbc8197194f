"""PostgreSQL fails over under load: what was acknowledged is there afterwards."""

import time

import pytest

from deploy.tests.chaos.checker import RECOVERY
from deploy.tests.chaos.run import Run
from deploy.tests.failover.standby import PairStack, fail_over
from deploy.tests.stack import SERVICES, System

pytestmark = pytest.mark.verify


def test_a_synchronous_standby_loses_no_session(system: System) -> None:
    """The primary of each service is killed; users notice nothing worse than 503."""
    stack = PairStack(system.stack, synchronous=True)
    with stack.linked(), Run(stack, seed=4) as run:
        for service in SERVICES:
            time.sleep(8)
            promoted, well = fail_over(run, stack.pairs[service])
            print(f"{service}: promoted after {promoted:.1f} s, well {well:.1f} s")
            assert well - promoted < RECOVERY
    print(run.summary())
    assert not run.violations, run.summary()


def test_a_standby_that_lags_loses_sessions(system: System) -> None:
    """So the test above would see it."""
    stack = PairStack(system.stack, synchronous=False)
    with stack.linked(), Run(stack, seed=4) as run:
        time.sleep(5)
        fail_over(run, stack.pairs["auth"])
    assert {"session lost", "revoked token accepted"} & {*run.violations}, run.summary()
