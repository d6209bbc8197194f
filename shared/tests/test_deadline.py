"""The end of a whole answer, seen through a client (S2S-04)."""

import time

import pytest

from shared import clients, deadline
from shared.api.exceptions import DependencyUnavailable
from shared.tests.test_clients import CREDENTIALS


@pytest.mark.parametrize(
    ("part", "pause"),
    [("headers", 0.05), ("body", 0.05), ("body", 5)],
    ids=["headers", "body", "slower-than-the-read-timeout"],
)
def test_an_answer_that_trickles_comes_to_an_end(users, stub, monkeypatch, part, pause):
    """Each byte comes in time for the read timeout, the whole never."""
    monkeypatch.setattr(clients, "TIMEOUT", (0.2, 0.2))
    monkeypatch.setattr(deadline, "ANSWER_TIME", 0.5)
    began = {"headers": b"X-Slow: ", "body": b"Content-Length: 1000\r\n\r\n"}

    def trickle(handler):
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + began[part])
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(pause)

    stub.before = trickle

    started = time.monotonic()
    with pytest.raises(DependencyUnavailable):
        users.verify(CREDENTIALS)
    assert time.monotonic() - started < 2
    assert len(stub.requests) == 1


def test_a_whole_call_takes_five_seconds_at_most():
    connect, _ = clients.TIMEOUT

    assert connect + deadline.ANSWER_TIME <= 5
