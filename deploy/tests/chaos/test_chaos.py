"""A short chaos run, and proof that its clients show the checker what they get. In
`test` the checker is tried alone: test_chaos_checker.py.

`./manage_all.sh chaos` is the long one (docs/testing.md).
"""

import random
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from deploy.tests.chaos.faults import catalogue
from deploy.tests.chaos.run import Run
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.stack import System, wait_until

pytestmark = pytest.mark.verify

SEED = 4
PATIENCE = 40.0  # in seconds; a session that was ended is missed in a few
INJECTED = (
    "UPDATE tokens_session SET revoked_at = clock_timestamp(),"
    " revoked_reason = 'injected' WHERE id = %s AND revoked_at IS NULL RETURNING id"
)


@pytest.fixture(scope="module")
def stack(system: System) -> Iterator[ChaosStack]:
    with ChaosStack(system.stack).linked() as linked:
        yield linked


def test_users_notice_nothing_worse_than_503(stack: ChaosStack) -> None:
    faults = {each.name: each for each in catalogue()}
    with Run(stack, SEED) as run:
        time.sleep(3)
        for name in ("kill -9 users", "flush redis"):
            run.break_once(faults[name])
    assert not run.violations, run.summary()
    asked = {kind for kind, status in run.record.answers if status == 200}
    assert {"log in", "refresh", "me", "verify", "log out"} <= asked, run.summary()
    assert run.record.answers["verify", 401], "no token that had ended was tried"


def test_sessions_that_end_without_an_act_are_found(stack: ChaosStack) -> None:
    """By the database, one of the users' sessions after the other."""

    def is_found() -> bool:
        if session := run.record.some_session(random.Random(), over=False):
            stack.query("auth", INJECTED, session.sid)
        return bool(run.violations)

    with Run(stack, SEED) as run, suppress(AssertionError):
        wait_until(is_found, PATIENCE, "a violation")
    assert [*run.violations] == ["session lost"], run.summary()
    assert "log in" in run.violations["session lost"], "its events"
