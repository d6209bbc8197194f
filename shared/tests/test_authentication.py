"""Who is calling: Authorization headers, the session's state, API keys."""

import uuid

import pytest

from shared.tests.conftest import assert_problem, redis_away

CHALLENGE = 'Bearer realm="api"'
INVALID = f'{CHALLENGE}, error="invalid_token"'
INTERNAL = "/api/v1/test/internal"


# --- The header (RFC 9110 section 11, RFC 6750 section 2.1) -------------------------


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
    assert answer["WWW-Authenticate"] == CHALLENGE


@pytest.mark.parametrize("separator", [" ", ",Bearer ", ", Bearer "])
def test_two_tokens_are_none(me, make_token, separator):
    """However two headers were joined on the way."""
    token = make_token()
    answer = me(f"Bearer {token}{separator}{token}")

    assert_problem(answer, 401, "token_invalid")
    assert answer["WWW-Authenticate"] == INVALID


def test_a_token_anywhere_else_is_not_looked_at(api_client, make_token):
    token = make_token()
    api_client.cookies["access_token"] = token
    api_client.cookies["refresh_token"] = token

    answer = api_client.get(f"/api/v1/test/me?access_token={token}")

    assert_problem(answer, 401, "token_missing")


# --- The session --------------------------------------------------------------------


def test_a_session_that_ended_is_refused(me, make_token):
    answer = me(f"Bearer {make_token(session='revoked')}")

    assert_problem(answer, 401, "token_revoked")
    assert answer["WWW-Authenticate"] == INVALID


def test_redis_alone_answers_where_it_knows(me, make_token, auth_service):
    assert me(f"Bearer {make_token()}").status_code == 200
    assert me(f"Bearer {make_token(session='revoked')}").status_code == 401
    assert auth_service.requests == []


@pytest.mark.parametrize("redis", ["empty", "away"])
def test_what_redis_does_not_know_the_auth_service_is_asked(
    me, make_token, auth_service, redis
):
    token = make_token(session=None)
    auth_service.answer(200, {"valid": True})
    if redis == "away":
        with redis_away():
            answer = me(f"Bearer {token}")
    else:
        answer = me(f"Bearer {token}")

    assert answer.status_code == 200
    (asked,) = auth_service.requests
    assert (asked["method"], asked["path"]) == ("POST", "/api/v1/auth/verify_token")
    assert asked["body"].decode() == f'{{"token": "{token}"}}'


@pytest.mark.parametrize(
    "code", ["token_revoked", "token_expired", "token_invalid", "token_not_yet_valid"]
)
def test_the_auth_services_refusal_is_passed_on(me, make_token, auth_service, code):
    auth_service.answer(401, {"code": code})

    assert_problem(me(f"Bearer {make_token(session=None)}"), 401, code)


@pytest.mark.parametrize(
    ("status", "problem", "code"),
    [
        pytest.param(
            401,
            {"code": "service_auth_failed"},
            "dependency_unavailable",
            id="our-key-is-wrong",
        ),
        pytest.param(
            403, {"code": "forbidden"}, "dependency_unavailable", id="not-allowed"
        ),
        pytest.param(
            400,
            {"code": "validation_error"},
            "dependency_unavailable",
            id="bad-request",
        ),
        pytest.param(401, {"detail": "x"}, "dependency_unavailable", id="no-code"),
        pytest.param(404, b"<html>", "dependency_unavailable", id="html"),
        pytest.param(
            503,
            {"code": "dependency_unavailable"},
            "dependency_unavailable",
            id="its-database-is-away",
        ),
        pytest.param(503, {"code": "overloaded"}, "overloaded", id="overloaded"),
        pytest.param(
            500, {"code": "internal_error"}, "dependency_unavailable", id="bug"
        ),
    ],
)
def test_the_services_trouble_is_503_and_never_401(
    me, make_token, auth_service, status, problem, code
):
    auth_service.answer(status, problem)

    assert_problem(me(f"Bearer {make_token(session=None)}"), 503, code)


