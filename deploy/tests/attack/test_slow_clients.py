"""Clients that take their time: they hold nothing that others need (GW-06).

A hundred of them at once (45 from afar, where an address may have no more): some never
end their headers, some stop in a body, some do not read what they asked for.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import quantiles

import pytest

from deploy.tests.attack.target import Target

# Seconds after which the gateway ends such a connection (docs/testing.md), and some for
# a busy machine and the way there.
PATIENCE, GRACE = 10.0, 6.0
# Seconds within which 95 % of others are answered; or a few times what it took before,
# where that was long already.
QUICK, TIMES_BEFORE = 1.0, 4
# More than the buffers of both systems hold, or the gateway would be done with it.
TIMES = 8
BIG = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"


@dataclass
class Slow:
    """One client: what it has said, when it began, and when it was shown out."""

    kind: str
    connection: socket.socket
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def held(self) -> float:
        return (self.ended or time.monotonic()) - self.began

    def dribble(self) -> None:
        """One more byte of a header, then look whether anybody is there still."""
        try:
            if self.kind == "header":
                self.connection.send(b"x")
            if self.kind != "reading":
                self.look()
        except BlockingIOError:
            pass
        except OSError:
            self.ended = time.monotonic()

    def look(self) -> None:
        while chunk := self.connection.recv(65536):
            assert b"HTTP/1.1 2" not in chunk
        self.ended = time.monotonic()

    def is_over(self) -> bool:
        """Whether what is there to be read is all there ever will be."""
        self.connection.settimeout(1)
        deadline = time.monotonic() + 1
        try:
            while time.monotonic() < deadline:
                if not self.connection.recv(65536):
                    return True
        except TimeoutError:
            return False
        except OSError:  # a reset: what was under way is gone with it
            return True
        return False


@dataclass
class Siege:
    slow: list[Slow]
    before: list[float]
    latencies: list[float] = field(default_factory=list)

    def of(self, kind: str) -> list[Slow]:
        return [each for each in self.slow if each.kind == kind]


def begin(target: Target, kind: str) -> Slow:
    host = f"Host: {target.netloc}\r\n"
    said = {
        "header": f"GET /api/v1/users/me HTTP/1.1\r\n{host}X: ",
        "body": (
            f"POST /api/v1/auth/login HTTP/1.1\r\n{host}"
            "Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        ),
        "reading": f"GET {BIG} HTTP/1.1\r\n{host}\r\n" * TIMES,
    }[kind]
    connection = target.connect(receive_buffer=4096 if kind == "reading" else 0)
    connection.sendall(said.encode())
    connection.setblocking(False)
    return Slow(kind, connection)


@pytest.fixture(scope="module")
def siege(target: Target) -> Iterator[Siege]:
    """Until the last of them is gone, or should be; others come in between."""
    count = 33 if target.is_local else 15
    kinds = ("header", "body", "reading")
    before = [served(target) for _ in range(20)]
    siege = Siege([begin(target, kind) for _ in range(count) for kind in kinds], before)
    deadline = time.monotonic() + PATIENCE + GRACE
    waiting = [each for each in siege.slow if each.kind != "reading"]
    while time.monotonic() < deadline and any(s.ended is None for s in waiting):
        for each in waiting:
            if each.ended is None:
                each.dribble()
        siege.latencies += [served(target), served(target)]
        time.sleep(0.2)
    time.sleep(max(siege.slow[-1].began + PATIENCE + 3 - time.monotonic(), 0))
    yield siege
    for each in siege.slow:
        each.connection.close()


def served(target: Target) -> float:
    began = time.monotonic()
    assert target.ask("GET", "/api/v1/auth/health/live").status == 200
    return time.monotonic() - began


@pytest.mark.parametrize("kind", ["header", "body"])
def test_who_does_not_finish_a_request_is_shown_out(siege: Siege, kind: str) -> None:
    for each in siege.of(kind):
        assert each.ended is not None, f"still there after {each.held:.1f} s"
        assert each.held < PATIENCE + GRACE


def test_who_does_not_read_is_shown_out(siege: Siege) -> None:
    for each in siege.of("reading"):
        assert each.is_over(), f"still there after {each.held:.1f} s"


def test_others_are_served_quickly_meanwhile(siege: Siege) -> None:
    assert len(siege.latencies) >= 20
    before, meanwhile = (
        quantiles(seconds, n=20)[-1] for seconds in (siege.before, siege.latencies)
    )
    assert meanwhile < max(QUICK, TIMES_BEFORE * before), (before, meanwhile)
