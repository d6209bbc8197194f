"""What ends all sessions ends those too that are opened, refreshed or asked to be kept
at that very moment; through the gateway, with real clocks and real pushes."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deploy.tests.admin_site import Operator
from deploy.tests.client import TestUser, assert_revoked, claims_of, code_of

Act = Callable[[Operator, str], object]


def some(few: int, many: int) -> list[object]:
    """So many rounds in `test`, and in `verify`."""
    return [few, pytest.param(many, marks=pytest.mark.verify)]


@contextmanager
def in_the_background(act: Callable[[], bool]) -> Iterator[None]:
    """Repeat `act` until it returns False, or the block is left."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set() and act():
            pass

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


ACTS: dict[str, Act] = {
    "deactivated": lambda operator, user: operator.act("deactivate", user),
    "deleted": lambda operator, user: operator.act("soft_delete", user),
    "new password": lambda operator, user: operator.set_password(
        user, f"another {secrets.token_hex(8)}"
    ),
}


@pytest.mark.parametrize("rounds", some(2, 34))
@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_no_login_outlives_what_an_operator_does(register, operator, act, rounds):
    """Refused within a second, whenever its password was verified."""
    for _ in range(rounds):
        user = register()
        assert user.log_in().ok
        other = TestUser(user.system, user.name)
        tokens: list[str] = [user.access]

        def log_in(other: TestUser = other, tokens: list[str] = tokens) -> bool:
            if other.log_in().ok:
                tokens.append(other.access)
            return True

        with in_the_background(log_in):
            time.sleep(0.2)
            act(operator, claims_of(user.access)["sub"])
            assert_refused_within_a_second(user, tokens)
            time.sleep(0.2)
        assert_refused_within_a_second(user, tokens)


def assert_refused_within_a_second(user: TestUser, tokens: list[str]) -> None:
    until = time.monotonic() + 1
    for token in list(tokens):
        while user.me(token).ok:
            assert time.monotonic() < until, "a login outlived it"
            time.sleep(0.05)


@pytest.mark.parametrize("rounds", some(5, 200))
def test_no_thief_outlives_a_change_of_password(register, rounds):
    """They log all others out, in a loop, and ask to be kept themselves."""
    changed = 0
    while changed < rounds:
        owner = register()
        assert owner.log_in().ok
        thief = owner.on_another_device()

        def log_out_others(thief: TestUser = thief) -> bool:
            return thief.log_out_all(keep_current=True).ok

        with in_the_background(log_out_others):
            answer = owner.change_password(f"a newer {secrets.token_hex(8)}")
        if answer.status_code != 204:  # the thief was faster: nothing was changed
            assert code_of(answer) == "token_revoked"
            continue
        changed += 1
        assert_revoked(thief)


def test_another_tab_refreshes_during_a_change_of_password(user):
    """Between the commit and the push: the session it was changed from continues."""
    for number in range(5):
        tab = TestUser(user.system, user.name)
        tab.access, tab.cookie = user.access, user.cookie

        with in_the_background(lambda tab=tab: tab.refresh().ok):
            new = f"password number {number} of them"
            answer = user.change_password(new)
        assert answer.status_code == 204
        user.password = new
        assert tab.refresh().ok
        user.access, user.cookie = tab.access, tab.cookie
        assert user.me().ok
