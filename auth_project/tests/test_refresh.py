"""Refresh: every answer of it, in the order in which the questions are asked."""

import time
import uuid
from datetime import timedelta

import jwt
import pytest

from shared.api.exceptions import TokenRevoked
from shared.auth import session_state
from tests.conftest import (
    access_token,
    age,
    cookie_of,
    outcome,
    redis_down,
    refresh,
    refresh_token,
    state_in_redis,
)
from tokens.jwt_tokens import RefreshToken
from tokens.models import Session

pytestmark = pytest.mark.django_db

LEEWAY = 10  # seconds, as tests/conftest.py sets it


@pytest.fixture
def rotated(make_session):
    """A session that was refreshed two seconds ago."""
    return make_session(rotated=True)


def test_refresh_rotates_the_refresh_token(session, users, verified):
    users.user["roles"] = ["owner"]

    answer = refresh(refresh_token(session))

    assert answer.status_code == 200, answer.content
    assert set(answer.data) == {"access_token", "token_type", "expires_in"}
    assert answer.data["token_type"] == "bearer"
    assert 298 <= answer.data["expires_in"] <= 300
    before, after = session.jti, Session.objects.get()
    assert after.previous_jti == before != after.jti
    assert cookie_of(answer) == refresh_token(after)
    # The claims are the user's of now.
    assert verified(answer.data["access_token"]).data["roles"] == ["owner"]


# --- The leeway, and reuse ----------------------------------------------------------


def test_the_current_token_within_the_leeway_stays_the_current_one(rotated):
    answer = refresh(refresh_token(rotated))

    assert answer.status_code == 200
    assert cookie_of(answer) is None
    assert Session.objects.get().jti == rotated.jti


def test_the_direct_predecessor_gets_the_very_token_that_replaced_it(session):
    predecessor = refresh_token(session)
    successor = cookie_of(refresh(predecessor))

    again = refresh(predecessor)

    assert again.status_code == 200
    assert cookie_of(again) == successor
    assert refresh(successor).status_code == 200


@pytest.mark.parametrize(
    ("seconds", "jti"),
    [(LEEWAY + 1, "previous"), (0, "ancestor"), (LEEWAY + 1, "ancestor")],
)
def test_reuse_revokes_the_session(rotated, verified, users, seconds, jti):
    """TOK-07, TOK-08: the revocation survives the 401."""
    age(rotated, seconds)
    stolen = rotated.previous_jti if jti == "previous" else uuid.uuid4()
    access = access_token(rotated, users)

    answer = refresh(refresh_token(rotated, stolen))

    assert outcome(answer) == (401, "refresh_token_reused")
    assert cookie_of(answer) == ""
    rotated.refresh_from_db()
    assert (rotated.revoked_at is not None, rotated.revoked_reason) == (True, "reuse")
    assert state_in_redis(rotated) == b"revoked:reuse"
    assert outcome(verified(access)) == (401, "token_revoked")
    assert outcome(refresh(refresh_token(rotated))) == (401, "token_revoked")


def test_a_reuse_that_redis_did_not_hear_of_is_refused_all_the_same(rotated):
    with redis_down():
        refresh(refresh_token(rotated, uuid.uuid4()))

    assert outcome(refresh(refresh_token(rotated))) == (401, "token_revoked")
    assert state_in_redis(rotated) == b"revoked:reuse"


def test_a_leeway_of_nothing_makes_every_second_use_a_reuse(session, settings):
    settings.REFRESH_REUSE_LEEWAY = 0
    first = refresh_token(session)

    second = cookie_of(refresh(first))
    third = cookie_of(refresh(second))

    assert len({first, second, third}) == 3
    assert outcome(refresh(second)) == (401, "refresh_token_reused")


def test_the_leeway_counts_to_the_arrival_and_not_to_the_decision(
    rotated, users, monkeypatch
):
    """A slow User Service makes no predecessor late."""
    age(rotated, LEEWAY - 4)
    clock = time.monotonic

    def slow(user_id):
        age(rotated, 5)
        monkeypatch.setattr(time, "monotonic", lambda: clock() + 5)
        return users.user

    monkeypatch.setattr(users, "get", slow)

    answer = refresh(refresh_token(rotated, rotated.previous_jti))

    assert answer.status_code == 200, answer.content


# --- Sessions that are over ---------------------------------------------------------


@pytest.mark.parametrize(
    ("traits", "epoch", "code"),
    [
        pytest.param({"revoked": True}, 0, "token_revoked", id="revoked"),
        pytest.param({"expired": True}, 0, "token_expired", id="expired"),
        pytest.param({"expired": True}, 1, "token_expired", id="before-epoch"),
        pytest.param(
            {"revoked": True, "expired": True}, 1, "token_revoked", id="revoked-first"
        ),
    ],
)
@pytest.mark.parametrize("jti", ["current", "ancestor"])
def test_a_session_that_is_over_is_not_a_reuse(
    make_session, users, traits, epoch, code, jti
):
    users.user["session_epoch"] = epoch
    over = make_session(**traits)

    answer = refresh(refresh_token(over, uuid.uuid4() if jti == "ancestor" else None))

    assert outcome(answer) == (401, code)
    assert cookie_of(answer) == ""
    after = Session.objects.get()
    assert (after.revoked_at, after.revoked_reason) == (
        over.revoked_at,
        over.revoked_reason,
    )


