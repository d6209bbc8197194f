"""The cap of sessions, and how long one lasts."""

import uuid
from datetime import timedelta

import pytest

from tests.conftest import (
    PASSWORD,
    age,
    cookie_of,
    outcome,
    post,
    redis_away,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.models import Session

pytestmark = pytest.mark.django_db

DAY = 24 * 3600


@pytest.fixture
def log_in(users, trusted_kid):
    body = {"email": users.user["email"], "password": PASSWORD}
    return lambda: post("login", data=body)


@pytest.fixture(autouse=True)
def _cap(settings):
    settings.MAX_SESSIONS_PER_USER = 3


def test_the_least_recently_used_gives_way(make_session, log_in, caplog):
    oldest, *others = [make_session() for _ in range(3)]
    for seconds, session in ((30, oldest), (20, others[0]), (10, others[1])):
        age(session, seconds)
    age(oldest, -25)  # used again: now the second of three is the one
    token = refresh_token(others[0])

    assert log_in().status_code == 200

    assert outcome(refresh(token)) == (401, "token_revoked")
    given_way = Session.objects.get(revoked_reason="session_cap")
    assert given_way == others[0]
    assert state_in_redis(given_way) == b"revoked:session_cap"
    assert Session.objects.live().count() == 3
    (record,) = [r for r in caplog.records if hasattr(r, "reason")]
    assert (record.event, record.sid) == ("authn_token_revoked", given_way.id)
    assert record.reason == "session_cap"


def test_up_to_the_cap_nobody_gives_way(log_in):
    for _ in range(3):
        log_in()

    assert Session.objects.live().count() == 3


def test_a_cap_that_was_lowered_is_met_at_the_next_login(make_session, log_in):
    for _ in range(7):
        make_session()

    log_in()

    assert Session.objects.live().count() == 3


def test_zero_is_no_cap(log_in, settings):
    settings.MAX_SESSIONS_PER_USER = 0
    for _ in range(5):
        log_in()

    assert Session.objects.live().count() == 5


def test_what_has_ended_does_not_count(make_session, log_in):
    kept = [make_session(), make_session()]
    for fields in ({"revoked": True}, {"expired": True}):
        for _ in range(3):
            make_session(**fields)

    log_in()

    assert set(kept) < set(Session.objects.live())
    assert not Session.objects.filter(revoked_reason="session_cap").exists()


def test_nobody_elses_session_gives_way(make_session, log_in):
    others = [make_session(user_id=uuid.uuid4()) for _ in range(3)]
    for _ in range(4):
        log_in()

    assert set(others) < set(Session.objects.live())


def test_the_cap_holds_without_redis(log_in):
    with redis_away():
        first = log_in()
        for _ in range(3):
            log_in()

    assert Session.objects.live().count() == 3
    assert outcome(refresh(cookie_of(first))) == (401, "token_revoked")


# --- How long a session lasts -------------------------------------------------------


def test_a_session_that_is_not_used_ends(log_in, settings):
    settings.REFRESH_TOKEN_LIFETIME = DAY
    cookie = cookie_of(log_in())
    age(Session.objects.get(), DAY - 5)
    assert Session.objects.live().exists()
    age(Session.objects.get(), 10)

    assert not Session.objects.live().exists()
    # Within the leeway of two clocks the token still reads; the row does not.
    assert outcome(refresh(cookie)) == (401, "token_expired")


def test_each_refresh_moves_the_idle_end(log_in, settings):
    settings.REFRESH_TOKEN_LIFETIME = DAY
    log_in()
    for _ in range(3):
        session = Session.objects.get()
        age(session, DAY / 2)
        assert refresh(refresh_token(session)).status_code == 200

    session = Session.objects.get()
    assert session.expires_at - session.last_used_at == timedelta(seconds=DAY)


def test_no_refresh_moves_the_absolute_end(log_in, settings):
    settings.REFRESH_TOKEN_LIFETIME = DAY
    settings.SESSION_ABSOLUTE_LIFETIME = 2 * DAY
    log_in()
    for _ in range(3):
        session = Session.objects.get()
        age(session, DAY * 0.6)
        assert refresh(refresh_token(session)).status_code == 200
    session.refresh_from_db()
    assert session.expires_at == session.absolute_expires_at

    age(session, DAY * 0.25)

    assert outcome(refresh(refresh_token(session))) == (401, "token_expired")
