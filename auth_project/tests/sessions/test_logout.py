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


def test_logging_out_again_changes_nothing(session, users, verified):
    """But Redis is sent the revocation again, which it may have missed; also without a
    row."""
    access, token = access_token(session, users), refresh_token(session)

    answer = log_out(token)

    assert (answer.status_code, answer.json()) == (200, {"message": "Logged out."})
    before = Session.objects.values().get()
    assert before["revoked_reason"] == "logout"
    assert state_in_redis(session) == b"revoked:logout"
    assert outcome(verified(access)) == (401, "token_revoked")
    assert outcome(refresh(token)) == (401, "token_revoked")
    for reason in (b"logout", b"unknown"):
        forget(session)
        answer = log_out(token)
        assert (answer.status_code, cookie_of(answer)) == (200, "")
        assert state_in_redis(session) == b"revoked:" + reason
        assert Session.objects.values().first() in (before, None)
        Session.objects.all().delete()


@pytest.mark.parametrize("jti", ["current", "previous", "ancestor"])
@pytest.mark.parametrize("days", [-0.04, 0, 29, 45])
def test_any_refresh_token_of_the_session_will_do(make_session, jti, days):
    """RFC 7009 section 2.1: superseded, expired, or of a clock that runs ahead."""
    old = make_session(rotated=True)
    jtis = {"current": old.jti, "previous": old.previous_jti, "ancestor": uuid.uuid4()}
    age(old, days * 24 * 3600)

    assert log_out(refresh_token(old, jtis[jti])).status_code == 200
    assert Session.objects.get().revoked_reason == "logout"


@pytest.mark.parametrize("cookie", [None, "", "garbage", "a.b.c", "forged", "access"])
def test_without_a_session_logout_succeeds(
    session, users, make_token, foreign_key, django_assert_num_queries, cookie
):
    """Only a refresh token of ours ends one."""
    headers, sid = {"typ": "rt+jwt"}, str(session.id)
    claims = {"sid": sid, "session": None, "token_type": "refresh"}
    forged = make_token(**claims, key=foreign_key, headers=headers)
    sent = {"forged": forged, "access": access_token(session, users)}

    with django_assert_num_queries(0):
        answer = log_out(sent.get(cookie, cookie))

    assert (answer.status_code, cookie_of(answer)) == (200, "")
    assert Session.objects.get().revoked_at is None