@pytest.mark.parametrize("rotated_before", [False, True], ids=["new", "in-leeway"])
@pytest.mark.parametrize("jti", ["current", "previous", "ancestor"])
def test_a_session_of_an_older_epoch_dies(make_session, users, rotated_before, jti):
    """Without its push too; it is no reuse, whichever token it was."""
    old = make_session(rotated=rotated_before)
    users.user["session_epoch"] = 1
    presented = {"current": old.jti, "previous": old.previous_jti}.get(jti)

    answer = refresh(refresh_token(old, presented or uuid.uuid4()))

    assert outcome(answer) == (401, "token_revoked")
    assert cookie_of(answer) == ""
    assert Session.objects.get().revoked_reason == "epoch"
    assert state_in_redis(old) == b"revoked:epoch"


def test_a_session_without_a_row_is_a_revoked_one(session):
    """A purged row: never a reuse, and Redis receives it."""
    token = refresh_token(session)
    Session.objects.all().delete()

    answer = refresh(token)

    assert outcome(answer) == (401, "token_revoked")
    assert cookie_of(answer) == ""
    assert state_in_redis(session) == b"revoked:unknown"


def test_a_user_who_is_gone_ends_the_session(session, users):
    """TOK-14: deleted, inactive and unknown look alike."""
    users.gone = True

    answer = refresh(refresh_token(session))

    assert outcome(answer) == (401, "token_revoked")
    assert cookie_of(answer) == ""
    assert Session.objects.get().revoked_reason == "user_gone"
    users.gone = False
    assert outcome(refresh(refresh_token(session))) == (401, "token_revoked")


def test_what_redis_knows_is_refused_before_the_user_service_is_asked(
    session, users, django_assert_num_queries
):
    session_state.mark_revoked([session_state.Revocation(session.id, "test", 60)])

    with django_assert_num_queries(0):
        answer = refresh(refresh_token(session))

    assert outcome(answer) == (401, "token_revoked")
    assert users.calls == 0


# --- How long a session lasts -------------------------------------------------------


def test_no_token_outlives_the_session(make_session):
    """TOK-05: rotation never moves the absolute end."""
    end = timedelta(seconds=100)
    nearly = make_session()
    clock = Session.objects.with_clock().get().clock
    Session.objects.update(absolute_expires_at=clock + end)

    answer = refresh(refresh_token(nearly))

    after = Session.objects.get()
    assert after.expires_at == after.absolute_expires_at == clock + end
    token = RefreshToken.parse(cookie_of(answer))
    assert token["exp"] == int((clock + end).timestamp())
    assert 95 <= answer.data["expires_in"] <= 100
    assert 95 <= answer.cookies["refresh_token"]["max-age"] <= 100


def test_the_idle_end_moves_with_each_refresh(make_session, settings):
    settings.REFRESH_TOKEN_LIFETIME = 600
    idle = make_session()

    refresh(refresh_token(idle))

    after = Session.objects.get()
    assert abs((after.expires_at - after.rotated_at).total_seconds() - 600) < 1
    assert after.absolute_expires_at == idle.absolute_expires_at


# --- What is no refresh token -------------------------------------------------------


def presented(kind, session, users, settings):
    """What a client sends that is no good refresh token of this session: the cookie."""
    age(session, {"expired": 31 * 24 * 3600, "of-a-clock-ahead": -120}.get(kind, 0))
    return {
        "nothing": None,
        "empty": "",
        "bearer": None,
        "garbage": "a.b.c",
        "not-ascii": "é" * 50,
        "access": access_token(session, users),
        "secret-key": jwt.encode(
            {"token_type": "refresh"}, settings.SECRET_KEY, "HS256"
        ),
    }.get(kind, refresh_token(session))


@pytest.mark.parametrize(
    ("kind", "code", "cookie"),
    [
        ("nothing", "token_missing", None),
        ("empty", "token_missing", None),
        ("bearer", "token_missing", None),
        ("garbage", "token_invalid", ""),
        ("not-ascii", "token_invalid", ""),
        ("access", "token_invalid", ""),
        ("secret-key", "token_invalid", ""),
        ("expired", "token_expired", ""),
        # The database's clock gives its times, and ours may be behind: try again.
        ("of-a-clock-ahead", "token_not_yet_valid", None),
    ],
)
def test_what_is_no_good_refresh_token_is_refused(
    session, users, settings, kind, code, cookie
):
    """TOK-01, TOK-03, COOK-07."""
    bearer = {"Authorization": f"Bearer {refresh_token(session)}"}
    sent = presented(kind, session, users, settings)

    answer = refresh(sent, **(bearer if kind == "bearer" else {}))

    assert outcome(answer) == (401, code)
    assert answer["WWW-Authenticate"].startswith('Bearer realm="api"')
    assert cookie_of(answer) == cookie
    assert users.calls == 0
    assert Session.objects.get().jti == session.jti


def test_blacklist_and_check_blacklist_keep_simplejwts_meaning(session):
    token = RefreshToken.parse(refresh_token(session))
    token.check_blacklist()

    token.blacklist()

    with pytest.raises(TokenRevoked):
        token.check_blacklist()
    assert Session.objects.get().revoked_reason == "blacklisted"
