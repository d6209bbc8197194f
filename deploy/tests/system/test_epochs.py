"""What ends all sessions ends those too that are opened, refreshed or asked to be kept
at that very moment; through the gateway, with real clocks and real pushes."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deploy.tests.admin_site import Operator
from deploy.tests.stack import System, eventually
from deploy.tests.users import Person, code_of, cookie_of

Act = Callable[[Operator, Person], object]


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


# ---- Logins in a loop beside an operator's act ------------------------------------


def set_password(operator: Operator, person: Person) -> None:
    operator.set_password(user_id(person), f"another {secrets.token_hex(8)}")


def end_by(action: str) -> Act:
    return lambda operator, person: operator.act(action, user_id(person))


def user_id(person: Person) -> str:
    found: str = person.me().json()["id"]
    return found


ACTS = [
    pytest.param(end_by("deactivate"), id="deactivated"),
    pytest.param(end_by("soft_delete"), id="deleted"),
    pytest.param(set_password, id="new password"),
]


@pytest.mark.parametrize("rounds", some(2, 34))
@pytest.mark.parametrize("act", ACTS)
def test_no_login_outlives_what_an_operator_does(
    register: Callable[[], Person],
    operator: Operator,
    system: System,
    act: Act,
    rounds: int,
) -> None:
    """Refused within a second, whenever its password was verified."""
    for _ in range(rounds):
        person = register()
        assert person.log_in().ok
        other = Person(system, person.name)
        tokens: list[str] = [person.access]

        def log_in(other: Person = other, tokens: list[str] = tokens) -> bool:
            if other.log_in().ok:
                tokens.append(other.access)
            return True

        with in_the_background(log_in):
            time.sleep(0.2)
            act(operator, person)
            assert_refused_within_a_second(person, tokens)
            time.sleep(0.2)
        assert_refused_within_a_second(person, tokens)


def assert_refused_within_a_second(person: Person, tokens: list[str]) -> None:
    until = time.monotonic() + 1
    for token in list(tokens):
        while person.me(token).ok:
            assert time.monotonic() < until, "a login outlived it"
            time.sleep(0.05)


# ---- The owner's change of password, and a thief beside it ------------------------


@pytest.mark.parametrize("rounds", some(5, 200))
def test_no_thief_outlives_a_change_of_password(
    register: Callable[[], Person], system: System, rounds: int
) -> None:
    """They log all others out, in a loop, and ask to be kept themselves."""
    changed = 0
    while changed < rounds:
        owner = register()
        thief = Person(system, owner.name)
        assert owner.log_in().ok
        assert thief.log_in().ok

        def log_out_others(thief: Person = thief) -> bool:
            return thief.log_out_all(keep_current=True).ok

        with in_the_background(log_out_others):
            answer = owner.change_password(f"a newer {secrets.token_hex(8)}")
        if answer.status_code != 204:  # the thief was faster: nothing was changed
            assert code_of(answer) == "token_revoked"
            continue
        changed += 1
        eventually(lambda t=thief: not t.me().ok, 1, "the end of the thief's session")
        assert code_of(thief.refresh()) == "token_revoked"
        assert not thief.me().ok


def test_another_tab_refreshes_beside_a_change_of_password(person: Person) -> None:
    """Between the commit and the push: the session it was changed from goes on."""
    for number in range(5):
        tab = Person(person.system, person.name)
        tab.access, tab.cookie = person.access, person.cookie

        with in_the_background(lambda tab=tab: tab.refresh().ok):
            new = f"password number {number} of them"
            answer = person.change_password(new)
        assert answer.status_code == 204
        person.password = new
        assert tab.refresh().ok
        person.access, person.cookie = tab.access, tab.cookie
        assert person.me().ok


# ---- A login that brings a refresh cookie -----------------------------------------


def test_a_login_ends_the_session_of_its_cookie(person: Person) -> None:
    before, access = person.cookie, person.access
    body = {"email": person.email, "password": person.password}
    headers = {"Cookie": f"refresh_token={before}"}
    answer = person.post("/api/v1/auth/login", json=body, headers=headers)

    assert answer.ok
    assert not person.me(access).ok
    late = person.refresh(before)
    assert code_of(late) == "token_revoked"
    assert cookie_of(late) is None
    person.keep(answer)
    assert person.refresh().ok
