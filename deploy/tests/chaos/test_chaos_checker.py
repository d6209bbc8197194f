"""The rules of the chaos runs' checker, and the links, without a stack."""

import math
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from deploy.tests.chaos.bounds import FLUSH, LIFETIME, SWEEP, Ending, refused_from
from deploy.tests.chaos.checker import Checker
from deploy.tests.chaos.expected_state import Account, Ledger, Session
from deploy.tests.chaos.link import Link, Mode
from deploy.tests.chaos.proxy import Proxy
from deploy.tests.chaos.timeline import Timeline, Trouble
from deploy.tests.chaos.wire import Answer

LATER = math.inf  # for "never, so far"
UNAVAILABLE = Answer(
    "me",
    begun=100.0,
    ended=100.1,
    status=503,
    body={"code": "dependency_unavailable"},
    headers={"content-type": "application/problem+json", "retry-after": "1"},
)


def timeline(*troubles: Trouble) -> Timeline:
    found = Timeline()
    found.troubles = list(troubles)
    return found


def trouble(begun: float, back: float, part: str, *, flushes: bool = False) -> Trouble:
    found = Trouble("test", frozenset([part]), begun, flushes)
    found.lifted = found.back = found.recovered = back
    return found


# ---- Bounds: of an ending that was acknowledged at 100 -----------------------------


@pytest.mark.parametrize(
    ("troubles", "pushed", "bound"),
    [
        pytest.param([], False, 0, id="calm"),
        pytest.param([trouble(95, 105, "users>redis")], False, 0, id="who-only-reads"),
        pytest.param([trouble(50, 60, "redis")], False, 0, id="long-over"),
        pytest.param([trouble(101, 105, "auth>redis")], False, 0, id="comes-later"),
        pytest.param(
            [trouble(95, 105, "auth>redis")], False, 5 + SWEEP + 3, id="in-force"
        ),
        pytest.param([trouble(95, 500, "redis")], False, LIFETIME, id="for-long"),
        pytest.param([trouble(95, 99.5, "redis")], False, SWEEP + 2.5, id="just-over"),
        pytest.param(
            [trouble(105, 105, "redis", flushes=True)], False, 5 + FLUSH, id="flush"
        ),
        pytest.param(
            [trouble(160, 160, "redis", flushes=True)], False, 0, id="late-flush"
        ),
        pytest.param([trouble(95, 99, "users>auth")], True, LIFETIME, id="push-lost"),
        pytest.param([trouble(95, 99, "users>auth")], False, 0, id="no-push"),
    ],
)
def test_a_bound_follows_from_the_troubles(
    troubles: list[Trouble], pushed: bool, bound: float
) -> None:
    ending = Ending("test", begun=99.9, acked=100.0, pushed=pushed)
    found = refused_from(ending, "access", timeline(*troubles), now=1000)
    assert found == pytest.approx(100 + bound)


def test_a_refresh_has_no_bound_but_at_once() -> None:
    ending = Ending("test", begun=99.9, acked=100.0, pushed=True)
    everything = timeline(trouble(90, LATER, "redis"), trouble(90, LATER, "users>auth"))
    assert refused_from(ending, "refresh", everything, now=1000) == 100.0


# ---- Rules -------------------------------------------------------------------------


@pytest.fixture
def checker() -> Checker:
    return Checker(Ledger(), Timeline())


@pytest.fixture
def session(checker: Checker) -> Session:
    """Somebody who is logged in since 10."""
    account = checker.ledger.new_account()
    account.sub = "me"
    session = Session(account, "sid", 10.0, 10.1, "cookie", "token", 2**40)
    account.sessions.append(session)
    return session


def kinds(checker: Checker) -> list[str]:
    return [each.kind for each in checker.violations]


def said(status: int, code: str = "", at: float = 100.0, kind: str = "me") -> Answer:
    return Answer(kind, at, at + 0.1, status, {"code": code})


def test_a_session_that_nobody_ended_must_not_be_refused(checker, session) -> None:
    checker.token(session, said(401, "token_revoked"), session.expires)
    assert kinds(checker) == ["session lost"]


