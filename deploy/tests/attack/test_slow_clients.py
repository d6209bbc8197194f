"""Slow clients hold nothing that others need (GW-06).

A hundred of them at once (45 from elsewhere, where an address may have no more): some
never end their headers, some stop in a body, some do not read what they asked for.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import quantiles

import pytest

from deploy.tests.attack.target import Target

KINDS = ("header", "body", "reading")
# Seconds after which the gateway ends such a connection (docs/testing.md), and some for
# a busy machine and the way there.
PATIENCE, GRACE = 10.0, 6.0
# Seconds within which 95 % of others are served; or a few times what it took before,
# where that was long already.
QUICK, TIMES_BEFORE = 1.0, 4
# More than the buffers of both systems hold, or the gateway would be done with it.
TIMES = 8
BIG = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"


@dataclass
class SlowClient:
    kind: str
    connection: socket.socket
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def held(self) -> float:
        return (self.ended or time.monotonic()) - self.began

    def dribble(self) -> None:
        """One more byte of a header, then look whether the connection has ended."""
        if self.ended:
            return
        try:
            if self.kind == "header":
                self.connection.send(b"x")
            while chunk := self.connection.recv(65536):
                assert b"HTTP/1.1 2" not in chunk
        except BlockingIOError:
            return
        except OSError:
            pass
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
        except OSError:  # a reset: what was under way is lost with it
            return True
        return False


@dataclass
class Siege:
    slow: list[SlowClient]
    before: list[float]
    latencies: list[float] = field(default_factory=list)


def begin(target: Target, kind: str) -> SlowClient:
    host = f"Host: {target.netloc}\r\n"
    data = {
        "header": f"GET /api/v1/users/me HTTP/1.1\r\n{host}X: ",
        "body": (
            f"POST /api/v1/auth/login HTTP/1.1\r\n{host}"
            "Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        ),
        "reading": f"GET {BIG} HTTP/1.1\r\n{host}\r\n" * TIMES,
    }[kind]
    connection = target.connect(receive_buffer=4096 if kind == "reading" else 0)
    connection.sendall(data.encode())
    connection.setblocking(False)
    return SlowClient(kind, connection)


@pytest.fixture(scope="module")
def siege(target: Target) -> Iterator[Siege]:
    """Until the last of them has ended, or should have; others come in between."""
    count = 33 if target.is_local else 15
    before = [served(target) for _ in range(20)]
    siege = Siege([begin(target, kind) for _ in range(count) for kind in KINDS], before)
    waiting = [each for each in siege.slow if each.kind != "reading"]
    deadline = time.monotonic() + PATIENCE + GRACE
    while time.monotonic() < deadline and any(s.ended is None for s in waiting):
        for each in waiting:
            each.dribble()
        siege.latencies += [served(target), served(target)]
        time.sleep(0.2)
    time.sleep(max(siege.slow[-1].began + PATIENCE + 3 - time.monotonic(), 0))
    yield siege
    for each in siege.slow:
        with suppress(OSError):
            each.connection.close()


def served(target: Target) -> float:
    began = time.monotonic()
    assert target.ask("GET", "/api/v1/auth/health/live").ok
    return time.monotonic() - began


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_client_is_disconnected(siege: Siege, kind: str) -> None:
    for each in (each for each in siege.slow if each.kind == kind):
        over = each.is_over() if kind == "reading" else each.ended is not None
        assert over, f"still there after {each.held:.1f} s"
        assert kind == "reading" or each.held < PATIENCE + GRACE


def test_others_are_served_quickly_meanwhile(siege: Siege) -> None:
    assert len(siege.latencies) >= 20
    before, meanwhile = (
        quantiles(seconds, n=20)[-1] for seconds in (siege.before, siege.latencies)
    )
    assert meanwhile < max(QUICK, TIMES_BEFORE * before), (before, meanwhile)
