"""verify_token: the answers to other services about an access token."""

import time

import pytest

from shared.auth import session_state
from tests.conftest import (
    access_token,
    database_down,
    forget,
    outcome,
    redis_down,
    refresh_token,
    state_in_redis,
)
from tokens.models import Session

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/verify_token"


@pytest.mark.parametrize("names", [["email", "username", "roles"], []])
def test_a_good_token_is_answered_with_its_claims(
    session, users, verified, settings, names
):
    """Those that it does not have are null."""
    settings.ACCESS_TOKEN_CLAIMS = names

    answer = verified(access_token(session, users))

    assert answer.status_code == 200
    exp = answer.json()["exp"]
    assert answer.json() == {
        "valid": True,
        "user_id": users.user["id"],
        "email": "ada@example.org" if names else None,
        "username": "ada" if names else None,
        "roles": ["editor"] if names else None,
        "sid": str(session.id),
        "exp": exp,
    }
    assert 290 <= exp - time.time() <= 300


# --- Redis and PostgreSQL -----------------------------------------------------------


def test_a_missing_key_is_asked_of_postgresql_and_refilled(session, users, verified):
    assert verified(access_token(session, users)).status_code == 200
    assert state_in_redis(session) == b"active"
    ttl = session_state.connection().ttl(session_state.key(session.id))
    assert 305 <= ttl <= 310  # access lifetime and leeway


@pytest.mark.parametrize("reason", ["logout", "unknown"])
def test_what_postgresql_refuses_is_refilled_as_revoked(
    make_session, users, verified, reason
):
    over = make_session(revoked=True)
    token = access_token(over, users)
    if reason == "unknown":
        Session.objects.all().delete()

    assert outcome(verified(token)) == (401, "token_revoked")
    assert state_in_redis(over) == b"revoked:" + reason.encode()


def test_a_revocation_in_redis_is_enough(
    make_token, verified, django_assert_num_queries
):
    with django_assert_num_queries(0):
        answer = verified(make_token(session="revoked"))

    assert outcome(answer) == (401, "token_revoked")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_an_expired_session_keeps_its_access_token(make_session, users, verified):
    """PostgreSQL is asked whether the row exists and is not revoked, no more: the token
    has an end of its own."""
    expired = make_session(expired=True)

    assert verified(access_token(expired, users)).status_code == 200


def test_without_redis_postgresql_answers(session, make_session, users, verified):
    over = make_session(revoked=True)
    with redis_down():
        assert verified(access_token(session, users)).status_code == 200
        assert outcome(verified(access_token(over, users))) == (401, "token_revoked")


@pytest.mark.django_db(transaction=True)
def test_without_postgresql_the_key_answers_while_it_lives(session, users, verified):
    token = access_token(session, users)
    verified(token)
    with database_down():
        assert verified(token).status_code == 200
        forget(session)
        assert outcome(verified(token)) == (503, "dependency_unavailable")


# --- What is refused ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        pytest.param({"exp": 1}, "token_expired", id="expired"),
        pytest.param({"iat": 2**33}, "token_not_yet_valid", id="from-the-future"),
        pytest.param({"sub": "ada"}, "token_invalid", id="odd"),
    ],
)
def test_a_bad_token_is_401_with_its_own_code(make_token, verified, claims, code):
    """TOK-22: never the code of a wrong API key."""
    assert outcome(verified(make_token(**claims))) == (401, code)


def test_only_the_access_token_itself_is_one(session, users, verified):
    """TOK-03: a refresh token is for auth alone. And none is trimmed."""
    for text in (refresh_token(session), f" {access_token(session, users)}"):
        assert outcome(verified(text)) == (401, "token_invalid")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        *({"X-Internal-Api-Key": key} for key in ("", "x", "é", "users-key" * 7)),
        {"Authorization": "Bearer {}"},
    ],
    ids=str,
)
def test_without_a_good_key_it_is_the_services_fault(api_client, make_token, headers):
    """S2S-03: an access token opens no internal route."""
    token = make_token()
    headers = {name: value.format(token) for name, value in headers.items()}

    answer = api_client.post(URL, {"token": token}, headers=headers)

    assert outcome(answer) == (401, "service_auth_failed")
    assert answer["WWW-Authenticate"] == 'ApiKey realm="internal"'


@pytest.mark.parametrize(
    "body",
    [{}, *({"token": x} for x in (None, 5, ["a"], {"a": 1}, "", "x" * 7169, "a\0"))],
    ids=lambda body: str(body)[:20],
)
def test_a_body_of_another_shape_is_400(service_client, body):
    """INP-05: nothing is coerced."""
    answer = service_client("users").post(URL, body)

    assert outcome(answer) == (400, "validation_error")
    assert list(answer.json()["errors"]) == ["token"]