def test_what_may_have_ended_may_be_refused_and_may_not(checker, session) -> None:
    session.endings.append(Ending("log out", begun=99.0, over=130.0))
    checker.token(session, said(200), session.expires)
    checker.token(session, said(401, "token_revoked"), session.expires)
    assert kinds(checker) == []


def test_what_was_found_over_must_not_come_back(checker, session) -> None:
    session.endings.append(Ending("log out", begun=99.0, over=130.0))
    checker.token(session, said(401, "token_revoked"), session.expires)
    checker.token(session, said(200, at=101.0), session.expires)
    assert kinds(checker) == ["revoked token accepted"]


def test_503_is_no_loss(checker, session) -> None:
    checker.token(session, said(503, "dependency_unavailable"), session.expires)
    assert kinds(checker) == []


def test_a_retry_within_the_leeway_must_not_be_taken_for_a_thiefs(
    checker, session
) -> None:
    session.presented["cookie"] = 95.0
    checker.refresh(session, said(401, "refresh_token_reused"), "cookie")
    assert kinds(checker) == ["session lost"]


def test_a_retry_after_it_may_be(checker, session) -> None:
    session.presented["cookie"] = 85.0
    checker.refresh(session, said(401, "refresh_token_reused"), "cookie")
    assert kinds(checker) == []
    assert checker.late_retries == 1


def test_the_session_that_a_change_of_password_spares_goes_on(checker, session) -> None:
    spared = Ending("change", 98.0, acked=99.0, pushed=True, spared="sid")
    session.account.endings.append(spared)
    checker.token(session, said(200), session.expires)
    assert kinds(checker) == []
    checker.token(session, said(401, "token_revoked"), session.expires)
    assert kinds(checker) == ["session lost"]


def test_a_session_begun_after_a_log_out_everywhere_is_not_of_those(
    checker, session
) -> None:
    session.account.endings.append(Ending("log out all", 5.0, acked=9.0))
    checker.token(session, said(401, "token_revoked"), session.expires)
    assert kinds(checker) == ["session lost"]


@pytest.mark.parametrize(
    "change",
    [
        {"status": 502},
        {"status": 500},
        {"headers": {"content-type": "application/problem+json"}},
        {"headers": {**UNAVAILABLE.headers, "retry-after": "0"}},
        {"headers": {**UNAVAILABLE.headers, "content-type": "text/html"}},
        {"body": {"code": "internal_error"}},
    ],
    ids=["502", "500", "no-retry-after", "at-once", "html", "unknown-code"],
)
def test_any_5xx_but_the_documented_one_is_found(checker, session, change) -> None:
    checker.form(session.account, "sid", UNAVAILABLE, "front")
    assert kinds(checker) == []
    checker.form(session.account, "sid", replace(UNAVAILABLE, **change), "front")
    assert kinds(checker) == ["undocumented error"]


def test_a_connection_breaks_only_where_something_is_broken(checker, session) -> None:
    lost = Answer("me", 100.0, 100.1, 0, lost="ConnectionError")
    checker.timeline.troubles.append(trouble(95, 105, "gateway"))
    checker.form(session.account, "sid", lost, "front")
    assert kinds(checker) == []
    checker.form(session.account, "sid", replace(lost, begun=200, ended=201), "front")
    assert kinds(checker) == ["no answer"]


def test_an_answer_ends_in_its_middle_only_where_a_service_was_killed(
    checker, session
) -> None:
    cut = Answer("me", 100.0, 100.1, 0, lost="ChunkedEncodingError")
    checker.timeline.troubles.append(trouble(95, 105, "users"))
    checker.form(session.account, "sid", cut, "front")
    assert kinds(checker) == []
    checker.form(session.account, "sid", replace(cut, lost="ConnectionError"), "front")
    assert kinds(checker) == ["no answer"]


