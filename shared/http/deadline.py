"""A time limit for a whole HTTP answer (S2S-04).

A read timeout starts again with every byte, so a service that trickles its answer could
hold a thread for as long as it likes.
"""

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

ANSWER_TIME = 4.0  # seconds for all of an answer; with connecting, a call takes five


class DeadlineReader(io.RawIOBase):
    """Reads from a socket until `deadline` (monotonic), then raises TimeoutError."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self.raw = raw
        self.sock = sock
        self.deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long as a whole")
        timeout = self.sock.gettimeout()
        if timeout is None or timeout > left:
            self.sock.settimeout(left)
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()


class DeadlineResponse(HTTPResponse):
    """Headers and body must arrive within ANSWER_TIME of the request's last byte."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        deadline = time.monotonic() + ANSWER_TIME
        raw: Any = self.fp.detach()
        self.fp = io.BufferedReader(DeadlineReader(raw, sock, deadline))


def with_deadline(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """A pool whose connections read a DeadlineResponse."""
    members = {"response_class": DeadlineResponse}
    connection = type("DeadlineConnection", (pool.ConnectionCls,), members)
    return type("DeadlinePool", (pool,), {"ConnectionCls": connection})


POOLS = {
    "http": with_deadline(HTTPConnectionPool),
    "https": with_deadline(HTTPSConnectionPool),
}


class DeadlineAdapter(HTTPAdapter):
    """A transport adapter for `requests` that limits the time of each answer."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS
