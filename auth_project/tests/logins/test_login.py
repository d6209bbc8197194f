"""Login: a password verified elsewhere becomes a session here."""

import time

import jwt
import pytest
from django.db import connection
from rest_framework.test import APIClient

from shared.api.exceptions import RateLimited
from shared.keys import keyring
from tests.conftest import (
    CLIENT,
    CREDENTIALS,
    PASSWORD,
    claims_of,
    cookie_of,
    log_in,
    outcome,
    refresh_token,
    state_in_redis,
)
from tokens.jwt_tokens import RefreshToken
from tokens.models import Session

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("users", "trusted_kid")]


def test_login_opens_a_session(users):
    """The User Service receives the client and its device cookie: it counts guesses."""
    answer = log_in(Cookie="device=W10:1r0Xyz:c2ln", **CLIENT)

    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    session = Session.objects.get()
    assert str(session.user_id) == users.user["id"]
    assert (session.user_agent, session.ip) == ("curl/8", "192.0.2.7")
    assert (session.rotated_at, session.previous_jti) == (None, None)
    assert (session.revoked_at, session.revoked_reason) == (None, "")
    assert state_in_redis(session) == b"active"
    client = {"ip": "192.0.2.7", "user_agent": "curl/8"}
    device = "W10:1r0Xyz:c2ln"
    assert users.attempts == [{**CREDENTIALS, "client": client, "device": device}]
    cookie = answer.cookies["device"]
    assert (cookie.value, cookie["path"]) == ("d:1:s", "/")


def test_the_access_token_says_what_the_contract_names(users, trusted_kid, settings):
    """TOK-04, TOK-17."""
    before = int(time.time())

    token = log_in().json()["access_token"]

    header = jwt.get_unverified_header(token)
    assert header == {"alg": "RS256", "kid": trusted_kid, "typ": "at+jwt"}
    claims = jwt.decode(
        token,
        keyring.verifying_keys().find(trusted_kid),
        algorithms=["RS256"],
        audience="memo",
        issuer=settings.JWT_ISSUER,
    )
    assert claims == {
        "iss": settings.JWT_ISSUER,
        "aud": settings.JWT_AUDIENCE,
        "client_id": "memo",
        "sub": users.user["id"],
        "sid": str(Session.objects.get().id),
        "jti": claims["jti"],
        "epoch": Session.objects.get().user_epoch,
        "iat": claims["iat"],
        "auth_time": int(Session.objects.get().created_at.timestamp()),
        "acr": "aal1",
        "amr": ["pwd"],
        "exp": claims["iat"] + 300,
        "token_type": "access",
        "email": "ada@example.org",
        "email_verified": False,
        "username": "ada",
        "roles": ["editor"],
    }
    assert before <= claims["iat"] <= time.time()


def test_personal_claims_may_be_left_out(settings):
    """ASVS 14.1.1. The refresh token never has any."""
    settings.ACCESS_TOKEN_CLAIMS = ["roles"]

    answer = log_in()

    token, session = cookie_of(answer), Session.objects.get()
    claims = claims_of(answer)
    assert {"email", "email_verified", "username"}.isdisjoint(claims)
    assert claims["roles"] == ["editor"]
    assert jwt.get_unverified_header(token)["typ"] == "rt+jwt"
    claims = dict(RefreshToken.parse(token).payload)
    for name in ("iss", "aud", "token_type"):
        claims.pop(name)
    assert claims == {
        "sub": str(session.user_id),
        "sid": str(session.id),
        "jti": str(session.jti),
        "iat": int(session.created_at.timestamp()),
        "exp": int(session.expires_at.timestamp()),
    }


@pytest.mark.parametrize(
    ("idle", "absolute"),
    [(600, 10**6), (60, 10**6), (10**6, 60)],
    ids=["idle", "idle-below-access", "absolute"],
)
def test_no_token_outlives_its_session(settings, idle, absolute):
    """Which ends at whichever end comes first."""
    settings.REFRESH_TOKEN_LIFETIME = idle
    settings.SESSION_ABSOLUTE_LIFETIME = absolute

    answer = log_in()

    session, end = Session.objects.get(), min(idle, absolute)
    assert abs((session.expires_at - session.created_at).total_seconds() - end) <= 1
    assert session.expires_at <= session.absolute_expires_at
    assert end - 5 <= answer.cookies["refresh_token"]["max-age"] <= end
    assert answer.json()["expires_in"] <= min(300, end)


# --- What is sent -------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"password": "wrong"}, id="wrong-password"),
        pytest.param({"email": "unknown@example.org"}, id="unknown"),
        pytest.param({"password": PASSWORD + " "}, id="not-trimmed"),
    ],
)
def test_wrong_and_unknown_look_alike(wrong):
    answer = log_in(body=CREDENTIALS | wrong)

    assert outcome(answer) == (401, "invalid_credentials")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert cookie_of(answer) is None
    assert not Session.objects.exists()


# --- The User Service ---------------------------------------------------------------


def test_the_limit_of_the_user_service_is_passed_on(users, monkeypatch):
    def refuse(attempt):
        raise RateLimited(97)

    monkeypatch.setattr(users, "verify", refuse)

    answer = log_in()

    assert outcome(answer) == (429, "rate_limited")
    assert answer["Retry-After"] == "97"
    assert not answer.cookies


def test_a_login_that_the_gateway_gave_up_opens_no_session(session, users, abandoned):
    """It waited for the User Service. That of its cookie lives."""
    headers = {"Cookie": f"refresh_token={refresh_token(session)}"}
    client = APIClient(headers=headers)

    answer = client.post("/api/v1/auth/login", CREDENTIALS, **abandoned)

    assert outcome(answer) == (503, "dependency_unavailable")
    assert cookie_of(answer) is None
    assert users.calls == 1
    assert Session.objects.get().revoked_at is None


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_the_user_is_asked_for(users, monkeypatch):
    """DATA-07: a slow User Service must not cost database connections."""
    held = []
    monkeypatch.setattr(users, "answer", lambda: held.append(connection.connection))
    connection.close()

    assert log_in().status_code == 200
    assert held == [None]