def test_nobody_is_given_what_is_somebody_elses(checker, session) -> None:
    checker.same_person(session.account, "sid", said(200), "me")
    assert kinds(checker) == []
    checker.same_person(session.account, "sid", said(200), "you")
    assert kinds(checker) == ["somebody else's"]


@pytest.mark.parametrize(
    ("password", "closed", "status", "found"),
    [
        ("right", LATER, 200, []),
        ("right", LATER, 503, []),
        ("right", LATER, 401, ["log-in refused"]),
        ("wrong", LATER, 401, []),
        ("wrong", LATER, 200, ["wrong password"]),
        ("right", 50.0, 401, []),
        ("right", 50.0, 200, ["inactive user"]),
    ],
)
def test_who_may_log_in_may_and_nobody_else(
    checker, password: str, closed: float, status: int, found: list[str]
) -> None:
    account = Account("ada", passwords=["right"], closing=closed, closed=closed)
    checker.log_in(account, said(status), password)
    assert kinds(checker) == found


def test_a_slow_recovery_is_found(checker) -> None:
    slow = trouble(10, 20, "redis")
    slow.recovered = 29.9
    checker.recovered(slow)
    assert kinds(checker) == []
    slow.recovered = 30.1
    checker.recovered(slow)
    assert kinds(checker) == ["slow recovery"]


def test_a_violation_tells_the_story_of_its_session(checker, session) -> None:
    checker.evidence = lambda sid: f"the row of {sid}"
    checker.timeline.troubles.append(trouble(50, 60, "redis"))
    checker.form(session.account, "sid", said(200, at=20.0, kind="log in"), "front")
    checker.form(session.account, "other", said(200, at=30.0, kind="renew"), "front")
    checker.token(session, said(401, "token_revoked"), session.expires)
    told = str(checker.violations[0])
    assert "log in" in told
    assert "test begins" in told
    assert "the row of sid" in told
    assert "renew" not in told


# ---- Links -------------------------------------------------------------------------


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything once more, and counts it."""
    server = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            while data := connection.recv(1024):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=[connection]))
            threads[-1].start()

    thread = threading.Thread(target=accept)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for each in [thread, *threads]:
        each.join()


@pytest.fixture
def link(echo: int, tmp_path) -> Link:
    return Link(tmp_path / "sock", echo, random.Random(1))


def through(link: Link) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(2)
    connection.connect(str(link.listens))
    return connection


def heard(connection: socket.socket) -> bytes:
    """What comes back for eight bytes until the link breaks, or all eight."""
    found = b""
    try:
        connection.sendall(b"question")
        while len(found) < 8 and (data := connection.recv(1024)):
            found += data
    except ConnectionError:
        pass
    return found


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        pytest.param(Mode(), b"question", id="as-it-is"),
        pytest.param(Mode(lost=1.0), b"", id="lost"),
        pytest.param(Mode(cut=1.0), b"ques", id="cut"),
        pytest.param(Mode(reset=True), b"", id="reset"),
    ],
)
def test_a_link_does_what_its_mode_says_and_then_recovers(
    link: Link, mode: Mode, answer: bytes
) -> None:
    with Proxy([link]) as proxy:
        with through(link) as open_before:
            assert heard(open_before) == b"question"
            proxy.set(link, mode)
            assert heard(open_before) == answer
        with through(link) as opened_now:
            assert heard(opened_now) == answer
        proxy.set(link, Mode())
        with through(link) as afterwards:
            assert heard(afterwards) == b"question"


def test_a_slow_link_takes_its_time_each_way(link: Link) -> None:
    with Proxy([link]) as proxy, through(link) as connection:
        proxy.set(link, Mode(delay=0.1))
        begun = time.monotonic()
        assert heard(connection) == b"question"
        assert time.monotonic() - begun >= 0.2


def test_a_silent_link_says_nothing_and_keeps_what_was_said(link: Link) -> None:
    with Proxy([link]) as proxy, through(link) as connection:
        proxy.set(link, Mode(silent=True))
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            heard(connection)
        proxy.set(link, Mode())
        connection.settimeout(2)
        assert connection.recv(1024) == b"question"
