"""The clients against a real server: what they send, what they make of answers."""

import json
import uuid

import pytest

from shared import clients
from shared.api.exceptions import (
    DependencyUnavailable,
    InvalidCredentials,
    Overloaded,
    RateLimited,
    TokenExpired,
    TokenInvalid,
    TokenNotYetValid,
    TokenRevoked,
    UserNotFound,
)
from shared.clients import ServiceClient, ServiceRefused
from shared.structured_logging import request_id

KEY = "a-key-of-ours"
CREDENTIALS = {"email": "ada@example.org", "password": "canary-password"}
USER = {"id": str(uuid.uuid4()), "sub": "x", "session_epoch": 3}
ID, SID = uuid.uuid4(), uuid.uuid4()


class NotesClient(ServiceClient):
    """A client of your own (docs/integration.md)."""

    def count(self, user_id):
        path = f"/api/v1/notes/of/{user_id}"
        return int(self.call("GET", path, "count")["count"])


# --- What is sent -------------------------------------------------------------------


def test_the_key_is_the_one_there_is_at_each_call(users, stub):
    """S2S-01: on a connection that stays, and from one call to the next."""
    keys = iter(["the-old-key", "the-new-key"])
    users.api_key = lambda: next(keys)
    stub.answer(200, USER)
    for _ in range(2):
        users.get(ID)

    sent = [request["headers"]["X-Internal-Api-Key"] for request in stub.requests]
    assert sent == ["the-old-key", "the-new-key"]


@pytest.mark.parametrize("service", ["auth", "users"])
def test_the_clients_of_a_process_present_what_the_file_says(
    service, settings, tmp_path
):
    client = getattr(clients, f"{service}_client")
    name = f"{service.upper()}_SERVICE_API_KEY"
    path = tmp_path / "key"
    path.write_text("n" * 43)
    settings.SECRET_FILES = {name: path}
    client.cache_clear()

    assert client().headers()["X-Internal-Api-Key"] == "n" * 43
    settings.SECRET_FILES = {}
    assert client().headers()["X-Internal-Api-Key"] == getattr(settings, name)
    client.cache_clear()


def test_verify_sends_the_credentials_the_key_and_the_request_id(users, stub):
    stub.answer(200, USER)
    token = request_id.set("the-request-that-asks")
    try:
        assert users.verify(CREDENTIALS) == USER
    finally:
        request_id.reset(token)

    (sent,) = stub.requests
    assert (sent["method"], sent["path"]) == ("POST", "/api/v1/users/verify")
    assert sent["headers"]["X-Internal-Api-Key"] == KEY
    assert sent["headers"]["X-Request-ID"] == "the-request-that-asks"
    assert sent["headers"]["Content-Type"] == "application/json"
    assert sent["headers"]["Accept"] == "application/json"
    assert json.loads(sent["body"]) == CREDENTIALS


REVOKE = {"user_id": str(ID), "epoch": 4, "reason": "password"}


@pytest.mark.parametrize(
    ("service", "call", "arguments", "answer", "path", "body"),
    [
        ("users", "get", [ID], USER, f"users/{ID}", None),
        ("users", "end_sessions", [ID], USER, f"users/{ID}/end_sessions", {}),
        (
            *("users", "end_sessions", [ID, SID], USER, f"users/{ID}/end_sessions"),
            {"keep_sid": str(SID)},
        ),
        (
            *("auth", "revoke_sessions", [ID, 4, "password"], {"revoked": 2}),
            *("auth/sessions/revoke", REVOKE),
        ),
        (
            *("auth", "revoke_sessions", [ID, 4, "password", SID, 2**40]),
            *({"revoked": 2}, "auth/sessions/revoke"),
            REVOKE | {"keep_sid": str(SID), "keep_from": 2**40},
        ),
    ],
)
def test_a_call_is_one_request(
    request, stub, service, call, arguments, answer, path, body
):
    stub.answer(200, answer)
    found = getattr(request.getfixturevalue(service), call)(*arguments)

    assert found == answer.get("revoked", answer)
    (sent,) = stub.requests
    assert sent["path"] == f"/api/v1/{path}"
    assert sent["method"] == ("GET" if body is None else "POST")
    assert body is None or json.loads(sent["body"]) == body


