"""A short chaos run, and proof that its checker finds what it should.

`./manage_all.sh chaos` is the long one (docs/testing.md).
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from operator import methodcaller

import pytest

from deploy.tests.chaos.faults import Fault, catalogue
from deploy.tests.chaos.link import Mode
from deploy.tests.chaos.run import Run
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.chaos.tampering_proxy import Lie, Remembers, bare, clearing, lying
from deploy.tests.stack import System, wait_until

SEED = 4
PATIENCE = 40.0  # in seconds; a lie is found in a few
EACH_KIND = (  # one of each way to break something
    "stop auth-db",
    "pause redis",
    "kill -9 users",
    "flush redis",
    "slow auth>users",
    "lost answers auth>auth-db",
    "lost answers front",
    "reset users>redis",
    "full redis",
    "kill -9 workers in refresh",
)
PLANTED = (
    "UPDATE tokens_session SET revoked_at = clock_timestamp(),"
    " revoked_reason = 'planted' WHERE id = %s AND revoked_at IS NULL RETURNING id"
)


@pytest.fixture(scope="module")
def stack(system: System) -> Iterator[ChaosStack]:
    with ChaosStack(system.stack).linked() as linked:
        yield linked


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("kill -9 users", "flush redis"), id="two"),
        pytest.param(EACH_KIND, id="each-kind", marks=pytest.mark.verify),
    ],
)
def test_users_notice_nothing_worse_than_503(
    stack: ChaosStack, names: tuple[str, ...]
) -> None:
    faults = {each.name: each for each in catalogue()}
    with Run(stack, SEED) as run:
        for name in names:
            time.sleep(3)
            run.break_once(faults[name])
    assert not run.violations, run.summary()
    asked = {kind for kind, status in run.expected.answers if status == 200}
    assert {"log in", "refresh", "me", "verify", "log out"} <= asked, run.summary()
    assert run.expected.answers["verify", 401], "no token that had ended was tried"


# ---- What the checker finds ----------------------------------------------------------


def test_a_token_that_is_taken_after_its_end_is_found(stack: ChaosStack) -> None:
    found = found_by_lie(stack, Remembers())
    assert [*found] == ["revoked token accepted"], found
    events = found["revoked token accepted"]
    assert "log in" in events, "the events begin with the login"
    assert "me               200" in events, "and have what should not have been"


@pytest.mark.verify
def test_sessions_that_end_without_an_act_are_found(stack: ChaosStack) -> None:
    with Run(stack, SEED) as run, ending_sessions(stack, run):
        until_found(run)
    assert [*run.violations] == ["session lost"], run.summary()
    assert "'planted'" in run.violations["session lost"], "it shows the row"


@pytest.mark.verify
@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        pytest.param(bare, "undocumented error", id="bare-502"),
        pytest.param(clearing, "cookie cleared", id="cookie-cleared"),
    ],
)
def test_an_outage_that_is_told_wrong_is_found(
    stack: ChaosStack, lie: Lie, kind: str
) -> None:
    found = found_by_lie(stack, lie, broken="auth>users")
    assert [*found] == [kind], found


def found_by_lie(stack: ChaosStack, lie: Lie, broken: str = "") -> dict[str, str]:
    """Users whose gateway lies, until that is found; with a way that breaks once."""
    with lying(stack.gateway_url, lie) as url, Run(stack, SEED, url) as run:
        if broken:
            act = methodcaller("mode", Mode(reset=True), broken)
            run.break_once(Fault(f"reset {broken}", (broken,), act))
        until_found(run)
    return run.violations


def until_found(run: Run) -> None:
    """Until there is a violation, as long as there may be one."""
    with suppress(AssertionError):
        wait_until(lambda: run.violations, PATIENCE, "a violation")


@contextmanager
def ending_sessions(stack: ChaosStack, run: Run) -> Iterator[None]:
    """By the database, one of the users' sessions after the other."""
    ending = threading.Event()

    def end_some() -> None:
        while not ending.wait(0.2):
            session = run.expected.some_session(random.Random(), over=False)
            if session:
                stack.query("auth", PLANTED, session.sid)

    thread = threading.Thread(target=end_some)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