def test_without_redis_and_auth_service_it_is_503(me, make_token):
    token = make_token(session=None)
    with redis_away():
        assert_problem(me(f"Bearer {token}"), 503, "dependency_unavailable")


def test_a_bad_token_is_bad_without_redis_and_auth_service(me, make_token):
    with redis_away():
        assert_problem(me("Bearer x"), 401, "token_invalid")
        expired = make_token(session=None, exp=1)
        assert_problem(me(f"Bearer {expired}"), 401, "token_expired")


def test_a_person_costs_one_round_trip_and_no_query(me, make_token, redis_round_trips):
    """The service has no database: a query would fail."""
    token = make_token()
    redis_round_trips.clear()

    assert me(f"Bearer {token}").status_code == 200
    assert len(redis_round_trips) == 1


# --- API keys (S2S-01, S2S-03) ------------------------------------------------------


def test_a_service_is_known_by_its_key(service_client):
    assert service_client("auth").get(INTERNAL).json() == {"caller": "auth"}
    assert service_client("reports").get(INTERNAL).json() == {"caller": "reports"}


@pytest.mark.parametrize(
    "key",
    [None, "", " ", "x", "auth", "é", "\x00", "auth-key-" * 5, "auth-key-" * 7],
    ids=repr,
)
@pytest.mark.parametrize("path", [INTERNAL, f"{INTERNAL}/auth"])
def test_any_other_key_is_refused(api_client, path, key):
    headers = {} if key is None else {"X-Internal-Api-Key": key}

    answer = api_client.get(path, headers=headers)

    assert_problem(answer, 401, "service_auth_failed")
    assert answer["WWW-Authenticate"] == 'ApiKey realm="internal"'


def test_missing_and_wrong_look_alike(api_client):
    missing = api_client.get(INTERNAL).json()
    wrong = api_client.get(INTERNAL, headers={"X-Internal-Api-Key": "x"}).json()

    assert missing | {"request_id": ""} == wrong | {"request_id": ""}


def test_a_key_opens_what_its_service_may_call(service_client):
    assert service_client("auth").get(f"{INTERNAL}/auth").status_code == 200

    assert_problem(service_client("reports").get(f"{INTERNAL}/auth"), 403, "forbidden")


def test_two_keys_of_one_service_are_good_at_once(api_client, settings):
    settings.INTERNAL_API_KEYS = [("auth", "a" * 43), ("auth", "b" * 43)]
    for key in ("a" * 43, "b" * 43):
        answer = api_client.get(INTERNAL, headers={"X-Internal-Api-Key": key})
        assert answer.json() == {"caller": "auth"}


def test_without_configured_keys_nobody_may_call(api_client, settings):
    settings.INTERNAL_API_KEYS = []

    answer = api_client.get(INTERNAL, headers={"X-Internal-Api-Key": ""})

    assert_problem(answer, 401, "service_auth_failed")


def test_a_persons_token_is_no_key_and_a_key_no_token(bearer, service_client):
    assert_problem(bearer().get(INTERNAL), 401, "service_auth_failed")
    assert_problem(service_client("auth").get("/api/v1/test/me"), 401, "token_missing")


def test_the_key_is_not_read_from_anywhere_else(api_client, settings):
    key = dict(settings.INTERNAL_API_KEYS)["auth"]
    headers = {"Authorization": f"ApiKey {key}"}

    answer = api_client.get(f"{INTERNAL}?api_key={key}", headers=headers)

    assert_problem(answer, 401, "service_auth_failed")


def test_ids_are_canonical_whatever_their_spelling(me, make_token):
    """So that one session has one key in Redis."""
    sid = uuid.uuid4()

    answer = me(f"Bearer {make_token(sid=str(sid))}")
    odd = me(f"Bearer {make_token(sid='{' + str(sid).upper() + '}', session=None)}")

    assert answer.json()["sid"] == odd.json()["sid"] == str(sid)
