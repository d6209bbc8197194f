"""Sessions that end by other acts: below an epoch, beyond the cap, replaced by a login.

The highest epoch that auth has received for a user is a floor for logins.
"""

import uuid

import pytest

from tests.conftest import (
    CREDENTIALS,
    age,
    cookie_of,
    forget,
    log_in,
    outcome,
    post,
    redis_down,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.models import Session, SessionEpoch, UserEpoch
from tokens.revocation import end_sessions_below

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("users", "trusted_kid")]

DAY = 24 * 3600


def floor():
    return UserEpoch.objects.values_list("epoch", flat=True).first()


# --- Logins below the floor ---------------------------------------------------------


def test_a_login_below_the_floor_opens_nothing(users, audited):
    """The password was verified before it was changed; the push was faster. That is no
    failed attempt: the next try receives the new epoch. No push lowers the floor."""
    user_id = uuid.UUID(users.user["id"])
    for epochs in ({uuid.uuid4(): 2**41}, {user_id: 2**40}, {user_id: 1}):
        end_sessions_below(epochs, "pushed")

    answer = log_in()

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"
    assert cookie_of(answer) is None
    assert not Session.objects.exists()
    assert (audited()[-1].event, audited()[-1].epoch) == ("login_epoch_behind", 0)
    users.user["session_epoch"] = 2**40  # which another user's is above
    assert log_in().status_code == 200
    assert "authn_login_fail" not in {record.event for record in audited()}


@pytest.mark.parametrize("act", ["login", "logout_all"])
def test_what_raises_the_floor(users, act):
    users.user["session_epoch"] = 2**40
    access = log_in().data["access_token"]
    if act == "logout_all":
        post("logout_all", Authorization=f"Bearer {access}")

    assert floor() == users.user["session_epoch"] == 2**40 + (act == "logout_all")
    users.user["session_epoch"] -= 1
    assert log_in().status_code == 503


# --- The session to keep ------------------------------------------------------------


@pytest.mark.parametrize("traits", [{}, {"rotated": True}], ids=["rotate", "leeway"])
@pytest.mark.parametrize("raised_before", [False, True])
def test_a_lost_push_ends_all_but_the_session_to_keep(
    make_session, users, traits, raised_before
):
    """But one that was below before: a thief's `logout_all` names a session that a
    change of password ended. Within the leeway, where nothing rotates, as well."""
    named, other = make_session(**traits), make_session()
    if raised_before:
        users.raise_epoch()
    users.raise_epoch(named.id)

    assert outcome(refresh(refresh_token(other))) == (401, "token_revoked")
    for jti in {named.jti, named.previous_jti} - {None}:
        answer = refresh(refresh_token(named, jti))
        assert answer.status_code == (401 if raised_before else 200)
    named.refresh_from_db()
    assert named.revoked_reason == ("epoch" if raised_before else "")
    assert (state_in_redis(named) == b"revoked:epoch") == raised_before


@pytest.mark.parametrize("user_epoch", range(4))
@pytest.mark.parametrize("kept_from", [None, 0, 2])
@pytest.mark.parametrize("kept", [True, False])
def test_the_winners_and_the_losers_rule_are_one(
    make_session, user_epoch, kept_from, kept
):
    session = make_session(user_epoch=user_epoch)
    epoch = SessionEpoch(3, session.id if kept else uuid.uuid4(), kept_from)

    rotated = Session.objects.rotate(session.id, session.jti, epoch)

    assert epoch.ends(session) == (rotated is None)
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


@pytest.mark.parametrize(
    ("traits", "reason"),
    [
        ({"expired": True}, "replaced"),
        ({"rotated": True}, "replaced"),  # by the predecessor of its token
        ({"user_id": uuid.uuid4()}, "replaced"),  # of another user of the device
        ({"revoked": True}, "logout"),
    ],
    ids=str,
)
def test_any_token_of_the_session_will_do(make_session, traits, reason):
    before = make_session(**traits)
    age(before, 60)
    cookie = refresh_token(before, before.previous_jti or before.jti)
    wrong = CREDENTIALS | {"password": "not the password"}

    assert log_in(cookie, wrong).status_code == 401
    assert Session.objects.get().revoked_reason == before.revoked_reason
    assert log_in(cookie).status_code == 200
    assert Session.objects.get(id=before.id).revoked_reason == reason


@pytest.mark.parametrize("bad", ["", "a.b.c", "purged", "twice"])
def test_a_bad_cookie_ends_nothing_and_fails_no_login(session, bad):
    cookie = refresh_token(session)
    if bad == "purged":
        Session.objects.filter(id=session.id).delete()
    sent = {"purged": cookie, "twice": f"{cookie}; refresh_token={cookie}"}

    assert log_in(sent.get(bad, bad)).status_code == 200
    assert not Session.objects.filter(revoked_at__isnull=False).exists()


@pytest.mark.parametrize("redis", ["knows", "has forgotten", "is down"])
def test_a_refresh_of_what_was_replaced_leaves_the_new_cookie(session, redis):
    """The browser has it by now: an answer that cleared it would log the user out."""
    cookie = refresh_token(session)
    log_in(cookie)
    if redis == "has forgotten":
        forget(session)

    if redis == "is down":
        with redis_down():
            answer = refresh(cookie)
    else:
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


@pytest.mark.parametrize(
    ("cap", "traits", "live"),
    [
        (3, {}, 3),  # it was lowered: met at the next login
        (0, {}, 7),  # no cap
        (3, {"revoked": True}, 1),
        (3, {"expired": True}, 1),
        (3, {"user_id": uuid.uuid4()}, 7),
    ],
    ids=str,
)
def test_what_counts_for_the_cap(make_session, settings, cap, traits, live):
    settings.MAX_SESSIONS_PER_USER = cap
    for _ in range(6):
        make_session(**traits)

    log_in()

    assert Session.objects.live().count() == live
    ended = Session.objects.filter(revoked_reason="session_cap").count()
    assert ended == (4 if cap and not traits else 0)


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
        assert refresh(refresh_token(session)).status_code == 200
    session.refresh_from_db()
    assert session.expires_at == session.absolute_expires_at

    age(session, DAY * 0.25)

    assert outcome(refresh(refresh_token(session))) == (401, "token_expired")
