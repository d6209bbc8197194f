"""Logout: by any refresh token of the session, any number of times."""

import uuid

import pytest

from tests.conftest import (
    access_token,
    age,
    cookie_of,
    database_away,
    forget,
    log_out,
    outcome,
    redis_away,
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
@pytest.mark.parametrize("days", [0, 29, 45])
def test_any_refresh_token_of_the_session_will_do(make_session, jti, days):
    """RFC 7009 section 2.1: superseded or expired, it ends its session."""
    old = make_session(rotated=True)
    jtis = {"current": old.jti, "previous": old.previous_jti, "ancestor": uuid.uuid4()}
    age(old, days * 24 * 3600)

    answer = log_out(refresh_token(old, jtis[jti]))

    assert answer.status_code == 200
    assert Session.objects.get().revoked_reason == "logout"


def test_a_token_of_a_clock_that_runs_ahead_ends_its_session(session):
    """Correctly signed is enough; "logged out" must not be said of a live session."""
    age(session, -3600)

    assert log_out(refresh_token(session)).status_code == 200
    assert Session.objects.get().revoked_reason == "logout"


def test_logging_out_again_changes_nothing(session):
    log_out(refresh_token(session))
    before = Session.objects.values().get()

    answer = log_out(refresh_token(session))

    assert answer.status_code == 200
    assert cookie_of(answer) == ""
    assert Session.objects.values().get() == before


def test_logging_out_again_tells_redis_again(session):
    log_out(refresh_token(session))
    forget(session)

    log_out(refresh_token(session))

    assert state_in_redis(session) == b"revoked:logout"


def test_a_session_without_a_row_is_logged_out(session):
    token = refresh_token(session)
    Session.objects.all().delete()

    assert log_out(token).status_code == 200
    assert state_in_redis(session) == b"revoked:unknown"


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("garbage", id="garbage"),
        pytest.param("a.b.c", id="three-parts"),
    ],
)
def test_who_has_no_session_is_logged_out(cookie, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = log_out(cookie)

    assert answer.status_code == 200
    assert cookie_of(answer) == ""


@pytest.mark.parametrize("kind", ["forged", "access"])
def test_only_a_refresh_token_of_ours_ends_a_session(
    session, users, make_token, foreign_key, kind
):
    forged = make_token(
        sid=str(session.id),
        session=None,
        key=foreign_key,
        token_type="refresh",
        headers={"typ": "rt+jwt"},
    )
    log_out(forged if kind == "forged" else access_token(session, users))

    assert Session.objects.get().revoked_at is None


@pytest.mark.parametrize("down", ["redis", "users"])
def test_logout_needs_the_database_alone(session, users, down):
    users.down = True
    if down == "redis":
        with redis_away():
            answer = log_out(refresh_token(session))
    else:
        answer = log_out(refresh_token(session))

    assert answer.status_code == 200
    assert Session.objects.get().revoked_at is not None


@pytest.mark.django_db(transaction=True)
def test_without_the_database_the_cookie_is_kept(session):
    """RFC 7009 section 2.2.1: the client must be able to try again."""
    with database_away():
        answer = log_out(refresh_token(session))

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"
    assert cookie_of(answer) is None
    assert state_in_redis(session) is None
    assert log_out(refresh_token(session)).status_code == 200
    assert Session.objects.get().revoked_reason == "logout"
