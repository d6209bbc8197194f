"""Sessions of a user on several devices, and what a refresh token is worth after it was
rotated. What ends which session, and how soon, is in test_revocation_matrix.py."""

import time
from collections.abc import Callable

import pytest

from deploy.tests.client import TestUser, claims_of, code_of, cookie_of, internal
from deploy.tests.stack import System, wait_until

CAP = 10
LEEWAY = 3  # seconds; see settings/auth.env


@pytest.fixture
def another_device(user: TestUser) -> Callable[[], TestUser]:
    """Makes devices on which the user is logged in as well."""

    def log_in() -> TestUser:
        device = TestUser(user.system, user.name)
        assert device.log_in().ok
        return device

    return log_in


def refused(device: TestUser) -> bool:
    """By the User Service, by the Auth Service, and when other services ask."""
    responses = (device.me(), device.sessions(), device.verify())
    assert {r.status_code for r in responses} <= {200, 401}, [r.text for r in responses]
    return all(not r.ok and code_of(r) == "token_revoked" for r in responses)


def assert_over(device: TestUser) -> None:
    """Access within a second, refresh for good."""
    wait_until(lambda: refused(device), 1, "refusal of the access token")
    assert code_of(device.refresh()) == "token_revoked"


def assert_alive(device: TestUser) -> None:
    for act in (device.me, device.sessions, device.verify, device.refresh):
        assert act().ok


# ---- Several devices -----------------------------------------------------------------


def test_a_user_sees_their_devices(user: TestUser, other: TestUser) -> None:
    response = user.sessions()
    assert response.status_code == 200
    assert response.one("Cache-Control") == "no-store"
    shown = response.json()
    assert [each["id"] for each in shown] == [other.sid, user.sid]
    assert [each["current"] for each in shown] == [False, True]
    assert {each["ip"] for each in shown} <= {"127.0.0.0/24", "::/48"}
    assert {each["device"] for each in shown} == {"Python Requests"}
    assert [each["current"] for each in other.sessions().json()] == [True, False]


def test_a_session_is_ended_once(user: TestUser, other: TestUser) -> None:
    assert user.end_session(other.sid).status_code == 204
    assert_over(other)
    assert code_of(user.end_session(other.sid)) == "not_found"
    assert_alive(user)
    assert [each["id"] for each in user.sessions().json()] == [user.sid]
    assert user.end_session(user.sid).status_code == 204
    assert_over(user)


@pytest.mark.parametrize("keep", [False, True])
def test_logging_out_everywhere(
    user: TestUser, another_device: Callable[[], TestUser], keep: bool
) -> None:
    devices = [another_device(), another_device()]
    response = user.log_out_all(keep_current=keep)
    assert response.json() == {"revoked": 2 if keep else 3}
    assert cookie_of(response) == (None if keep else "")
    for device in devices:
        assert_over(device)
    if not keep:
        assert_over(user)
        assert user.log_in().ok
    assert_alive(user)


def test_logging_out_everywhere_raises_the_epoch(user: TestUser) -> None:
    path = f"/api/v1/users/{user.me().json()['id']}"
    before = internal(user.system, "GET", path).json()["session_epoch"]
    assert user.log_out_all().ok
    after = internal(user.system, "GET", path).json()["session_epoch"]
    assert after > before


def test_the_cap_ends_the_least_recently_used(
    user: TestUser, another_device: Callable[[], TestUser]
) -> None:
    others = [another_device() for _ in range(CAP)]
    assert_over(user)
    assert_alive(others[0])
    assert len(others[-1].sessions().json()) == CAP


# ---- Rotated refresh tokens ----------------------------------------------------------


@pytest.fixture
def leeway(system: System) -> int:
    assert system.settings("auth")["REFRESH_REUSE_LEEWAY"] == str(LEEWAY)
    return LEEWAY


def assert_ended_by_reuse(system: System, user: TestUser) -> None:
    sql = "SELECT revoked_at, revoked_reason FROM tokens_session WHERE id = %s"
    [(revoked_at, reason)] = system.query("auth", sql, user.sid)
    assert revoked_at is not None
    assert reason == "reuse"
    for act in (user.refresh, user.me, user.verify):
        assert code_of(act()) == "token_revoked"


def test_replay_within_the_leeway_gets_the_same_successor(user: TestUser) -> None:
    """And the current token is not rotated again so soon."""
    first = user.cookie
    successor = cookie_of(user.refresh())
    again = user.refresh(first)
    assert again.status_code == 200
    assert cookie_of(again) == successor
    assert user.me(again.json()["access_token"]).ok
    current = user.refresh()
    assert current.status_code == 200
    assert cookie_of(current) is None


def test_replay_after_the_leeway_ends_the_session(
    user: TestUser, system: System, leeway: int
) -> None:
    first = user.cookie
    user.refresh()
    time.sleep(leeway + 0.5)
    replay = user.refresh(first)
    assert replay.status_code == 401
    assert code_of(replay) == "refresh_token_reused"
    assert cookie_of(replay) == ""
    assert "invalid_token" in replay.one("WWW-Authenticate")
    assert_ended_by_reuse(system, user)


def test_a_token_older_than_the_predecessor_ends_the_session(
    user: TestUser, system: System, leeway: int
) -> None:
    first = user.cookie
    user.refresh()
    time.sleep(leeway + 0.2)
    user.refresh()  # now `first` is the grandparent, and this rotation is fresh
    assert claims_of(user.cookie)["jti"] != claims_of(first)["jti"]
    assert code_of(user.refresh(first)) == "refresh_token_reused"
    assert_ended_by_reuse(system, user)
