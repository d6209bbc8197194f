"""Log-in: a password verified elsewhere becomes a session here."""

import time

import jwt
import pytest
from django.db import connection
from rest_framework.test import APIClient

from shared.api.exceptions import Overloaded, RateLimited
from shared.keys import keyring
from tests.conftest import (
    PASSWORD,
    cookie_of,
    database_away,
    outcome,
    redis_away,
    refresh,
    state_in_redis,
)
from tokens.jwt_tokens import RefreshToken
from tokens.models import Session

pytestmark = pytest.mark.django_db

GOOD = {"email": "ada@example.org", "password": PASSWORD}


def log_in(body=GOOD, **headers):
    client = APIClient(raise_request_exception=False)
    return client.post("/api/v1/auth/login", body, "json", headers=headers)


@pytest.fixture(autouse=True)
def _service(users, trusted_kid):
    """Every test here has a User Service and keys."""


def test_login_opens_a_session(users):
    answer = log_in(**{"User-Agent": "curl/8", "X-Real-IP": "192.0.2.7"})

    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    session = Session.objects.get()
    assert str(session.user_id) == users.user["id"]
    assert (session.user_agent, session.ip) == ("curl/8", "192.0.2.7")
    assert (session.rotated_at, session.previous_jti) == (None, None)
    assert (session.revoked_at, session.revoked_reason) == (None, "")
    assert state_in_redis(session) == b"active"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(GOOD, id="email"),
        pytest.param({"username": "ada", "password": PASSWORD}, id="username"),
        pytest.param(GOOD | {"username": "somebody"}, id="both"),
        pytest.param(GOOD | {"remember": True, "sub": "x"}, id="extra-fields"),
    ],
)
def test_a_user_is_named_in_these_ways(body):
    assert log_in(body).status_code == 200


def test_without_a_key_to_sign_with_no_session_is_opened(lose_signer, users):
    lose_signer()

    assert outcome(log_in()) == (503, "dependency_unavailable")
    assert not Session.objects.exists()
    assert users.calls == 0


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
    session = Session.objects.get()
    assert claims == {
        "iss": settings.JWT_ISSUER,
        "aud": settings.JWT_AUDIENCE,
        "sub": users.user["id"],
        "sid": str(session.id),
        "jti": claims["jti"],
        "iat": claims["iat"],
        "exp": claims["iat"] + 300,
        "token_type": "access",
        "email": "ada@example.org",
        "username": "ada",
        "roles": ["editor"],
    }
    assert before <= claims["iat"] <= time.time()


def test_the_refresh_token_says_no_more_than_it_must(trusted_kid):
    token = cookie_of(log_in())

    assert jwt.get_unverified_header(token)["typ"] == "rt+jwt"
    session = Session.objects.get()
    claims = RefreshToken.parse(token).payload
    assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "iat", "exp"} | {
        "token_type"
    }
    assert claims["jti"] == str(session.jti)
    assert claims["iat"] == int(session.created_at.timestamp())
    assert claims["exp"] == int(session.expires_at.timestamp())


def test_personal_claims_may_be_left_out(settings):
    """ASVS 14.1.1."""
    settings.ACCESS_TOKEN_CLAIMS = ["roles"]
    token = log_in().json()["access_token"]

    claims = jwt.decode(token, options={"verify_signature": False})

    assert {"email", "username"}.isdisjoint(claims)
    assert claims["roles"] == ["editor"]


@pytest.mark.parametrize(
    ("idle", "absolute"), [(600, 10**6), (10**6, 600)], ids=["idle", "absolute"]
)
def test_a_session_ends_at_whichever_end_comes_first(settings, idle, absolute):
    settings.REFRESH_TOKEN_LIFETIME = idle
    settings.SESSION_ABSOLUTE_LIFETIME = absolute

    answer = log_in()

    session = Session.objects.get()
    lasts = session.expires_at - session.created_at
    assert 599 <= lasts.total_seconds() <= 601
    assert session.expires_at <= session.absolute_expires_at
    assert 595 <= answer.cookies["refresh_token"]["max-age"] <= 600


