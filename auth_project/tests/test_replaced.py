"""A login that carries a refresh cookie ends that cookie's session (ASVS 7.2.4)."""

import uuid

import pytest

from shared.auth import session_state
from tests.conftest import (
    PASSWORD,
    age,
    cookie_of,
    forget,
    log_out,
    outcome,
    post,
    redis_away,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.models import Session

pytestmark = pytest.mark.django_db


@pytest.fixture
def log_in(users, trusted_kid):
    def send(cookie=None, password=PASSWORD, **headers):
        body = {"email": users.user["email"], "password": password}
        return post("login", cookie, body, **headers)

    return send


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


def test_any_other_end_clears_the_cookie(session):
    cookie = refresh_token(session)
    log_out(cookie)

    assert cookie_of(refresh(cookie)) == ""
    session_state.mark_revoked([session_state.Revocation(session.id, "epoch", 60)])
    assert cookie_of(refresh(cookie)) == ""
