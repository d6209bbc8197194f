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
from shared.clients import AuthClient, ServiceClient, ServiceRefused, UsersClient
from shared.structured_logging import request_id

KEY = "a-key-of-ours"
CREDENTIALS = {"email": "ada@example.org", "password": "canary-password"}
USER = {"id": str(uuid.uuid4()), "sub": "x", "session_epoch": 3}


class NotesClient(ServiceClient):
    def count(self, user_id):
        path = f"/api/v1/notes/of/{user_id}"
        return int(self.call("GET", path, "count")["count"])


@pytest.fixture
def users(stub):
    return UsersClient(stub.url, KEY)


@pytest.fixture
def auth(stub):
    return AuthClient(stub.url + "/", KEY)


# --- What is sent -------------------------------------------------------------------


def test_the_key_is_the_one_there_is_at_each_call(stub):
    """S2S-01: on a connection that stays, and from one call to the next."""
    keys = iter(["the-old-key", "the-new-key"])
    client = UsersClient(stub.url, lambda: next(keys))
    stub.answer(200, USER)
    for _ in range(2):
        client.get(uuid.uuid4())

    sent = [request["headers"]["X-Internal-Api-Key"] for request in stub.requests]
    assert sent == ["the-old-key", "the-new-key"]


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (clients.auth_client, "AUTH_SERVICE_API_KEY"),
        (clients.users_client, "USERS_SERVICE_API_KEY"),
    ],
)
def test_the_clients_of_a_process_present_what_the_file_says(
    client, name, settings, tmp_path
):
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
    assert "canary-password" in sent["body"].decode()


def test_get_asks_for_the_user_by_id(users, stub):
    stub.answer(200, USER)
    user_id = uuid.uuid4()

    assert users.get(user_id) == USER
    assert stub.requests[0]["path"] == f"/api/v1/users/{user_id}"
    assert stub.requests[0]["method"] == "GET"


@pytest.mark.parametrize("keep", [None, uuid.uuid4()], ids=["all", "but-one"])
def test_a_push_names_the_epoch_and_what_to_keep(auth, stub, keep):
    stub.answer(200, {"revoked": 2})
    user_id = uuid.uuid4()

    kept = (keep, 2**40) if keep else ()
    assert auth.revoke_sessions(user_id, 4, "password", *kept) == 2
    wanted = {"user_id": str(user_id), "epoch": 4, "reason": "password"}
    wanted |= {"keep_sid": str(keep), "keep_from": 2**40} if keep else {}
    assert json.loads(stub.requests[0]["body"]) == wanted
    assert stub.requests[0]["path"] == "/api/v1/auth/sessions/revoke"


@pytest.mark.parametrize("keep", [None, uuid.uuid4()], ids=["all", "but-one"])
def test_the_end_of_all_sessions_is_asked_for_by_user(users, stub, keep):
    answer = {"session_epoch": 5, "kept_from": 4 if keep else None}
    stub.answer(200, answer)
    user_id = uuid.uuid4()

    assert users.end_sessions(user_id, keep) == answer
    (sent,) = stub.requests
    assert sent["method"] == "POST"
    assert sent["path"] == f"/api/v1/users/{user_id}/end_sessions"
    assert json.loads(sent["body"]) == ({"keep_sid": str(keep)} if keep else {})


# --- What an answer means -----------------------------------------------------------


def test_wrong_credentials_are_the_users_fault(users, stub):
    stub.answer(401, {"code": "invalid_credentials"})

    with pytest.raises(InvalidCredentials):
        users.verify(CREDENTIALS)


def test_only_our_own_code_means_that_a_user_is_gone(users, stub):
    stub.answer(404, {"code": "user_not_found"})
    assert users.get(uuid.uuid4()) is None
    with pytest.raises(UserNotFound):
        users.end_sessions(uuid.uuid4())

    for problem in ({"code": "not_found"}, {"detail": "x"}, [], b"<html>", b""):
        stub.answer(404, problem)
        for call in (users.get, users.end_sessions):
            with pytest.raises(DependencyUnavailable):
                call(uuid.uuid4())


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("token_expired", TokenExpired),
        ("token_invalid", TokenInvalid),
        ("token_not_yet_valid", TokenNotYetValid),
        ("token_revoked", TokenRevoked),
    ],
)
def test_what_is_wrong_with_a_token_is_raised(auth, stub, code, error):
    stub.answer(401, {"code": code})

    with pytest.raises(error) as caught:
        auth.verify_token("x")
    assert type(caught.value) is error


