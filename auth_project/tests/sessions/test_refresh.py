"""Refresh: every answer of it, in the order in which the questions are asked."""

import socket
import time
import uuid

import jwt
import psycopg
import pytest
from django.db import OperationalError
from psycopg.errors import (
    CrashShutdown,
    DiskFull,
    ProtocolViolation,
    ReadOnlySqlTransaction,
)
from rest_framework.test import APIClient

from shared.auth import session_state
from tests.conftest import (
    access_token,
    age,
    cookie_of,
    forget,
    log_in,
    outcome,
    redis_down,
    refresh,
    refresh_token,
    signed_in,
    state_in_redis,
)
from tokens.models import UNDELIVERED, Session, SessionQuerySet

pytestmark = pytest.mark.django_db

LEEWAY = 10  # seconds, as tests/conftest.py sets it


@pytest.fixture
def rotated(make_session):
    """A session that was refreshed two seconds ago."""
    return make_session(rotated=True)


def unusable():
    """As `shared.db.BoundedConnection` raises it."""
    try:
        raise psycopg.OperationalError from ReadOnlySqlTransaction()
    except psycopg.OperationalError as exc:
        return exc


def token_of(session, which):
    """The session's current token, its predecessor, or one from before both."""
    jtis = {"current": session.jti, "previous": session.previous_jti}
    return refresh_token(session, jtis.get(which) or uuid.uuid4())


# --- The leeway, and reuse ----------------------------------------------------------


def test_the_direct_predecessor_gets_the_very_token_that_replaced_it(
    session, users, verified
):
    """TOK-06. The claims are the user's of now."""
    users.user |= {"roles": ["owner"], "email_verified": True}
    predecessor = refresh_token(session)

    answer, again = refresh(predecessor), refresh(predecessor)

    assert set(answer.data) == {"access_token", "token_type", "expires_in"}
    assert answer.data["token_type"] == "bearer"
    assert 298 <= answer.data["expires_in"] <= 300
    claims = verified(answer.data["access_token"]).data
    assert (claims["roles"], claims["email_verified"]) == (["owner"], True)
    after = Session.objects.get()
    assert after.previous_jti == session.jti != after.jti
    assert cookie_of(answer) == cookie_of(again) == refresh_token(after)
    assert again.status_code == refresh(cookie_of(answer)).status_code == 200


def test_the_current_token_within_the_leeway_stays_the_current_one(rotated):
    answer = refresh(refresh_token(rotated))

    assert (answer.status_code, cookie_of(answer)) == (200, None)
    assert Session.objects.get().jti == rotated.jti


@pytest.mark.parametrize(
    ("seconds", "which"),
    [(LEEWAY + 1, "previous"), (0, "ancestor"), (LEEWAY + 1, "ancestor")],
)
def test_reuse_revokes_the_session(rotated, verified, users, seconds, which):
    """TOK-07, TOK-08: the revocation survives the 401."""
    age(rotated, seconds)
    access = access_token(rotated, users)

    answer = refresh(token_of(rotated, which))

    assert outcome(answer) == (401, "refresh_token_reused")
    assert cookie_of(answer) == ""
    rotated.refresh_from_db()
    assert (rotated.revoked_at is not None, rotated.revoked_reason) == (True, "reuse")
    assert state_in_redis(rotated) == b"revoked:reuse"
    assert outcome(verified(access)) == (401, "token_revoked")
    assert outcome(refresh(refresh_token(rotated))) == (401, "token_revoked")


def test_a_reuse_that_redis_did_not_hear_of_is_refused_all_the_same(rotated):
    with redis_down():
        refresh(token_of(rotated, "ancestor"))

    assert outcome(refresh(refresh_token(rotated))) == (401, "token_revoked")
    assert state_in_redis(rotated) == b"revoked:reuse"


def test_the_leeway_counts_to_the_arrival_and_not_to_the_decision(
    rotated, users, monkeypatch
):
    """A slow User Service makes no predecessor late."""
    age(rotated, LEEWAY - 4)
    clock = time.monotonic

    def slow(user_id):
        age(rotated, 5)
        monkeypatch.setattr(time, "monotonic", lambda: clock() + 5)
        return users.user | {"second_factor_required": False}

    monkeypatch.setattr(users, "get", slow)

    assert refresh(token_of(rotated, "previous")).status_code == 200


