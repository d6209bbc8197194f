"""The clients against a real server: what they send, what they make of answers."""

import json
import uuid
from datetime import UTC, datetime

import pytest

from shared import clients
from shared.api.exceptions import (
    DependencyUnavailable,
    InvalidCredentials,
    LinkInvalid,
    Overloaded,
    RateLimited,
    SecondFactorInvalid,
    TokenExpired,
    TokenInvalid,
    TokenNotYetValid,
    TokenRevoked,
    UserNotFound,
)
from shared.auth import api_keys
from shared.structured_logging import request_id

KEY = "a-key-of-ours"
CREDENTIALS = {"email": "ada@example.org", "password": "canary-password"}
USER = {"id": str(uuid.uuid4()), "sub": "x", "session_epoch": 3}
ID, SID = uuid.uuid4(), uuid.uuid4()

PROOF, PROVED = {"totp": "canary-123456"}, USER | {"amr": ["otp"]}
KEEP = {"keep_sid": str(SID)}
REVOKE = {"user_ids": [str(ID)], "epoch": 4, "reason": "x"}
REVOKE_OTHERS = REVOKE | KEEP | {"keep_from": 2**40}
SESSIONS = f"auth/users/{ID}/sessions"
TIMES = ("created_at", "last_used_at", "expires_at")
SESSION = {"id": str(SID), "device": "x", "ip": None}
LISTED = [SESSION | dict.fromkeys(TIMES, "2026-01-31T12:00:00.5Z")]
# By name: method, path and body of the request, and an answer.
REQUESTS = {
    "verify": ("POST", "users/verify", CREDENTIALS, USER),
    "get": ("GET", f"users/{ID}", None, USER),
    "lookup": ("POST", "users/lookup", {"identifier": "ada"}, {"ids": [str(ID)]}),
    "end-sessions": ("POST", f"users/{ID}/end_sessions", {}, USER),
    "end-others": ("POST", f"users/{ID}/end_sessions", KEEP, USER),
    "factors": ("GET", f"users/{ID}/factors", None, {"methods": []}),
    "factor": ("POST", f"users/{ID}/factors/verify", PROOF, PROVED),
    "passkey": ("POST", "users/passkeys/verify", PROOF, PROVED),
    "enrol": ("POST", f"users/{ID}/factors/enrol", PROOF, {"proved": False}),
    "token": ("POST", "auth/verify_token", {"token": "x"}, {"valid": True}),
    "push": ("POST", "auth/sessions/revoke", REVOKE, {"revoked": 2}),
    "push-others": ("POST", "auth/sessions/revoke", REVOKE_OTHERS, {"revoked": 2}),
    "sessions": ("GET", SESSIONS, None, {"sessions": LISTED}),
    "revoke-session": ("POST", f"{SESSIONS}/{SID}/revoke", {}, {"revoked": 1}),
}
# By name: the call.
CALLS = {
    "verify": lambda users, auth: users.verify(CREDENTIALS),
    "get": lambda users, auth: users.get(ID),
    "lookup": lambda users, auth: [*map(str, users.lookup("ada"))],
    "end-sessions": lambda users, auth: users.end_sessions(ID),
    "end-others": lambda users, auth: users.end_sessions(ID, SID),
    "factors": lambda users, auth: users.factors(ID),
    "factor": lambda users, auth: users.verify_factor(ID, PROOF),
    "passkey": lambda users, auth: users.verify_passkey(PROOF),
    "enrol": lambda users, auth: {"proved": users.prove_enrolment(ID, PROOF)},
    "token": lambda users, auth: auth.verify_token("x"),
    "push": lambda users, auth: auth.revoke_sessions([ID], 4, "x"),
    "push-others": lambda users, auth: auth.revoke_sessions([ID], 4, "x", SID, 2**40),
    "sessions": lambda users, auth: auth.sessions(ID),
    "revoke-session": lambda users, auth: auth.revoke_session(ID, SID),
}


@pytest.fixture
def ask(users, auth):
    """Makes the call of this name."""
    return lambda name: CALLS[name](users, auth)


