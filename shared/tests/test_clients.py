"""The clients against a real server: what they send, what they make of answers."""

import json
import re
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from requests import Session

from shared import clients, db, deadline
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
from shared.clients import AuthClient, UsersClient
from shared.structured_logging import request_id
from shared.tests.stubs import StubService, running

KEY = "a-key-of-ours"
CREDENTIALS = {"email": "ada@example.org", "password": "canary-password"}
USER = {"id": str(uuid.uuid4()), "sub": "x", "session_epoch": 3}


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

    for problem in ({"code": "not_found"}, {"detail": "x"}, [], b"<html>", b""):
        stub.answer(404, problem)
        with pytest.raises(DependencyUnavailable):
            users.get(uuid.uuid4())


def test_only_our_own_code_means_that_there_is_nobody_to_log_out(users, stub):
    stub.answer(404, {"code": "user_not_found"})
    with pytest.raises(UserNotFound):
        users.end_sessions(uuid.uuid4())

    for problem in ({"code": "not_found"}, {"detail": "x"}, [], b"<html>", b""):
        stub.answer(404, problem)
        with pytest.raises(DependencyUnavailable):
            users.end_sessions(uuid.uuid4())


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


@pytest.mark.parametrize("call", CALLS)
def test_nobody_listening_is_trouble(call):
    with pytest.raises(DependencyUnavailable):
        call("http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["", "localhost", "http://", "ftp://x", "http://[::1"])
def test_an_address_that_is_none_is_trouble(url):
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


# --- Redirects, cookies, proxies ----------------------------------------------------


def test_no_redirect_is_followed_and_the_key_goes_nowhere(users, stub):
    """S2S-04: `requests` would send a header of ours to wherever it points."""
    with running(StubService()) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            stub.answer(status, b"", Location=elsewhere.url + "/steal")
            with pytest.raises(DependencyUnavailable):
                users.get(uuid.uuid4())

        assert elsewhere.requests == []


def test_no_cookie_is_kept(users, stub):
    stub.answer(200, USER, Set_Cookie="session=of-somebody; Path=/")

    users.get(uuid.uuid4())
    users.get(uuid.uuid4())

    assert "Cookie" not in stub.requests[1]["headers"]


def test_proxies_and_netrc_of_the_environment_are_ignored(
    users, stub, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("NETRC", str(netrc))
    stub.answer(200, USER)
    with running(StubService()) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)

        assert users.get(uuid.uuid4()) == USER
        assert proxy.requests == []
    assert "Authorization" not in stub.requests[0]["headers"]


# --- Threads and connections --------------------------------------------------------


def test_one_connection_is_kept_per_thread(users, stub):
    stub.answer(200, USER)
    for _ in range(3):
        users.get(uuid.uuid4())

    assert len({request["client"] for request in stub.requests}) == 1


def test_threads_share_no_session(users):
    meeting = threading.Barrier(4)

    def session(_: int) -> Session:
        mine = users.session()
        assert users.session() is mine
        meeting.wait()
        return mine

    with ThreadPoolExecutor(4) as pool:
        found = set(map(id, pool.map(session, range(4))))

    assert len(found) == 4


def test_nothing_is_opened_before_it_is_needed(stub):
    """So that gunicorn's fork cannot share a socket (DATA-09)."""
    client = UsersClient(stub.url, KEY)

    assert not hasattr(client.local, "session")


def test_calls_to_users_are_bounded_below_the_threads():
    """S2S-06: one thread is left; log-ins cannot take what refreshes need."""
    for threads in (2, 4, 8, 16):
        client = UsersClient("http://127.0.0.1:1", KEY, threads)
        assert client.calls.slots._initial_value == threads - 1
        assert client.log_ins.slots._initial_value == threads // 2


@pytest.mark.parametrize("kind", ["log-ins", "look-ups"])
def test_a_slow_service_is_asked_by_so_many_at_once(users, stub, kind):
    release = threading.Event()
    stub.answer(200, USER)
    stub.before = lambda handler: handler.command == held and release.wait(2.5)
    users.log_ins.patience = users.calls.patience = 0.01
    verify, get = partial(users.verify, CREDENTIALS), partial(users.get, uuid.uuid4())
    slow, slots, held = (verify, 4, "POST") if kind == "log-ins" else (get, 7, "GET")

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(slow) for _ in range(slots)]
        end = time.monotonic() + 2
        while len(stub.requests) < slots and time.monotonic() < end:
            time.sleep(0.005)
        with pytest.raises(Overloaded):
            slow()
        if kind == "log-ins":
            assert get() == USER
        else:
            with pytest.raises(Overloaded):
                verify()
        release.set()
        assert [call.result() for call in waiting] == [USER] * slots

    assert (verify(), get()) == (USER, USER)


