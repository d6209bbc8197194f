"""Logout: by any refresh token of the session, any number of times."""

import socket
import uuid

import pytest
from django.test import RequestFactory
from django.urls import resolve

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


@pytest.mark.django_db(transaction=True)
def test_a_logout_is_done_though_its_page_has_left(session, monkeypatch):
    """While it waited for a thread. Other requests are refused then."""
    from config.wsgi import Application  # it sets Django up

    monkeypatch.setattr(Application, "begun", True)  # no sweep
    ours, theirs = socket.socketpair()
    theirs.close()
    cookie = {"Cookie": f"refresh_token={refresh_token(session)}"}
    sent = RequestFactory().post("/api/v1/auth/logout", headers=cookie)
    with ours:
        Application()({**sent.environ, "gunicorn.socket": ours}, lambda *_: None)
    assert Session.objects.get().revoked_reason == "logout"
    for path in Application.done_late:
        assert resolve(path)
