"""The links of the chaos runs, without a stack."""

import random
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from deploy.tests.chaos.link import Link, Mode, Proxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with suppress(ConnectionError):
            while data := self.request.recv(1024):
                self.request.sendall(data)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends everything back."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


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