TROUBLE = [
    pytest.param(200, b"<html>It works!</html>", id="200-html"),
    pytest.param(200, b"", id="200-empty"),
    pytest.param(200, b"[]", id="200-list"),
    pytest.param(200, b"null", id="200-null"),
    pytest.param(200, b'"valid"', id="200-string"),
    pytest.param(200, {"hello": "world"}, id="200-of-something-else"),
    pytest.param(202, {"valid": True, "id": 1, "sub": 1, "revoked": 1}, id="202"),
    pytest.param(200, b"\xff\xfe", id="200-binary"),
    pytest.param(302, {"valid": True, "id": 1, "sub": 1, "revoked": 1}, id="302-json"),
    pytest.param(302, b"", id="302"),
    pytest.param(304, b"", id="304"),
    pytest.param(400, {"code": "validation_error"}, id="400"),
    pytest.param(401, {"code": "service_auth_failed"}, id="401-our-key"),
    pytest.param(401, {"detail": "x"}, id="401-no-code"),
    pytest.param(401, b"<html>", id="401-html"),
    pytest.param(403, {"code": "forbidden"}, id="403"),
    pytest.param(404, {"code": "not_found"}, id="404"),
    pytest.param(413, b"<html>", id="413-html"),
    pytest.param(429, b"<html>", id="429-html"),
    pytest.param(500, {"code": "internal_error"}, id="500"),
    pytest.param(500, {"code": "user_not_found"}, id="500-user_not_found"),
    pytest.param(500, {"code": "invalid_credentials"}, id="500-credentials"),
    pytest.param(500, {"code": "token_revoked"}, id="500-token"),
    pytest.param(502, b"<html>Bad Gateway</html>", id="502-html"),
    pytest.param(503, {"code": "dependency_unavailable"}, id="503"),
]
CALLS = [
    pytest.param(lambda url: UsersClient(url, KEY).verify(CREDENTIALS), id="verify"),
    pytest.param(lambda url: UsersClient(url, KEY).get(uuid.uuid4()), id="get"),
    pytest.param(
        lambda url: UsersClient(url, KEY).end_sessions(uuid.uuid4()), id="end-sessions"
    ),
    pytest.param(lambda url: AuthClient(url, KEY).verify_token("x"), id="token"),
    pytest.param(
        lambda url: AuthClient(url, KEY).revoke_sessions(uuid.uuid4(), 1, "x"),
        id="push",
    ),
    pytest.param(
        lambda url: AuthClient(url, KEY).sessions(uuid.uuid4()), id="sessions"
    ),
    pytest.param(
        lambda url: AuthClient(url, KEY).revoke_session(uuid.uuid4(), uuid.uuid4()),
        id="revoke-session",
    ),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "body"), TROUBLE)
def test_any_other_answer_is_trouble_of_ours(stub, call, status, body):
    stub.answer(status, body)

    with pytest.raises(DependencyUnavailable):
        call(stub.url)
    assert len(stub.requests) == 1


@pytest.mark.parametrize("call", CALLS)
def test_a_service_that_is_full_says_so_through_us(stub, call):
    stub.answer(503, {"code": "overloaded"})

    with pytest.raises(Overloaded):
        call(stub.url)


@pytest.mark.parametrize(("header", "wait"), [("97", 97), ("", 1), ("soon", 1)])
def test_a_limit_on_logins_is_passed_on(users, stub, header, wait):
    stub.answer(429, {"code": "rate_limited"}, **{"Retry-After": header})
    with pytest.raises(RateLimited) as refused:
        users.verify(CREDENTIALS)
    assert refused.value.wait == wait
    with pytest.raises(DependencyUnavailable):  # nothing else is limited
        users.get(uuid.uuid4())


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://", "ftp://x", "http://[::1", "http://127.0.0.1:1"]
)
def test_an_address_where_no_service_listens_is_trouble(url):
    with pytest.raises(DependencyUnavailable):
        UsersClient(url, KEY).get(uuid.uuid4())


def test_trouble_is_logged_without_credentials(users, stub, caplog):
    stub.answer(401, {"code": "service_auth_failed"})

    with pytest.raises(DependencyUnavailable):
        users.verify(CREDENTIALS)

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "401 service_auth_failed" in record.getMessage()
    assert "canary" not in caplog.text
    assert KEY not in caplog.text


# --- A client of your own (docs/integration.md) ---------------------------------------


@pytest.fixture
def notes(stub):
    return NotesClient(stub.url, KEY)


def test_five_lines_are_a_client(notes, stub):
    stub.answer(200, {"count": 3})
    user_id = uuid.uuid4()

    assert notes.count(user_id) == 3

    (sent,) = stub.requests
    assert (sent["method"], sent["path"]) == ("GET", f"/api/v1/notes/of/{user_id}")
    assert sent["headers"]["X-Internal-Api-Key"] == KEY


def test_a_refusal_has_its_code(notes, stub):
    stub.answer(404, {"code": "not_found"})

    with pytest.raises(ServiceRefused) as caught:
        notes.count(uuid.uuid4())
    assert caught.value.code == "not_found"
