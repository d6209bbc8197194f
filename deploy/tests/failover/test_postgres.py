"""PostgreSQL fails over under load: what was acknowledged is there afterwards."""

import time

import pytest

from deploy.tests.chaos.run import Run
from deploy.tests.failover.standby import PairStack, fail_over, lose_primaries
from deploy.tests.stack import System

pytestmark = pytest.mark.verify


def test_a_synchronous_standby_loses_no_session(system: System) -> None:
    """The primary of each service is killed; users notice nothing worse than 503."""
    with PairStack(system.stack).linked() as stack:
        print(lose_primaries(stack))


def test_a_standby_that_lags_loses_sessions(system: System) -> None:
    """So the test above would see it."""
    stack = PairStack(system.stack, synchronous=False)
    with stack.linked(), Run(stack, seed=4) as run:
        time.sleep(5)
        fail_over(run, stack.pairs["auth"])
    assert {"session lost", "revoked token accepted"} & {*run.violations}, run.summary()
