"""Sessions that end by other acts: an epoch, the cap, another login, their age."""

import uuid
from contextlib import nullcontext

import pytest

from tests.conftest import (
    age,
    cookie_of,
    log_in,
    outcome,
    redis_down,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.jwt_tokens import RefreshToken
from tokens.models import Session, SessionPolicy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("users", "trusted_kid")]

DAY = 24 * 3600


# --- The session to keep ------------------------------------------------------------


@pytest.mark.parametrize("user_epoch", range(4))
@pytest.mark.parametrize("kept_from", [None, 0, 2])
@pytest.mark.parametrize("kept", [True, False])
def test_the_winners_and_the_losers_rule_are_one(
    make_session, user_epoch, kept_from, kept
):
    session = make_session(user_epoch=user_epoch)
    policy = SessionPolicy(3, session.id if kept else uuid.uuid4(), kept_from)

    rotated = Session.objects.rotate(session.id, session.jti, policy)

    assert policy.ends(session) == (rotated is None)
    assert rotated is None or rotated.user_epoch == 3


# --- Replaced by a login in the same browser (ASVS 7.2.4) ----------------------------


@pytest.mark.parametrize("cap", [0, 1, 2, 10])
def test_the_session_of_the_cookie_ends(make_session, settings, cap):
    """Also where another one ends by the cap, for which it does not count."""
    settings.MAX_SESSIONS_PER_USER = cap
    other, before = make_session(), make_session()
    age(other, 1000)

    old = refresh_token(before)
    answer = log_in(old)

    assert answer.status_code == 200
    before.refresh_from_db()
    other.refresh_from_db()
    assert before.revoked_reason == "replaced"
    assert other.revoked_reason == ("session_cap" if cap == 1 else "")
    assert state_in_redis(before) == b"revoked:replaced"
    assert refresh(cookie_of(answer)).status_code == 200
    # The browser has the new cookie by now: one that is cleared would log it out.
    for redis in (nullcontext, redis_down):
        with redis():
            late = refresh(old)
        assert outcome(late) == (401, "token_revoked")
        assert cookie_of(late) is None


@pytest.mark.parametrize("bad", ["", "a.b.c", "purged", "twice"])
def test_a_bad_cookie_ends_nothing_and_fails_no_login(session, bad):
    cookie = refresh_token(session)
    if bad == "purged":
        Session.objects.filter(id=session.id).delete()
    sent = {"purged": cookie, "twice": f"{cookie}; refresh_token={cookie}"}

    assert log_in(sent.get(bad, bad)).status_code == 200
    assert not Session.objects.filter(revoked_at__isnull=False).exists()


# --- The cap, and how long a session lasts ------------------------------------------


def test_the_least_recently_used_ends(make_session, audited, settings):
    """More of them where the cap was lowered."""
    settings.MAX_SESSIONS_PER_USER = 3
    oldest, *others = [make_session() for _ in range(3)]
    for seconds, session in ((30, oldest), (20, others[0]), (10, others[1])):
        age(session, seconds)
    age(oldest, -25)  # used again: now the second of three is the one
    token = refresh_token(others[0])

    assert log_in().status_code == 200

    assert outcome(refresh(token)) == (401, "token_revoked")
    ended = Session.objects.get(revoked_reason="session_cap")
    assert ended == others[0]
    assert state_in_redis(ended) == b"revoked:session_cap"
    assert Session.objects.live().count() == 3
    (record,) = [each for each in audited() if hasattr(each, "reason")]
    assert (record.event, record.sid) == ("authn_token_revoked", ended.id)
    assert record.reason == "session_cap"
    settings.MAX_SESSIONS_PER_USER = 1
    assert log_in().status_code == 200
    assert Session.objects.live().count() == 1


def test_after_the_clock_went_back_the_new_session_stays(
    make_session, settings, verified
):
    """It seems to be the least recently used one."""
    settings.MAX_SESSIONS_PER_USER = 2
    last, first = make_session(), make_session()
    age(last, -3600)
    age(first, -3500)

    answer = log_in()

    assert verified(answer.json()["access_token"]).status_code == 200
    first.refresh_from_db()
    last.refresh_from_db()
    assert (first.revoked_reason, last.revoked_reason) == ("session_cap", "")


def test_a_session_that_is_not_used_ends(settings):
    settings.REFRESH_TOKEN_LIFETIME = DAY
    cookie = cookie_of(log_in())
    age(Session.objects.get(), DAY - 5)
    assert Session.objects.live().exists()
    age(Session.objects.get(), 10)

    assert not Session.objects.live().exists()
    # Within the leeway of two clocks the token still reads; the row does not.
    assert outcome(refresh(cookie)) == (401, "token_expired")


def test_no_refresh_moves_the_absolute_end(settings):
    settings.REFRESH_TOKEN_LIFETIME = DAY
    settings.SESSION_ABSOLUTE_LIFETIME = 2 * DAY
    log_in()
    for _ in range(3):
        session = Session.objects.get()
        age(session, DAY * 0.6)
        answer = refresh(refresh_token(session))
        assert answer.status_code == 200
    session.refresh_from_db()
    assert session.expires_at == session.absolute_expires_at
    end = int(session.absolute_expires_at.timestamp())
    assert RefreshToken.parse(cookie_of(answer))["exp"] == end
    assert answer.cookies["refresh_token"]["max-age"] <= DAY * 0.2

    age(session, DAY * 0.25)

    assert outcome(refresh(refresh_token(session))) == (401, "token_expired")
