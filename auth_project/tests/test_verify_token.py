"""verify_token: what other services are told about an access token."""

import time

import pytest

from shared.auth import session_state
from tests.conftest import (
    access_token,
    database_away,
    forget,
    outcome,
    redis_away,
    refresh_token,
    state_in_redis,
)
from tokens.models import Session

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/verify_token"


def test_a_good_token_is_told_with_its_claims(session, users, verified):
    answer = verified(access_token(session, users))

    assert answer.status_code == 200
    exp = answer.json()["exp"]
    assert answer.json() == {
        "valid": True,
        "user_id": users.user["id"],
        "email": "ada@example.org",
        "username": "ada",
        "roles": ["editor"],
        "sid": str(session.id),
        "exp": exp,
    }
    assert 290 <= exp - time.time() <= 300


def test_claims_that_are_left_out_are_told_as_null(session, users, verified, settings):
    settings.ACCESS_TOKEN_CLAIMS = []

    answer = verified(access_token(session, users))

    assert answer.status_code == 200
    told = answer.json()
    assert [told[name] for name in ("email", "username", "roles")] == [None] * 3


def test_a_missing_key_is_asked_of_postgresql_and_refilled(session, users, verified):
    forget(session)

    assert verified(access_token(session, users)).status_code == 200
    assert state_in_redis(session) == b"active"
    ttl = session_state.connection().ttl(session_state.key(session.id))
    assert 305 <= ttl <= 310  # access lifetime and leeway


@pytest.mark.parametrize("state", ["revoked", "no-row"])
def test_what_postgresql_refuses_is_refilled_as_revoked(
    make_session, users, verified, state
):
    over = make_session(revoked=True)
    token = access_token(over, users)
    if state == "no-row":
        Session.objects.all().delete()

    assert outcome(verified(token)) == (401, "token_revoked")
    wanted = {"revoked": b"revoked:logout", "no-row": b"revoked:unknown"}[state]
    assert state_in_redis(over) == wanted


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
    with redis_away():
        assert verified(access_token(session, users)).status_code == 200
        assert outcome(verified(access_token(over, users))) == (401, "token_revoked")

    assert outcome(verified(access_token(over, users))) == (401, "token_revoked")


@pytest.mark.django_db(transaction=True)
def test_without_postgresql_the_key_answers_while_it_lives(session, users, verified):
    token = access_token(session, users)
    verified(token)
    with database_away():
        assert verified(token).status_code == 200
        forget(session)
        assert outcome(verified(token)) == (503, "dependency_unavailable")

    assert verified(token).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_without_both_it_is_503_and_never_401(session, users, verified):
    token = access_token(session, users)
    with redis_away(), database_away():
        answer = verified(token)

    assert outcome(answer) == (503, "dependency_unavailable")
    assert answer["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        pytest.param({"exp": 1}, "token_expired", id="expired"),
        pytest.param({"iat": 2**33}, "token_not_yet_valid", id="from-the-future"),
        pytest.param({"sub": "ada"}, "token_invalid", id="odd"),
        pytest.param(
            {"token_type": "refresh", "headers": {"typ": "rt+jwt"}},
            "token_invalid",
            id="refresh",
        ),
    ],
)
def test_a_bad_token_is_401_with_its_own_code(make_token, verified, claims, code):
    """TOK-22: never the code of a wrong API key."""
    assert outcome(verified(make_token(**claims))) == (401, code)


def test_a_refresh_token_is_no_access_token(session, verified):
    assert outcome(verified(refresh_token(session))) == (401, "token_invalid")


@pytest.mark.parametrize(
    "key", [None, "", "x", "é", "users-key" * 7], ids=lambda key: f"key-{key}"
)
def test_without_a_good_key_it_is_the_services_fault(api_client, make_token, key):
    headers = {} if key is None else {"X-Internal-Api-Key": key}
    body = {"token": make_token()}

    answer = api_client.post(URL, body, "json", headers=headers)

    assert outcome(answer) == (401, "service_auth_failed")
    assert answer["WWW-Authenticate"] == 'ApiKey realm="internal"'


def test_an_access_token_opens_no_internal_route(bearer):
    """S2S-03."""
    answer = bearer().post(URL, {"token": "x"}, "json")

    assert outcome(answer) == (401, "service_auth_failed")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="empty"),
        pytest.param({"token": None}, id="null"),
        pytest.param({"token": 5}, id="number"),
        pytest.param({"token": True}, id="bool"),
        pytest.param({"token": ["a"]}, id="list"),
        pytest.param({"token": {"a": 1}}, id="object"),
        pytest.param({"token": ""}, id="blank"),
        pytest.param({"token": "x" * 7169}, id="too-long"),
        pytest.param({"token": "a\0b"}, id="nul"),
    ],
)
def test_a_body_of_another_shape_is_400(service_client, body):
    """INP-05: nothing is coerced."""
    answer = service_client("users").post(URL, body, "json")

    assert outcome(answer) == (400, "validation_error")
    assert list(answer.json()["errors"]) == ["token"]


def test_a_token_is_not_trimmed(session, users, verified):
    token = access_token(session, users)

    assert outcome(verified(f" {token}")) == (401, "token_invalid")
