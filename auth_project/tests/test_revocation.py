"""Sessions that end by other acts: below an epoch, beyond the cap, replaced by a login.

The highest epoch that auth has received for a user is a floor for logins.
"""

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
from tokens.revocation import end_sessions_below

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("users", "trusted_kid")]

DAY = 24 * 3600


# --- Logins below the floor ---------------------------------------------------------


def test_a_login_below_the_floor_opens_nothing(users, audited):
    """The password was verified before it was changed; the push was faster. That is no
    failed attempt: the next try receives the new epoch. No push lowers the floor."""
    user_id = uuid.UUID(users.user["id"])
    for each, epoch in ((uuid.uuid4(), 2**41), (user_id, 2**40), (user_id, 1)):
        end_sessions_below([each], epoch, "pushed")

    answer = log_in()

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"
    assert cookie_of(answer) is None
    assert not Session.objects.exists()
    assert (audited()[-1].event, audited()[-1].epoch) == ("login_epoch_behind", 0)
    users.user["session_epoch"] = 2**40  # which another user's is above
    assert log_in().status_code == 200
    assert "authn_login_fail" not in {record.event for record in audited()}


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
def test_the_session_of_the_cookie_ends(make_session, settings, cap, audited):
    """Also where another one ends by the cap, for which it does not count."""
    settings.MAX_SESSIONS_PER_USER = cap
    other, before = make_session(), make_session()
    age(other, 1000)

    answer = log_in(refresh_token(before))

    assert answer.status_code == 200
    before.refresh_from_db()
    other.refresh_from_db()
    assert before.revoked_reason == "replaced"
    assert other.revoked_reason == ("session_cap" if cap == 1 else "")
    assert state_in_redis(before) == b"revoked:replaced"
    assert refresh(cookie_of(answer)).status_code == 200
    replaced = [r.sid for r in audited() if getattr(r, "reason", "") == "replaced"]
    assert replaced == [before.id]


@pytest.mark.parametrize("bad", ["", "a.b.c", "purged", "twice"])
def test_a_bad_cookie_ends_nothing_and_fails_no_login(session, bad):
    cookie = refresh_token(session)
    if bad == "purged":
        Session.objects.filter(id=session.id).delete()
    sent = {"purged": cookie, "twice": f"{cookie}; refresh_token={cookie}"}

    assert log_in(sent.get(bad, bad)).status_code == 200
    assert not Session.objects.filter(revoked_at__isnull=False).exists()


@pytest.mark.parametrize("redis", [nullcontext, redis_down])
def test_a_refresh_of_what_was_replaced_leaves_the_new_cookie(session, redis):
    """The browser has it by now: an answer that cleared it would log the user out."""
    cookie = refresh_token(session)
    log_in(cookie)

    with redis():
        answer = refresh(cookie)

    assert outcome(answer) == (401, "token_revoked")
    assert cookie_of(answer) is None


# --- The cap, and how long a session lasts ------------------------------------------


def test_the_least_recently_used_ends(make_session, audited, settings):
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


@pytest.mark.parametrize(("cap", "live"), [(3, 3), (0, 7)])
def test_a_cap_that_was_lowered_is_met_at_the_next_login(
    make_session, settings, cap, live
):
    """0 is no cap."""
    settings.MAX_SESSIONS_PER_USER = cap
    for _ in range(6):
        make_session()

    log_in()

    assert Session.objects.live().count() == live


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
