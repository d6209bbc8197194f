"""Who is calling: Authorization headers, the session's state, API keys."""

import json
from contextlib import nullcontext

import pytest

from shared import metrics
from shared.tests.conftest import assert_problem
from shared.tests.redis_fixtures import redis_unavailable

INTERNAL = "/api/v1/test/internal"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(me, make_token, scheme):
    """TOK-20."""
    assert me(f"{scheme} {make_token()}").status_code == 200
    assert me(f"  {scheme}   {make_token()} ").status_code == 200


@pytest.mark.parametrize(
    "header",
    [None, "", " ", "Bearer", "bearer ", "Basic YTpi", "Token x", "Bearer:x", "x"],
)
def test_without_a_token_the_challenge_has_no_error(me, header):
    """RFC 6750 section 3.1."""
    answer = me(header)

    assert_problem(answer, 401, "token_missing")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("separator", [" ", ",Bearer ", ", Bearer "])
def test_two_tokens_are_none(refused, make_token, separator):
    """However two headers were joined on the way."""
    token = make_token()

    refused(f"{token}{separator}{token}")


def test_a_token_anywhere_else_is_not_looked_at(api_client, make_token):
    token = make_token()
    api_client.cookies["access_token"] = api_client.cookies["refresh_token"] = token

    answer = api_client.get(f"/api/v1/test/me?access_token={token}")

    assert_problem(answer, 401, "token_missing")


def test_a_session_that_ended_is_refused(me, refused, make_token, auth_service):
    """Redis alone answers where it knows."""
    refused(make_token(session="revoked"), "token_revoked")
    assert me(f"Bearer {make_token()}").status_code == 200
    assert auth_service.received == []


def counted(name, **labels):
    return metrics.REGISTRY.get_sample_value(f"memo_{name}", labels) or 0


@pytest.mark.parametrize(
    ("redis", "fallbacks"), [(nullcontext, 0), (redis_unavailable, 1)]
)
def test_what_redis_does_not_know_the_auth_service_is_asked(
    me, refused, make_token, auth_service, redis, fallbacks
):
    """What is done without Redis is counted, and each call of a service. A refusal is
    passed on; trouble is 503 and never 401 (`test_clients`)."""
    call = {"service": "auth", "operation": "verify_token"}
    before = counted("redis_fallbacks_total", what="sessions")
    calls = counted("internal_call_seconds_count", **call)
    token = make_token(session=None)
    auth_service.always(200, {"valid": True})
    with redis():
        assert me(f"Bearer {token}").status_code == 200
    assert counted("redis_fallbacks_total", what="sessions") == before + fallbacks
    assert counted("internal_call_seconds_count", **call) == calls + 1
    (asked,) = auth_service.received
    assert (asked["method"], asked["path"]) == ("POST", "/api/v1/auth/verify_token")
    assert json.loads(asked["body"]) == {"token": token}
    auth_service.always(401, {"code": "token_revoked"})
    refused(token, "token_revoked")


def test_without_redis_and_auth_service_it_is_503(me, refused, make_token):
    with redis_unavailable():
        answer = me(f"Bearer {make_token(session=None)}")
        assert_problem(answer, 503, "dependency_unavailable")
        refused("x")  # A bad token is bad all the same.
        refused(make_token(session=None, exp=1), "token_expired")


def test_a_user_costs_one_round_trip_and_no_query(me, make_token, redis_round_trips):
    """The service has no database: a query would fail."""
    token = make_token()
    redis_round_trips.clear()

    assert me(f"Bearer {token}").status_code == 200
    assert len(redis_round_trips) == 1


@pytest.fixture
def internal(api_client):
    """The answer of a route for services to this key."""

    def get(key, path=INTERNAL, **headers):
        headers |= {} if key is None else {"X-Internal-Api-Key": key}
        return api_client.get(path, headers=headers)

    return get


@pytest.mark.parametrize(
    "key",
    [None, "", " ", "x", "auth", "é", "\x00", "auth-key-" * 5, "auth-key-" * 7],
    ids=repr,
)
@pytest.mark.parametrize("path", [INTERNAL, f"{INTERNAL}/auth"])
def test_any_other_key_is_refused(internal, path, key):
    """And missing and wrong look alike."""
    answer, missing = internal(key, path), internal(None, path)

    assert_problem(answer, 401, "service_auth_failed")
    assert answer["WWW-Authenticate"] == 'ApiKey realm="internal"'
    other = {"request_id": ""}
    assert answer.json() | other == missing.json() | other


def test_a_key_opens_what_its_service_may_call(service_client):
    auth, reports = service_client("auth"), service_client("reports")
    for name, client in (("auth", auth), ("reports", reports)):
        assert client.get(INTERNAL).json() == {"caller": name}
    assert auth.get(f"{INTERNAL}/auth").status_code == 200
    assert_problem(reports.get(f"{INTERNAL}/auth"), 403, "forbidden")


def test_a_users_token_is_no_key_and_a_key_no_token(
    bearer, service_client, internal, settings
):
    """Nor is a key read from anywhere but its header."""
    assert_problem(bearer().get(INTERNAL), 401, "service_auth_failed")
    assert_problem(service_client("auth").get("/api/v1/test/me"), 401, "token_missing")
    key = dict(settings.INTERNAL_API_KEYS)["auth"]
    elsewhere = internal(
        None, f"{INTERNAL}?api_key={key}", Authorization=f"ApiKey {key}"
    )
    assert_problem(elsewhere, 401, "service_auth_failed")
