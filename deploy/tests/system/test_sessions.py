"""What a refresh token is worth after it was rotated, and what a logout everywhere
leaves. What ends which session, and how soon, is in test_revocation_matrix.py."""

import time

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


def test_logging_out_everywhere_raises_the_epoch(user: TestUser) -> None:
    path = f"/api/v1/users/{claims_of(user.access)['sub']}"
    before = internal(user.system, "GET", path).json()["session_epoch"]
    assert user.log_out_all().ok
    after = internal(user.system, "GET", path).json()["session_epoch"]
    assert after > before
    assert user.log_in().ok
    assert_valid(user)


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
    sql = "SELECT revoked_reason FROM tokens_session WHERE id = %s"
    assert system.query("auth", sql, user.sid) == [("reuse",)]
    assert_revoked(user)
