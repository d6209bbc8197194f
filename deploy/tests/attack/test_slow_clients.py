"""Slow clients hold nothing that others need (GW-06).

A hundred of them at once (45 from elsewhere, where an address may have no more): some
never end their headers, some stop in a body, some do not read what they asked for.
"""

import resource
import socket
import time
from contextlib import suppress
from statistics import quantiles

import pytest

from deploy.tests.attack.target import Target

KINDS = ("header", "body", "reading")
# Seconds after which the gateway ends such a connection, and some for a busy machine.
PATIENCE, GRACE = 10.0, 6.0
# Seconds within which 95 % of others are served; or a few times what it took before,
# where that was long already.
QUICK, TIMES_BEFORE = 1.0, 4
# More than the buffers of both systems hold, or the gateway would be done with it.
TIMES = 8
BIG = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"


def begin(target: Target, kind: str) -> socket.socket:
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
    return connection


def served(target: Target) -> float:
    began = time.monotonic()
    assert target.ask("GET", "/api/v1/auth/health/live").ok
    return time.monotonic() - began


def test_a_slow_client_is_disconnected_and_others_are_served_quickly(target):
    """Others are asked in between, until the last of them should have ended."""
    count = 33 if target.is_local else 15
    before = [served(target) for _ in range(20)]
    slow = {kind: [begin(target, kind) for _ in range(count)] for kind in KINDS}
    deadline = time.monotonic() + PATIENCE + GRACE
    meanwhile: list[float] = []
    while time.monotonic() < deadline:
        for connection in slow["header"]:
            with suppress(OSError):  # it has ended
                connection.send(b"x")
        meanwhile += [served(target), served(target)]
        time.sleep(0.2)
    before95, meanwhile95 = (quantiles(x, n=20)[-1] for x in (before, meanwhile))
    assert meanwhile95 < max(QUICK, TIMES_BEFORE * before95), (before95, meanwhile95)
    for kind, connections in slow.items():
        assert all(ended(kind, each) for each in connections), kind


# Half-sent requests of one address, and how many a second: what filled a gateway of
# two cores whose workers had 1024 connections, and 10 s of patience with each.
HALF_SENT, RATE, EACH = 2040, 240, 24


@pytest.fixture
def descriptors():
    """Enough for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.verify
def test_thousands_of_half_sent_requests_fail_no_other(target, descriptors):
    """At the gateway no limit counts them: it has connections enough, and ends each
    before there are too many."""
    if not target.is_local:
        pytest.skip("NOT ASKED: a firewall counts connections there")
    begun, slow = time.monotonic(), []
    for number in range(2 * HALF_SENT):
        if number < HALF_SENT:
            slow.append(begin(target, "header"))
        if number % EACH == 0:  # served until all of them have been ended
            served(target)
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
    assert all(ended("header", each) for each in slow)


def ended(kind: str, connection: socket.socket) -> bool:
    """What is there to be read is all there ever will be."""
    connection.settimeout(1)
    # A reset: what was under way is lost with it.
    with connection, suppress(ConnectionError):
        try:
            while chunk := connection.recv(65536):
                assert kind == "reading" or b"HTTP/1.1 2" not in chunk
        except TimeoutError:
            return False
    return True
