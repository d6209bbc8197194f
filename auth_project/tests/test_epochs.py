"""The highest epoch that auth was told for a user is a floor for logins, and the
session to keep is kept by push and refresh alike."""

import uuid

import pytest

from tests.conftest import (
    PASSWORD,
    cookie_of,
    outcome,
    post,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.models import Session, SessionEpoch, UserEpoch
from tokens.revocation import end_sessions_below

pytestmark = pytest.mark.django_db


@pytest.fixture
def log_in(users, trusted_kid):
    body = {"email": users.user["email"], "password": PASSWORD}
    return lambda: post("login", data=body)


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


def test_the_next_try_learns_the_truth(log_in, push, users):
    push(1)
    log_in()
    users.user["session_epoch"] = 1

    assert log_in().status_code == 200


def test_it_is_no_failed_attempt(log_in, push, users, caplog):
    push(1)
    for _ in range(30):
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


def test_floors_outlive_the_purge(push):
    from django.core.management import call_command

    push(1)
    call_command("flushexpiredsessions")

    assert floor() == 1


# --- The session to keep ------------------------------------------------------------


def test_a_refresh_between_commit_and_push_goes_on(session, users, push):
    """Another tab refreshes while a password is changed in this one."""
    users.raise_epoch(session.id)

    refreshed = refresh(refresh_token(session))
    push(1, session.id, 0)

    assert refreshed.status_code == 200
    row = Session.objects.get()
    assert (row.user_epoch, row.revoked_at) == (1, None)
    assert row.previous_jti == session.jti
    assert refresh(cookie_of(refreshed)).status_code == 200


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
