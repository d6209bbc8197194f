"""Sessions that end by other acts: below an epoch, beyond the cap, replaced by a login.

The highest epoch that auth has received for a user is a floor for logins.
"""

import uuid

import pytest

from tests.conftest import (
    PASSWORD,
    age,
    cookie_of,
    forget,
    outcome,
    post,
    redis_away,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.models import Session, SessionEpoch, UserEpoch
from tokens.revocation import end_sessions_below

pytestmark = pytest.mark.django_db

DAY = 24 * 3600


@pytest.fixture
def log_in(users, trusted_kid):
    def send(cookie=None, password=PASSWORD, **headers):
        body = {"email": users.user["email"], "password": password}
        return post("login", cookie, body, **headers)

    return send


@pytest.fixture
def push(users):
    """A push that is delivered, of the epoch that the User Service has now or had."""
    user_id = uuid.UUID(users.user["id"])
    return lambda epoch, *keep: end_sessions_below({user_id: epoch}, "pushed", *keep)


def floor():
    return UserEpoch.objects.values_list("epoch", flat=True).first()


# --- Logins below the floor ---------------------------------------------------------


def test_a_login_below_the_floor_opens_nothing(log_in, push, caplog):
    """The password was verified before it was changed; the push was faster."""
    push(1)

    answer = log_in()

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"
    assert cookie_of(answer) is None
    assert not Session.objects.exists()
    [record] = [r for r in caplog.records if r.name == "memo.audit"][-1:]
    assert (record.event, record.epoch) == ("login_epoch_behind", 0)


def test_it_is_no_failed_attempt(log_in, push, users, caplog):
    """The next try receives the new epoch."""
    push(1)
    assert log_in().status_code == 503
    users.user["session_epoch"] = 1

    assert log_in().status_code == 200
    assert "authn_login_fail" not in {getattr(r, "event", "") for r in caplog.records}


def test_a_login_raises_the_floor(log_in, users):
    users.user["session_epoch"] = 2**40
    assert log_in().status_code == 200
    assert floor() == 2**40

    users.user["session_epoch"] -= 1
    assert log_in().status_code == 503


def test_logging_out_everywhere_raises_the_floor(log_in, users):
    access = log_in().data["access_token"]
    post("logout_all", Authorization=f"Bearer {access}")

    assert floor() == users.user["session_epoch"] == 1


def test_a_push_never_lowers_the_floor(push):
    for epoch in (2**40, 1):
        push(epoch)

    assert floor() == 2**40


def test_a_floor_is_one_users_alone(log_in):
    end_sessions_below({uuid.uuid4(): 9}, "pushed")

    assert log_in().status_code == 200


# --- The session to keep ------------------------------------------------------------


def test_a_lost_push_does_not_end_the_session_to_keep(make_session, users):
    here, there = make_session(), make_session()
    users.raise_epoch(here.id)

    assert outcome(refresh(refresh_token(there))) == (401, "token_revoked")
    assert refresh(refresh_token(here)).status_code == 200


@pytest.mark.parametrize("traits", [{}, {"rotated": True}], ids=["rotate", "leeway"])
def test_a_session_that_was_below_before_is_not_kept(make_session, users, traits):
    """A thief's `logout_all` names a session that a change of password ended."""
    thief = make_session(**traits)
    users.raise_epoch()
    users.raise_epoch(thief.id)

    assert outcome(refresh(refresh_token(thief))) == (401, "token_revoked")
    assert Session.objects.get().revoked_reason == "epoch"
    assert state_in_redis(thief) == b"revoked:epoch"


def test_within_the_leeway_the_kept_session_goes_on(make_session, users):
    """It did not rotate, and was not lifted: asked by the same rule."""
    kept = make_session(rotated=True)
    users.raise_epoch(kept.id)

    for jti in (kept.jti, kept.previous_jti):
        assert refresh(refresh_token(kept, jti)).status_code == 200


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


def test_an_older_user_service_names_no_session(session, users):
    del users.user["kept_sid"], users.user["kept_from"]

    assert refresh(refresh_token(session)).status_code == 200


# --- Replaced by a login in the same browser (ASVS 7.2.4) ----------------------------


@pytest.mark.parametrize("cap", [0, 1, 10])
def test_the_session_of_the_cookie_ends(make_session, log_in, settings, cap, caplog):
    """Also where another one would give way by the cap, or where there is none."""
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
    told = [r.sid for r in caplog.records if getattr(r, "reason", "") == "replaced"]
    assert told == [before.id]


def test_it_does_not_count_for_the_cap(make_session, log_in, settings):
    settings.MAX_SESSIONS_PER_USER = 2
    other, before = make_session(), make_session()

    log_in(refresh_token(before))

    assert other in Session.objects.live()


@pytest.mark.parametrize("traits", [{"expired": True}, {"rotated": True}])
def test_any_token_of_the_session_will_do(make_session, log_in, traits):
    before = make_session(**traits)
    age(before, 60)

    log_in(refresh_token(before, before.previous_jti or before.jti))

    assert Session.objects.get(id=before.id).revoked_reason == "replaced"


def test_somebody_elses_on_the_same_device_ends_too(make_session, log_in):
    before = make_session(user_id=uuid.uuid4())

    log_in(refresh_token(before))

    assert Session.objects.get(id=before.id).revoked_reason == "replaced"


def test_what_had_ended_keeps_its_reason(make_session, log_in):
    before = make_session(revoked=True)

    assert log_in(refresh_token(before)).status_code == 200
    assert Session.objects.get(id=before.id).revoked_reason == "logout"


def test_a_failed_login_ends_nothing(session, log_in):
    assert log_in(refresh_token(session), "not the password").status_code == 401
    assert Session.objects.get().revoked_at is None


@pytest.mark.parametrize("bad", ["", "x", "a.b.c", "purged", "twice"])
def test_a_bad_cookie_ends_nothing_and_fails_no_login(session, log_in, bad):
    cookie = refresh_token(session)
    if bad == "purged":
        Session.objects.filter(id=session.id).delete()
    elif bad == "twice":
        cookie = f"{cookie}; refresh_token={cookie}"
    else:
        cookie = bad

    assert log_in(cookie).status_code == 200
    assert not Session.objects.filter(revoked_at__isnull=False).exists()


# --- What a refresh finds that was on its way ---------------------------------------


@pytest.mark.parametrize("redis", ["knows", "has forgotten", "is away"])
def test_a_refresh_of_what_was_replaced_leaves_the_new_cookie(session, log_in, redis):
    """The browser has it by now: an answer that cleared it would log the user out."""
    cookie = refresh_token(session)
    log_in(cookie)
    if redis == "has forgotten":
        forget(session)

    if redis == "is away":
        with redis_away():
            answer = refresh(cookie)
    else:
        answer = refresh(cookie)

    assert outcome(answer) == (401, "token_revoked")
    assert cookie_of(answer) is None


# --- The cap, and how long a session lasts ------------------------------------------


@pytest.fixture
def cap(settings):
    settings.MAX_SESSIONS_PER_USER = 3


def test_the_least_recently_used_gives_way(make_session, log_in, caplog, cap):
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


def test_a_cap_that_was_lowered_is_met_at_the_next_login(make_session, log_in, cap):
    for _ in range(7):
        make_session()

    log_in()

    assert Session.objects.live().count() == 3


def test_zero_is_no_cap(log_in, settings):
    settings.MAX_SESSIONS_PER_USER = 0
    for _ in range(5):
        log_in()

    assert Session.objects.live().count() == 5


def test_what_has_ended_does_not_count(make_session, log_in, cap):
    kept = [make_session(), make_session()]
    for fields in ({"revoked": True}, {"expired": True}):
        for _ in range(3):
            make_session(**fields)

    log_in()

    assert set(kept) < set(Session.objects.live())
    assert not Session.objects.filter(revoked_reason="session_cap").exists()


def test_nobody_elses_session_gives_way(make_session, log_in, cap):
    others = [make_session(user_id=uuid.uuid4()) for _ in range(3)]
    for _ in range(4):
        log_in()

    assert set(others) < set(Session.objects.live())


def test_a_session_that_is_not_used_ends(log_in, settings):
    settings.REFRESH_TOKEN_LIFETIME = DAY
    cookie = cookie_of(log_in())
    age(Session.objects.get(), DAY - 5)
    assert Session.objects.live().exists()
    age(Session.objects.get(), 10)

    assert not Session.objects.live().exists()
    # Within the leeway of two clocks the token still reads; the row does not.
    assert outcome(refresh(cookie)) == (401, "token_expired")


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
