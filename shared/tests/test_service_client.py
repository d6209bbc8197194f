"""What every client has: connections, threads, timeouts and retries."""

import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.tests.waiting import wait_until
from nginx.tests.stub_service import Stub, hang_up, send_slowly
from shared import db
from shared.api.exceptions import DependencyUnavailable, Overloaded
from shared.clients import AuthClient, UsersClient
from shared.http import deadline, service_client
from shared.tests.test_clients import CALLS, CREDENTIALS, ID, KEY, USER

PROXY = Path(__file__).parents[2] / "nginx" / "includes" / "proxy.conf"


def test_no_redirect_is_followed_and_the_key_goes_nowhere(users, stub):
    """S2S-04: `requests` would send a header of ours to wherever it points."""
    with Stub() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            stub.always(status, b"", Location=elsewhere.url + "/steal")
            with pytest.raises(DependencyUnavailable):
                users.get(ID)

        assert elsewhere.received == []


def test_proxies_and_netrc_of_the_environment_are_ignored(
    users, stub, monkeypatch, tmp_path
):
    """And no cookie is kept."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("NETRC", str(netrc))
    stub.always(200, USER, Set_Cookie="session=of-somebody; Path=/")
    with Stub() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)

        assert users.get(ID) == users.get(ID) == USER
        assert proxy.received == []
    for request in stub.received:
        assert {"Authorization", "Cookie"}.isdisjoint(request["headers"])


def test_a_certificate_of_a_private_ca_is_trusted_if_it_is_set(
    stub, private_ca, settings
):
    stub.always(200, USER)
    url = f"https://localhost:{stub.server_address[1]}"

    with pytest.raises(DependencyUnavailable):
        UsersClient(url, KEY).get(ID)
    settings.REQUESTS_CA_BUNDLE = str(private_ca)
    assert UsersClient(url, KEY).get(ID) == USER
    private_ca.unlink()  # after the start
    with pytest.raises(DependencyUnavailable):
        UsersClient(url, KEY).get(ID)


def test_no_text_grows_on_its_way(users, stub):
    """Or a service would refuse as too large what another has taken from a client."""
    stub.always(200, USER)
    text = "\x7fé\u2028😀" * 1000
    users.verify({"email": text})
    (sent,) = stub.received
    assert json.loads(sent["body"]) == {"email": text}
    assert len(sent["body"]) < len(text.encode()) + 50
    assert sent["headers"]["Content-Type"] == "application/json"


@pytest.mark.parametrize("each", [float("inf"), float("nan"), "\ud800"])
def test_what_is_no_json_is_not_sent(users, stub, each):
    with pytest.raises(DependencyUnavailable):
        users.verify_passkey({"credential": each})
    assert stub.requests == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [(302, b""), (200, b"1" * 5000), (200, b"[" * 100_000)],
    ids=["no URL", "digits", "levels"],
)
def test_an_answer_that_python_cannot_read_is_trouble_of_ours(
    users, stub, status, body
):
    """Of another program at that address. `requests` has no error of its own for it."""
    stub.always(status, body, Location="http://[x")
    with pytest.raises(DependencyUnavailable):
        users.get(ID)


@pytest.mark.parametrize("each", [str(ID), "17", "17-b"])
def test_no_label_of_a_call_has_an_id(each):
    """LOG-07: not in a client of your own either. Each would be a series more."""
    path = f"/api/v1/crm2/of/{each}/notes?before={each}"
    assert service_client.operation(path) == ("crm2", "of/{id}/notes")


def test_one_connection_is_kept_per_thread(users, stub):
    """It is opened when it is needed, so that gunicorn's fork cannot share a socket
    (DATA-09)."""
    assert not hasattr(users.local, "session")
    stub.always(200, USER)
    meeting = threading.Barrier(4)

    def session(_):
        for _ in range(3):
            users.get(ID)
        meeting.wait()
        return users.session()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(map(id, pool.map(session, range(4))))) == 4
    assert len({request["client"] for request in stub.received}) == 4


def test_calls_are_bounded_below_the_threads():
    """S2S-06: one thread is left; logins cannot take what refreshes need."""
    for threads in (2, 4, 8, 16):
        client = UsersClient("http://127.0.0.1:1", KEY, threads)
        auth = AuthClient("http://127.0.0.1:1", KEY, threads)
        assert auth.calls.slots._initial_value == threads - 1
        assert client.calls.slots._initial_value == threads - 1
        assert client.logins.slots._initial_value == threads // 2


def test_no_other_call_keeps_a_push_waiting(auth, stub):
    """Or a thief who asks for much keeps a session that the owner ends."""
    stub.always(200, {"revoked": 1, "sessions": []})
    auth.calls.patience = 0.01
    while auth.calls.acquire():
        pass
    with pytest.raises(Overloaded):
        auth.sessions(ID)
    assert auth.revoke_sessions([ID], 1, "password_changed") == 1


@pytest.mark.parametrize(
    ("full", "refused"),
    [("logins", ["verify"]), ("calls", ["verify", "get", "end-sessions"])],
)
def test_a_slow_service_is_asked_by_so_many_at_once(users, stub, full, refused):
    stub.always(200, USER)
    for _ in range(10):
        assert users.verify(CREDENTIALS) == users.get(ID) == USER  # gives slots back
    bulkhead = getattr(users, full)
    bulkhead.patience = 0.01
    while bulkhead.acquire():
        pass

    for name in ("verify", "get", "end-sessions"):
        if name in refused:
            with pytest.raises(Overloaded):
                CALLS[name](users, None)
        else:
            assert CALLS[name](users, None) == USER


# --- Time and retries (S2S-04, S2S-05) ----------------------------------------------


def test_the_gateway_waits_longer_than_all_that_a_service_waits_for():
    """OPS-10: a call that is connected at the second try, the database, Redis."""
    gateway = float(re.search(r"proxy_read_timeout (\d+)s;", PROXY.read_text())[1])
    connect, read = service_client.TIMEOUT
    stores = db.POOL_TIMEOUT + db.ANSWER_TIMEOUT + 0.5

    assert 0 < connect <= 1
    assert 0 < read <= 3
    assert connect + deadline.ANSWER_TIME <= 5
    assert gateway > 2 * connect + read + stores


@pytest.mark.parametrize("name", ["get", "verify", "push"])
def test_a_service_that_does_not_answer_is_not_asked_twice(
    users, auth, stub, name, monkeypatch
):
    monkeypatch.setattr(service_client, "TIMEOUT", (0.2, 0.2))
    release = threading.Event()
    stub.answer = lambda handler: release.wait(5)

    started = time.monotonic()
    with pytest.raises(DependencyUnavailable):
        CALLS[name](users, auth)
    release.set()

    assert time.monotonic() - started < 1
    wait_until(lambda: stub.requests, 5, "the request at the stub")
    assert stub.requests == 1


@pytest.mark.parametrize(
    ("part", "pause"),
    [("headers", 0.05), ("body", 0.05), ("body", 5)],
    ids=["headers", "body", "slower-than-the-read-timeout"],
)
def test_an_answer_that_trickles_comes_to_an_end(users, stub, monkeypatch, part, pause):
    """Each byte comes in time for the read timeout, the whole never."""
    monkeypatch.setattr(service_client, "TIMEOUT", (0.2, 0.2))
    monkeypatch.setattr(deadline, "ANSWER_TIME", 0.5)
    begin = {"headers": b"X-Slow: ", "body": b"Content-Length: 1000\r\n\r\n"}[part]
    status = b"HTTP/1.1 200 OK\r\n"
    stub.answer = lambda handler: send_slowly(handler, status + begin, pause)

    started = time.monotonic()
    with pytest.raises(DependencyUnavailable):
        users.verify(CREDENTIALS)
    assert time.monotonic() - started < 2
    wait_until(lambda: stub.requests, 5, "the request at the stub")
    assert stub.requests == 1


@pytest.mark.parametrize(
    ("name", "times"), [("verify", 1), ("push", 1), ("end-sessions", 1), ("get", 2)]
)
def test_what_was_sent_may_have_been_done_and_is_not_repeated(
    users, auth, stub, name, times
):
    """A read is, on a broken connection, once."""
    stub.answer = hang_up
    with pytest.raises(DependencyUnavailable):
        CALLS[name](users, auth)
    assert stub.requests == times

    stub.always(200, USER)
    stub.answer = lambda handler: (
        hang_up(handler) if stub.requests == times + 1 else handler.usual()
    )
    assert name != "get" or users.get(ID) == USER


def test_a_name_is_looked_up_once(users, monkeypatch):
    """S2S-04: no timeout ends a look-up."""
    asked = []

    def unknown(host, *args):
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    users.url = "http://users:8000"

    with pytest.raises(DependencyUnavailable):
        users.get(ID)
    assert asked == ["users"]


def test_connecting_is_tried_twice(users, monkeypatch):
    tried = []
    connect = socket.socket.connect

    def counted(self, address):
        tried.append(address)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", counted)
    users.url = "http://127.0.0.1:1"

    with pytest.raises(DependencyUnavailable):
        users.verify(CREDENTIALS)
    assert len(tried) == 2