# --- What an answer means -----------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "call", "status", "error"),
    [
        ("users", lambda users: users.verify(CREDENTIALS), 401, InvalidCredentials),
        ("users", lambda users: users.end_sessions(ID), 404, UserNotFound),
        *(
            ("auth", lambda auth: auth.verify_token("x"), 401, error)
            for error in (TokenExpired, TokenInvalid, TokenNotYetValid, TokenRevoked)
        ),
    ],
)
def test_what_is_the_callers_fault_is_raised(
    request, stub, service, call, status, error
):
    stub.answer(status, {"code": error.default_code})

    with pytest.raises(error) as caught:
        call(request.getfixturevalue(service))
    assert type(caught.value) is error


def test_only_our_own_code_means_that_a_user_is_gone(users, stub):
    stub.answer(404, {"code": "user_not_found"})
    assert users.get(ID) is None

    for problem in ({"code": "not_found"}, {"detail": "x"}, [], b"<html>", b""):
        stub.answer(404, problem)
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
CALLS = {
    "verify": lambda users, auth: users.verify(CREDENTIALS),
    "get": lambda users, auth: users.get(ID),
    "end-sessions": lambda users, auth: users.end_sessions(ID),
    "token": lambda users, auth: auth.verify_token("x"),
    "push": lambda users, auth: auth.revoke_sessions(ID, 1, "x"),
    "sessions": lambda users, auth: auth.sessions(ID),
    "revoke-session": lambda users, auth: auth.revoke_session(ID, SID),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("status", "body"), TROUBLE)
def test_any_other_answer_is_trouble_of_ours(users, auth, stub, call, status, body):
    stub.answer(status, body)

    with pytest.raises(DependencyUnavailable):
        call(users, auth)
    assert len(stub.requests) == 1


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_service_that_is_full_says_so_through_us(users, auth, stub, call):
    stub.answer(503, {"code": "overloaded"})

    with pytest.raises(Overloaded):
        call(users, auth)


@pytest.mark.parametrize(("header", "wait"), [("97", 97), ("", 1), ("soon", 1)])
def test_a_limit_on_logins_is_passed_on(users, stub, header, wait):
    stub.answer(429, {"code": "rate_limited"}, **{"Retry-After": header})
    with pytest.raises(RateLimited) as refused:
        users.verify(CREDENTIALS)
    assert refused.value.wait == wait
    with pytest.raises(DependencyUnavailable):  # nothing else is limited
        users.get(ID)


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://", "ftp://x", "http://[::1", "http://127.0.0.1:1"]
)
def test_an_address_where_no_service_listens_is_trouble(users, url):
    users.url = url
    with pytest.raises(DependencyUnavailable):
        users.get(ID)


def test_trouble_is_logged_without_credentials(users, stub, caplog):
    stub.answer(401, {"code": "service_auth_failed"})

    with pytest.raises(DependencyUnavailable):
        users.verify(CREDENTIALS)

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "401 service_auth_failed" in record.getMessage()
    assert "canary" not in caplog.text
    assert KEY not in caplog.text


def test_five_lines_are_a_client(stub):
    notes = NotesClient(stub.url, KEY)
    stub.answer(200, {"count": 3})
    assert notes.count(ID) == 3

    (sent,) = stub.requests
    assert (sent["method"], sent["path"]) == ("GET", f"/api/v1/notes/of/{ID}")
    assert sent["headers"]["X-Internal-Api-Key"] == KEY
    stub.answer(404, {"code": "not_found"})
    with pytest.raises(ServiceRefused) as caught:
        notes.count(ID)
    assert caught.value.code == "not_found"