# PostgreSQL is silent; PgBouncer has lost it; another process of it has crashed.
@pytest.mark.parametrize("cause", [None, ProtocolViolation, CrashShutdown])
@pytest.mark.parametrize("seconds", [0, 60])
def test_a_rotation_whose_answer_was_lost_is_no_theft(
    session, monkeypatch, seconds, cause
):
    """TOK-07: PostgreSQL commits it after we have answered 503. From the first retry
    on, the predecessor has the leeway, for a second tab, and no more."""
    predecessor, redis = refresh_token(session), session_state.connection()
    execute = SessionQuerySet.execute

    def commit_late(queryset, *args):
        execute(queryset, *args)
        raise OperationalError from (cause and cause())

    with monkeypatch.context() as patch:
        patch.setattr(SessionQuerySet, "execute", commit_late)
        assert outcome(refresh(predecessor)) == (503, "dependency_unavailable")
    age(session, seconds)
    note = UNDELIVERED.format(session.jti)
    assert LEEWAY < redis.ttl(note) <= 3600

    for _ in range(2):
        answer = refresh(predecessor)
        assert answer.status_code == 200
        assert cookie_of(answer) == refresh_token(session)
        assert 0 < redis.ttl(note) <= LEEWAY
    redis.delete(note)  # as Redis does after the leeway
    age(session, 60)

    assert outcome(refresh(predecessor)) == (401, "refresh_token_reused")


RETRIES = "server login has been failing, cached error: ... (server_login_retry)"


@pytest.mark.parametrize(
    "refusal",
    [DiskFull(), unusable(), ProtocolViolation(RETRIES)],
    ids=["full", "standby", "PgBouncer waits"],
)
def test_a_rotation_that_the_server_has_refused_is_not_noted(
    session, monkeypatch, refusal
):
    """A PostgreSQL that takes no writes does not fill Redis."""
    noted = []
    monkeypatch.setattr(session_state, "note", lambda *args, **_: noted.append(args))

    def refuse(*args):
        raise OperationalError(*refusal.args) from refusal

    monkeypatch.setattr(SessionQuerySet, "execute", refuse)

    assert outcome(refresh(refresh_token(session))) == (503, "dependency_unavailable")
    assert not noted


@pytest.mark.parametrize(("is_open", "status"), [(True, 200), (False, 503)])
def test_a_refresh_that_the_gateway_gave_up_changes_nothing(
    session, users, monkeypatch, is_open, status
):
    """TOK-07: it waited for the User Service, and the client has retried since. Also
    behind an unread body."""
    ours, theirs = socket.socketpair()
    get = users.get

    def slow(user_id):
        if not is_open:
            theirs.close()
        return get(user_id)

    monkeypatch.setattr(users, "get", slow)
    with ours, theirs:
        theirs.sendall(b"{}")
        cookie = {"Cookie": f"refresh_token={refresh_token(session)}"}
        extra = {"gunicorn.socket": ours}
        answer = APIClient().post("/api/v1/auth/refresh", headers=cookie, **extra)
    assert answer.status_code == status
    assert cookie_of(answer) != ""
    assert (Session.objects.get().jti != session.jti) is is_open


# --- Sessions that are over ---------------------------------------------------------


@pytest.mark.parametrize("rotated_before", [False, True], ids=["new", "in-leeway"])
@pytest.mark.parametrize("which", ["current", "previous", "ancestor"])
@pytest.mark.parametrize("reason", ["epoch", "user_gone", "unknown"])
def test_a_session_of_an_older_epoch_dies(
    make_session, users, rotated_before, which, reason
):
    """Without its push too; it is no reuse, whichever token it was. So does that of a
    user who is gone (TOK-14: deleted, inactive and unknown look alike), and one whose
    row was purged: Redis receives it, and knows without a question from then on."""
    old = make_session(rotated=rotated_before)
    token = token_of(old, which)
    users.user["session_epoch"] = 1
    users.gone = reason == "user_gone"
    if reason == "unknown":
        Session.objects.all().delete()

    answers = refresh(token), refresh(token)

    for answer in answers:
        assert outcome(answer) == (401, "token_revoked")
        assert cookie_of(answer) is None
    assert users.calls == 1
    kept = Session.objects.values_list("revoked_reason", flat=True)
    assert list(kept) == ([] if reason == "unknown" else [reason])
    assert state_in_redis(old) == b"revoked:" + reason.encode()
    users.gone = False
    forget(old)
    assert outcome(refresh(token)) == (401, "token_revoked")


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "logout"), ("post", "logout_all"), ("delete", "sessions/{}")],
)
def test_a_late_refresh_leaves_the_cookie_of_the_next_login(
    session, users, monkeypatch, method, path
):
    """COOK-04: while it waited, another tab has ended the session and logged in."""
    token, get, logins = refresh_token(session), users.get, []
    tab = signed_in(session, users, Cookie=f"refresh_token={token}")

    def slow(user_id):
        monkeypatch.setattr(users, "get", get)
        end = getattr(tab, method)
        assert end(f"/api/v1/auth/{path.format(session.id)}").status_code in (200, 204)
        logins.append(log_in())
        return get(user_id)

    monkeypatch.setattr(users, "get", slow)
    late = refresh(token)

    assert outcome(late) == (401, "token_revoked")
    assert cookie_of(late) is None
    assert refresh(cookie_of(logins[0])).status_code == 200


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
        *((kind, "token_missing", None) for kind in ("nothing", "empty", "bearer")),
        *((kind, "token_invalid", "") for kind in ("garbage", "not-ascii")),
        *((kind, "token_invalid", "") for kind in ("access", "secret-key")),
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
