"""One request for a JWK Set, which is over after DEADLINE whatever the server does.

`http.client`, since `requests` cannot be interrupted while headers trickle in: its
timeouts start anew with every byte. It also knows no redirects, proxies, cookies or
compression, which would have to be turned off.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit

from shared.keys.jwk_set import KeySetFault

CONNECT_TIMEOUT = 1.0  # seconds, for each address of the host, TLS included
READ_TIMEOUT = 3.0  # seconds without a byte
DEADLINE = 5.0  # seconds for all of it
MAXIMUM_BYTES = 64 * 1024

HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    # From the origin: a cache on the way may keep a revoked key for its max-age.
    "Cache-Control": "no-cache",
    "Connection": "close",
}


class Document(NamedTuple):
    body: bytes
    etag: str | None = None


def fetch(url: str, known: Document | None = None) -> Document:
    """The document there; `known` itself where the server says that it is unchanged.

    Raises KeySetFault, OSError or HTTPException.
    """
    started = time.monotonic()
    parts = urlsplit(url)
    headers = dict(HEADERS)
    if known is not None and known.etag is not None:
        headers["If-None-Match"] = known.etag
    connection = connect(parts)
    try:
        with deadline(connection.sock, started + DEADLINE - time.monotonic()):
            target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request("GET", target, headers=headers)
            return answer(connection, known if "If-None-Match" in headers else None)
    finally:
        connection.close()


def connect(parts: SplitResult) -> HTTPConnection:
    host, port = parts.hostname or "", parts.port
    connection: HTTPConnection
    if parts.scheme == "https":
        tls = ssl.create_default_context()  # verifies the chain and the name
        connection = HTTPSConnection(
            host, port or 443, timeout=CONNECT_TIMEOUT, context=tls
        )
    elif parts.scheme == "http":
        connection = HTTPConnection(host, port or 80, timeout=CONNECT_TIMEOUT)
    else:
        raise KeySetFault("the address is neither http nor https")
    connection.connect()
    connection.sock.settimeout(READ_TIMEOUT)
    return connection


def answer(connection: HTTPConnection, known: Document | None) -> Document:
    response = connection.getresponse()
    if response.status == 304 and known is not None:
        return known
    if response.status != 200:
        raise KeySetFault(f"status {response.status}")
    body = response.read(MAXIMUM_BYTES + 1)
    if len(body) > MAXIMUM_BYTES:
        raise KeySetFault(f"over {MAXIMUM_BYTES} bytes")
    return Document(body, response.getheader("ETag"))


@contextmanager
def deadline(line: socket.socket, seconds: float) -> Iterator[None]:
    """Hang up after so many seconds. Raises TimeoutError, whatever came till then."""
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError):
            # Not TLS's own `shutdown`, which is not for another thread.
            socket.socket.shutdown(line, socket.SHUT_RDWR)

    watchdog = threading.Timer(seconds, hang_up)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        if late.is_set():
            raise TimeoutError