@pytest.mark.parametrize("service", ["auth", "users"])
def test_the_key_is_the_one_there_is_at_each_call(service, stub, settings, monkeypatch):
    """S2S-01: on a connection that stays."""
    keys = {}
    monkeypatch.setattr(api_keys, "presented", keys.get)
    setattr(settings, f"{service.upper()}_SERVICE_URL", stub.url)
    client = getattr(clients, f"{service}_client").__wrapped__()
    stub.always(200, USER)
    for key in ("the-old-key", "the-new-key"):
        keys[f"{service.upper()}_SERVICE_API_KEY"] = key
        client.call("GET", "/", "id")
        assert stub.received[-1]["headers"]["X-Internal-Api-Key"] == key


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_one_request_with_the_key_and_the_request_id(ask, stub, name):
    method, path, body, answer = REQUESTS[name]
    stub.always(200, answer)
    token = request_id.set("the-request-that-asks")
    try:
        found = ask(name)
    finally:
        request_id.reset(token)

    if name == "sessions":
        moment = datetime(2026, 1, 31, 12, 0, 0, 500000, UTC)
        assert found == [SESSION | dict.fromkeys(TIMES, moment)]
    else:
        assert found == answer.get("revoked", answer.get("ids", answer))
    (sent,) = stub.received
    assert (sent["method"], sent["path"]) == (method, f"/api/v1/{path}")
    assert json.loads(sent["body"] or "null") == body
    assert sent["headers"]["X-Internal-Api-Key"] == KEY
    assert sent["headers"]["X-Request-ID"] == "the-request-that-asks"
    assert sent["headers"]["Accept"] == "application/json"


TOKEN_ERRORS = (TokenExpired, TokenInvalid, TokenNotYetValid, TokenRevoked)


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("verify", 401, InvalidCredentials),
        ("end-sessions", 404, UserNotFound),
        *(("token", 401, error) for error in TOKEN_ERRORS),
        ("factors", 404, UserNotFound),
        *(("factor", 401, error) for error in (SecondFactorInvalid, TokenInvalid)),
        *((name, 401, InvalidCredentials) for name in ("factor", "passkey")),
        *((name, 429, RateLimited) for name in ("factor", "passkey", "enrol")),
        *(("enrol", *error) for error in ((400, LinkInvalid), (401, TokenInvalid))),
        *((name, 503, Overloaded) for name in CALLS),
    ],
)
def test_what_the_caller_can_act_on_is_raised(ask, stub, name, status, error):
    stub.always(status, {"code": error.default_code}, Retry_After="1")

    with pytest.raises(error) as caught:
        ask(name)
    assert type(caught.value) is error


def test_only_our_own_code_means_that_a_user_is_gone(users, stub):
    stub.always(404, {"code": "user_not_found"})
    assert users.get(ID) is None

    for problem in ({"code": "not_found"}, {"detail": "x"}, [], b"<html>", b""):
        stub.always(404, problem)
        for call in (users.get, users.end_sessions):
            with pytest.raises(DependencyUnavailable):
                call(ID)


ANY_MEMBER = {"valid": True, "id": 1, "sub": 1, "revoked": 1}
TROUBLE = [
    *((200, body) for body in (b"<html>It works!</html>", b"", b"[]", b"null")),
    *((200, body) for body in (b'"valid"', {"hello": "world"}, b"\xff\xfe")),
    *((202, ANY_MEMBER), (302, ANY_MEMBER), (302, b""), (304, b"")),
    (400, {"code": "validation_error"}),
    *((401, body) for body in ({"code": "service_auth_failed"}, {"detail": "x"})),
    *((status, b"<html>") for status in (401, 413, 429, 502)),
    *((403, {"code": "forbidden"}), (404, {"code": "not_found"})),
    *((500, {"code": code}) for code in ("internal_error", "user_not_found")),
    *((500, {"code": code}) for code in ("invalid_credentials", "token_revoked")),
    (503, {"code": "dependency_unavailable"}),
]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(("status", "body"), TROUBLE)
def test_any_other_answer_is_trouble_of_ours(ask, stub, caplog, name, status, body):
    """No status is retried, and no credential logged."""
    stub.always(status, body, Retry_After="0")
    with pytest.raises(DependencyUnavailable):
        ask(name)

    assert stub.requests == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "canary" not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(("header", "wait"), [("97", 97), ("", 1), ("soon", 1)])
def test_a_limit_on_logins_is_passed_on(users, stub, header, wait):
    stub.always(429, {"code": "rate_limited"}, **{"Retry-After": header})
    with pytest.raises(RateLimited) as refused:
        users.verify(CREDENTIALS)
    assert refused.value.wait == wait
    with pytest.raises(DependencyUnavailable):  # nothing else is limited
        users.get(ID)
