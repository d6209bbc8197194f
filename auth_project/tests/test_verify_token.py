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

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/verify_token"


@pytest.mark.parametrize(
    "names", [["email", "email_verified", "username", "roles"], []]
)
def test_a_good_token_is_answered_with_its_claims(
    session, users, verified, settings, names
):
    """Those that it does not have are null. Redis, which did not know, knows now."""
    settings.ACCESS_TOKEN_CLAIMS = names

    answer = verified(access_token(session, users))

    assert answer.status_code == 200
    exp = answer.json()["exp"]
    assert answer.json() == {
        "valid": True,
        "user_id": users.user["id"],
        "email": "ada@example.org" if names else None,
        "email_verified": False if names else None,
        "username": "ada" if names else None,
        "roles": ["editor"] if names else None,
        "sid": str(session.id),
        "exp": exp,
        "auth_time": int(session.created_at.timestamp()),
        "acr": "aal1",
        "amr": ["pwd"],
    }
    assert 290 <= exp - time.time() <= 300
    assert state_in_redis(session) == b"active"
    ttl = session_state.connection().ttl(session_state.key(session.id))
    assert 305 <= ttl <= 310  # access lifetime and leeway


def test_without_redis_postgresql_answers(session, make_session, users, verified):
    """Whether the row exists and is not revoked, no more: the token of a session that
    has expired has an end of its own."""
    over, expired = make_session(revoked=True), make_session(expired=True)
    with redis_down():
        for good in (session, expired):
            assert verified(access_token(good, users)).status_code == 200
        assert outcome(verified(access_token(over, users))) == (401, "token_revoked")


@pytest.mark.django_db(transaction=True)
def test_without_postgresql_the_key_answers_while_it_lives(session, users, verified):
    token = access_token(session, users)
    verified(token)
    with database_down():
        assert verified(token).status_code == 200
        forget(session)
        assert outcome(verified(token)) == (503, "dependency_unavailable")


def test_only_the_access_token_itself_is_one(session, users, verified, make_token):
    """TOK-03: a refresh token is for auth alone. And none is trimmed. TOK-22: a bad
    token has a code of its own, never that of a wrong API key."""
    bad = {
        refresh_token(session): "token_invalid",
        f" {access_token(session, users)}": "token_invalid",
        make_token(sub="ada"): "token_invalid",
        make_token(exp=1): "token_expired",
        make_token(iat=2**33): "token_not_yet_valid",
    }
    for text, code in bad.items():
        assert outcome(verified(text)) == (401, code)


def test_a_body_of_another_shape_is_400(service_client):
    """INP-05: nothing is coerced."""
    tokens = [None, 5, ["a"], {"a": 1}, "", "x" * 7169, "a\0"]
    for body in ({}, *({"token": token} for token in tokens)):
        answer = service_client("users").post(URL, body)

        assert outcome(answer) == (400, "validation_error")
        assert list(answer.json()["errors"]) == ["token"]
