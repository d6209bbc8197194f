"""What every client has: connections, threads, timeouts and retries."""

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared import clients, db
from shared.api.exceptions import DependencyUnavailable, Overloaded
from shared.clients import UsersClient
from shared.middleware import REQUEST_ID
from shared.tests.stub_servers import StubService, running
from shared.tests.test_clients import CALLS, CREDENTIALS, ID, KEY, USER

# --- Redirects, cookies, proxies ----------------------------------------------------


def test_no_redirect_is_followed_and_the_key_goes_nowhere(users, stub):
    """S2S-04: `requests` would send a header of ours to wherever it points."""
    with running(StubService()) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            stub.answer(status, b"", Location=elsewhere.url + "/steal")
            with pytest.raises(DependencyUnavailable):
                users.get(ID)

        assert elsewhere.requests == []


def test_no_cookie_is_kept(users, stub):
    stub.answer(200, USER, Set_Cookie="session=of-somebody; Path=/")
    for _ in range(2):
        users.get(ID)

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
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)

        assert users.get(ID) == USER
        assert proxy.requests == []
    assert "Authorization" not in stub.requests[0]["headers"]


# --- Threads and connections --------------------------------------------------------


def test_one_connection_is_kept_per_thread(users, stub):
    """It is opened when it is needed, so that gunicorn's fork cannot share a socket
    (DATA-09)."""
    assert not hasattr(users.local, "session")
    stub.answer(200, USER)
    for _ in range(3):
        users.get(ID)

    assert len({request["client"] for request in stub.requests}) == 1


def test_threads_share_no_session(users):
    meeting = threading.Barrier(4)

    def session(_):
        mine = users.session()
        assert users.session() is mine
        meeting.wait()
        return mine

    with ThreadPoolExecutor(4) as pool:
        found = set(map(id, pool.map(session, range(4))))

    assert len(found) == 4


def test_calls_to_users_are_bounded_below_the_threads():
    """S2S-06: one thread is left; logins cannot take what refreshes need."""
    for threads in (2, 4, 8, 16):
        client = UsersClient("http://127.0.0.1:1", KEY, threads)
        assert client.calls.slots._initial_value == threads - 1
        assert client.logins.slots._initial_value == threads // 2


@pytest.mark.parametrize("kind", ["logins", "look-ups"])
def test_a_slow_service_is_asked_by_so_many_at_once(users, stub, kind):
    release = threading.Event()
    stub.answer(200, USER)
    stub.before = lambda handler: handler.command == held and release.wait(2.5)
    users.logins.patience = users.calls.patience = 0.01
    acts = {"POST": lambda: users.verify(CREDENTIALS), "GET": lambda: users.get(ID)}
    held, slots, other = ("POST", 4, "GET") if kind == "logins" else ("GET", 7, "POST")

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(acts[held]) for _ in range(slots)]
        end = time.monotonic() + 2
        while len(stub.requests) < slots and time.monotonic() < end:
            time.sleep(0.005)
        with pytest.raises(Overloaded):
            acts[held]()
        if kind == "logins":
            assert acts[other]() == USER
        else:
            with pytest.raises(Overloaded):
                acts[other]()
        release.set()
        assert [call.result() for call in waiting] == [USER] * slots

    assert [act() for act in acts.values()] == [USER, USER]


# --- Time and retries (S2S-04, S2S-05) ----------------------------------------------


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


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_service_that_does_not_answer_is_not_asked_twice(
    users, auth, stub, call, monkeypatch
):
    monkeypatch.setattr(clients, "TIMEOUT", (0.2, 0.2))
    release = threading.Event()
    stub.before = lambda handler: release.wait(5)

    started = time.monotonic()
    with pytest.raises(DependencyUnavailable):
        call(users, auth)
    release.set()

    assert time.monotonic() - started < 1
    assert len(stub.requests) == 1


def test_a_read_on_a_broken_connection_is_tried_once_more(users, stub):
    stub.answer(200, USER)
    stub.before = lambda handler: len(stub.requests) == 1 and hang_up(handler)

    assert users.get(ID) == USER
    assert len(stub.requests) == 2

    stub.requests.clear()
    stub.before = hang_up
    with pytest.raises(DependencyUnavailable):
        users.get(ID)
    assert len(stub.requests) == 2


@pytest.mark.parametrize("call", ["verify", "push", "end-sessions"])
def test_what_was_sent_may_have_been_done_and_is_not_repeated(users, auth, stub, call):
    stub.before = hang_up

    with pytest.raises(DependencyUnavailable):
        CALLS[call](users, auth)
    assert len(stub.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_no_status_is_retried(users, stub, status):
    stub.answer(status, {}, Retry_After="0")

    with pytest.raises(DependencyUnavailable):
        users.get(ID)
    assert len(stub.requests) == 1


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


def test_the_request_id_is_one_the_other_service_takes(users, stub):
    """S2S-08: outside of a request there is none, and an empty header is harmless."""
    stub.answer(200, USER)
    users.get(ID)
    sent = stub.requests[0]["headers"].get("X-Request-ID", "")

    assert sent == "" or REQUEST_ID.fullmatch(sent)