def test_no_access_token_outlives_its_session(settings):
    settings.SESSION_ABSOLUTE_LIFETIME = 60

    answer = log_in()

    assert 55 <= answer.json()["expires_in"] <= 60


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(GOOD | {"password": "wrong"}, id="wrong-password"),
        pytest.param(GOOD | {"email": "nobody@example.org"}, id="unknown"),
        pytest.param(GOOD | {"password": PASSWORD + " "}, id="not-trimmed"),
    ],
)
def test_wrong_and_unknown_look_alike(body):
    answer = log_in(body)

    assert outcome(answer) == (401, "invalid_credentials")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert cookie_of(answer) is None
    assert not Session.objects.exists()


def test_a_credential_that_is_sent_along_is_not_looked_at(make_token):
    expired = make_token(exp=1, session=None)

    answer = log_in(Authorization=f"Bearer {expired}", Cookie="refresh_token=x")

    assert answer.status_code == 200


def test_login_works_without_redis():
    with redis_away():
        answer = log_in()

    assert answer.status_code == 200
    assert refresh(cookie_of(answer)).status_code == 200


def test_login_without_the_user_service_is_no_failed_login(users, caplog):
    users.down = True

    answer = log_in()

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"
    assert "authn_login_fail" not in caplog.text
    users.down = False
    assert log_in().status_code == 200


def test_a_user_service_that_is_full_is_told(users, monkeypatch):
    def full(credentials):
        raise Overloaded

    monkeypatch.setattr(users, "verify", full)

    assert outcome(log_in()) == (503, "overloaded")


@pytest.mark.django_db(transaction=True)
def test_login_without_the_database_is_503():
    with database_away():
        answer = log_in()

    assert outcome(answer) == (503, "dependency_unavailable")
    assert cookie_of(answer) is None
    assert log_in().status_code == 200


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_the_user_is_asked_for(users, monkeypatch):
    """DATA-07: a slow User Service must not cost database connections."""
    asked = users.verify
    held = []

    def look(credentials):
        held.append(connection.connection)
        return asked(credentials)

    monkeypatch.setattr(users, "verify", look)
    connection.close()

    assert log_in().status_code == 200
    assert held == [None]


def test_what_the_client_sends_about_itself_is_cut(users):
    log_in(**{"User-Agent": "x" * 1000, "X-Real-IP": "'; DROP TABLE"})

    session = Session.objects.get()
    assert (session.user_agent, session.ip) == ("x" * 256, "127.0.0.1")


# The device cookie and limits, which are the User Service's


def test_the_client_and_its_device_go_to_the_user_service(users):
    headers = {"X-Real-IP": "192.0.2.7", "User-Agent": "Firefox"}
    answer = log_in(Cookie="device=W10:1r0Xyz:c2ln", **headers)
    [attempt] = users.attempts
    assert attempt == {
        **GOOD,
        "client": {"ip": "192.0.2.7", "user_agent": "Firefox"},
        "device": "W10:1r0Xyz:c2ln",
    }
    cookie = answer.cookies["device"]
    assert (cookie.value, cookie["path"]) == ("d:1:s", "/api/v1")


@pytest.mark.parametrize("cookie", ["device=a; device=b", "device=\x7f", "device="])
def test_a_bad_device_cookie_fails_no_login(users, cookie):
    assert log_in(Cookie=cookie).status_code == 200
    assert users.attempts[0]["device"] == ""


def test_a_limit_is_passed_on_with_its_wait(users, monkeypatch):
    def limited(attempt):
        raise RateLimited(97)

    monkeypatch.setattr(users, "verify", limited)
    answer = log_in()
    assert outcome(answer) == (429, "rate_limited")
    assert answer["Retry-After"] == "97"
    assert answer["Content-Type"] == "application/problem+json"
    assert not answer.cookies
