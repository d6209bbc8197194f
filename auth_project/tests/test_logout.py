"""Logout: by any refresh token of the session, any number of times."""

import uuid

import pytest

from tests.conftest import (
    access_token,
    age,
    cookie_of,
    forget,
    log_out,
    outcome,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.models import Session

pytestmark = pytest.mark.django_db


def test_logout_ends_the_session_and_clears_the_cookie(session, users, verified):
    access = access_token(session, users)

    answer = log_out(refresh_token(session))

    assert (answer.status_code, answer.json()) == (200, {"message": "Logged out."})
    assert cookie_of(answer) == ""
    assert Session.objects.get().revoked_reason == "logout"
    assert state_in_redis(session) == b"revoked:logout"
    assert outcome(verified(access)) == (401, "token_revoked")
    assert outcome(refresh(refresh_token(session))) == (401, "token_revoked")


@pytest.mark.parametrize("jti", ["current", "previous", "ancestor"])
@pytest.mark.parametrize("days", [-0.04, 0, 29, 45])
def test_any_refresh_token_of_the_session_will_do(make_session, jti, days):
    """RFC 7009 section 2.1: superseded, expired, or of a clock that runs ahead."""
    old = make_session(rotated=True)
    jtis = {"current": old.jti, "previous": old.previous_jti, "ancestor": uuid.uuid4()}
    age(old, days * 24 * 3600)

    assert log_out(refresh_token(old, jtis[jti])).status_code == 200
    assert Session.objects.get().revoked_reason == "logout"


def test_logging_out_again_changes_nothing(session):
    """But Redis is sent the revocation again, which it may have missed."""
    log_out(refresh_token(session))
    before = Session.objects.values().get()
    forget(session)

    answer = log_out(refresh_token(session))

    assert (answer.status_code, cookie_of(answer)) == (200, "")
    assert Session.objects.values().get() == before
    assert state_in_redis(session) == b"revoked:logout"


def test_a_session_without_a_row_is_logged_out(session):
    token = refresh_token(session)
    Session.objects.all().delete()

    assert log_out(token).status_code == 200
    assert state_in_redis(session) == b"revoked:unknown"


@pytest.mark.parametrize("cookie", [None, "", "garbage", "a.b.c"])
def test_without_a_session_logout_succeeds(cookie, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = log_out(cookie)

    assert (answer.status_code, cookie_of(answer)) == (200, "")


@pytest.mark.parametrize("kind", ["forged", "access"])
def test_only_a_refresh_token_of_ours_ends_a_session(
    session, users, make_token, foreign_key, kind
):
    headers, sid = {"typ": "rt+jwt"}, str(session.id)
    claims = {"sid": sid, "session": None, "token_type": "refresh"}
    forged = make_token(**claims, key=foreign_key, headers=headers)

    log_out(forged if kind == "forged" else access_token(session, users))

    assert Session.objects.get().revoked_at is None
