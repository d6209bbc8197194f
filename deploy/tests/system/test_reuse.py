"""What a refresh token is worth after it was rotated."""

import time

import pytest

from deploy.tests.stack import System
from deploy.tests.users import Person, claims_of, code_of, cookie_of

LEEWAY = 3  # seconds; see settings/auth.env


@pytest.fixture
def leeway(system: System) -> int:
    assert system.settings("auth")["REFRESH_REUSE_LEEWAY"] == str(LEEWAY)
    return LEEWAY


def row(system: System, person: Person) -> tuple[object, str]:
    sql = "SELECT revoked_at, revoked_reason FROM tokens_session WHERE id = %s"
    revoked_at, reason = system.query("auth", sql, person.sid)[0]
    return revoked_at, reason


def assert_dead(system: System, person: Person, successor: str) -> None:
    revoked_at, reason = row(system, person)
    assert revoked_at is not None
    assert reason == "reuse"
    assert code_of(person.refresh(successor)) == "token_revoked"
    assert code_of(person.me()) == "token_revoked"
    assert code_of(person.verify()) == "token_revoked"


def test_replay_within_the_leeway_gets_the_same_successor(person: Person) -> None:
    first = person.cookie
    successor = cookie_of(person.refresh())
    again = person.refresh(first)
    assert again.status_code == 200
    assert cookie_of(again) == successor
    assert person.me(again.json()["access_token"]).ok


def test_the_current_token_is_not_rotated_twice_within_the_leeway(
    person: Person,
) -> None:
    person.refresh()
    second = person.refresh()
    assert second.status_code == 200
    assert cookie_of(second) is None


def test_replay_after_the_leeway_ends_the_session(
    person: Person, system: System, leeway: int
) -> None:
    first = person.cookie
    person.refresh()
    time.sleep(leeway + 0.5)
    replay = person.refresh(first)
    assert replay.status_code == 401
    assert code_of(replay) == "refresh_token_reused"
    assert cookie_of(replay) == ""
    assert "invalid_token" in replay.headers["WWW-Authenticate"]
    assert_dead(system, person, person.cookie)


def test_a_token_older_than_the_predecessor_ends_the_session(
    person: Person, system: System, leeway: int
) -> None:
    first = person.cookie
    person.refresh()
    time.sleep(leeway + 0.2)
    person.refresh()  # now `first` is the grandparent, and this rotation is fresh
    assert claims_of(person.cookie)["jti"] != claims_of(first)["jti"]
    assert code_of(person.refresh(first)) == "refresh_token_reused"
    assert_dead(system, person, person.cookie)
