"""Sessions of a user on several devices, and what a refresh token is worth after it was
rotated. What ends which session, and how soon, is in test_revocation_matrix.py."""

import time

from deploy.tests.admin_site import USERS, Operator
from deploy.tests.client import (
    TestUser,
    assert_revoked,
    assert_valid,
    claims_of,
    code_of,
    cookie_of,
    internal,
)
from deploy.tests.stack import System

LEEWAY = 3  # seconds; see settings/auth.env


def test_a_user_sees_their_devices_and_ends_one(
    user: TestUser, other: TestUser
) -> None:
    response = user.sessions()
    assert response.one("Cache-Control") == "no-store"
    shown = response.json()
    assert [each["id"] for each in shown] == [other.sid, user.sid]
    assert [each["current"] for each in shown] == [False, True]
    assert {each["ip"] for each in shown} <= {"127.0.0.0/24", "::/48"}
    assert {each["device"] for each in shown} == {"Python Requests"}

    assert user.end_session(other.sid).status_code == 204

    assert_revoked(other)
    assert code_of(user.end_session(other.sid)) == "not_found"
    assert_valid(user)
    assert [each["id"] for each in user.sessions().json()] == [user.sid]


def test_an_operator_sees_the_devices_and_ends_one(
    user: TestUser, other: TestUser, operator: Operator
) -> None:
    user_id = claims_of(user.access)["sub"]
    page = operator.page(f"{USERS}{user_id}/sessions/")
    for sid in (user.sid, other.sid):
        assert page.count(f'name="session" value="{sid}"') == 1

    page = operator.revoke_session(user_id, other.sid)

    assert "The session has ended." in page
    assert other.sid not in page
    assert_revoked(other)
    assert_valid(user)
    again = operator.revoke_session(user_id, other.sid)
    assert "There was no such session any more" in again


def test_logging_out_everywhere_raises_the_epoch(user: TestUser) -> None:
    path = f"/api/v1/users/{claims_of(user.access)['sub']}"
    before = internal(user.system, "GET", path).json()["session_epoch"]
    assert user.log_out_all().ok
    after = internal(user.system, "GET", path).json()["session_epoch"]
    assert after > before
    assert user.log_in().ok
    assert_valid(user)


# ---- Rotated refresh tokens ----------------------------------------------------------


def assert_ended_by_reuse(system: System, user: TestUser) -> None:
    sql = "SELECT revoked_at, revoked_reason FROM tokens_session WHERE id = %s"
    [(revoked_at, reason)] = system.query("auth", sql, user.sid)
    assert revoked_at is not None
    assert reason == "reuse"
    assert_revoked(user)


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
    user: TestUser, system: System
) -> None:
    first = user.cookie
    user.refresh()
    time.sleep(LEEWAY + 0.5)
    replay = user.refresh(first)
    assert replay.status_code == 401
    assert code_of(replay) == "refresh_token_reused"
    assert cookie_of(replay) == ""
    assert "invalid_token" in replay.one("WWW-Authenticate")
    assert_ended_by_reuse(system, user)


def test_a_token_older_than_the_predecessor_ends_the_session(
    user: TestUser, system: System
) -> None:
    first = user.cookie
    user.refresh()
    time.sleep(LEEWAY + 0.2)
    user.refresh()  # now `first` is the grandparent, and this rotation is fresh
    assert claims_of(user.cookie)["jti"] != claims_of(first)["jti"]
    assert code_of(user.refresh(first)) == "refresh_token_reused"
    assert_ended_by_reuse(system, user)