# --- Time and retries (S2S-04, S2S-05) ----------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(clients, "TIMEOUT", (0.2, 0.2))


def hang_up(handler):
    """Close the connection without an answer."""
    handler.close_connection = True


def test_the_timeouts_are_short():
    connect, read = clients.TIMEOUT

    assert 0 < connect <= 1
    assert 0 < read <= 3


def test_the_gateway_waits_longer_than_all_that_a_service_waits_for():
    """OPS-10: a call that is connected at the second try, the database, Redis."""
    proxy = Path(__file__).parents[2] / "nginx" / "includes" / "proxy.conf"
    gateway = float(re.search(r"proxy_read_timeout (\d+)s;", proxy.read_text())[1])
    connect, read = clients.TIMEOUT
    stores = db.POOL_TIMEOUT + db.ANSWER_TIMEOUT + 0.5

    assert gateway > 2 * connect + read + stores


@pytest.mark.parametrize("call", CALLS)
def test_a_service_that_does_not_answer_is_not_asked_twice(stub, call, impatient):
    release = threading.Event()
    stub.before = lambda handler: release.wait(5)

    started = time.monotonic()
    with pytest.raises(DependencyUnavailable):
        call(stub.url)
    release.set()

    assert time.monotonic() - started < 1
    assert len(stub.requests) == 1


def test_a_read_on_a_broken_connection_is_tried_once_more(users, stub):
    stub.answer(200, USER)
    stub.before = lambda handler: len(stub.requests) == 1 and hang_up(handler)

    assert users.get(uuid.uuid4()) == USER
    assert len(stub.requests) == 2


def test_but_only_once(users, stub):
    stub.before = hang_up

    with pytest.raises(DependencyUnavailable):
        users.get(uuid.uuid4())
    assert len(stub.requests) == 2


def test_what_was_sent_may_have_been_done_and_is_not_repeated(users, auth, stub):
    stub.before = hang_up

    for post in (
        lambda: users.verify(CREDENTIALS),
        lambda: auth.revoke_sessions(uuid.uuid4(), 1, "x"),
        lambda: users.end_sessions(uuid.uuid4()),
    ):
        stub.requests.clear()
        with pytest.raises(DependencyUnavailable):
            post()
        assert len(stub.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_no_status_is_retried(users, stub, status):
    stub.answer(status, {}, Retry_After="0")

    with pytest.raises(DependencyUnavailable):
        users.get(uuid.uuid4())
    assert len(stub.requests) == 1


def test_connecting_is_tried_twice(monkeypatch):
    tried = []
    connect = socket.socket.connect

    def counted(self, address):
        tried.append(address)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", counted)

    with pytest.raises(DependencyUnavailable):
        UsersClient("http://127.0.0.1:1", KEY).verify(CREDENTIALS)
    assert len(tried) == 2


def test_a_slow_trickle_is_cut_off(users, stub, impatient):
    def trickle(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        handler.wfile.flush()
        time.sleep(0.5)
        handler.close_connection = True

    stub.before = trickle

    with pytest.raises(DependencyUnavailable):
        users.verify(CREDENTIALS)


@pytest.mark.parametrize("part", ["headers", "body"])
def test_an_answer_that_trickles_comes_to_an_end(users, stub, monkeypatch, part):
    """S2S-04: each byte comes in time for the read timeout, the whole never."""
    monkeypatch.setattr(deadline, "ANSWER_TIME", 0.5)
    began = {"headers": b"X-Slow: ", "body": b"Content-Length: 1000\r\n\r\n"}

    def trickle(handler):
        hang_up(handler)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + began[part])
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    stub.before = trickle

    started = time.monotonic()
    with pytest.raises(DependencyUnavailable):
        users.verify(CREDENTIALS)
    assert time.monotonic() - started < 2
    assert len(stub.requests) == 1


def test_a_whole_call_takes_five_seconds_at_most():
    connect, _ = clients.TIMEOUT

    assert connect + deadline.ANSWER_TIME <= 5


def test_the_request_id_is_one_the_other_service_takes(users, stub):
    """S2S-08: outside of a request there is none, and an empty header is harmless."""
    from shared.middleware import REQUEST_ID

    stub.answer(200, USER)
    users.get(uuid.uuid4())
    sent = stub.requests[0]["headers"].get("X-Request-ID", "")

    assert sent == "" or re.fullmatch(REQUEST_ID, sent)
