"""The deployment under attack: its address, and how requests get there."""

import json
import random
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.tests.attack import wire
from deploy.tests.attack.wire import Received
from nginx.tests.gateway_rig import Answer

TIMEOUT = 25.0  # seconds; the gateway gives up on a service after 15
PATIENCE = 600.0  # seconds that a whole run may spend on waiting out rate limits
NO_HEADERS: dict[str, str] = {}
Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class Target:
    """A deployment, known by its URL; and keys of services, for who has got hold of
    one."""

    def __init__(self, url: str, keys: Iterable[str] = (), ca: str = "") -> None:
        parts = urlsplit(url)
        assert parts.scheme in ("http", "https"), f"{url} is no http(s) address"
        assert parts.hostname, f"{url} names no host"
        self.tls = parts.scheme == "https"
        self.host, self.netloc = parts.hostname, parts.netloc
        self.port = parts.port or (443 if self.tls else 80)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.keys = list(keys)
        self.context = ssl.create_default_context(cafile=ca or None)
        self.patience = PATIENCE

    # ---- Connections ---------------------------------------------------------

    @cached_property
    def is_local(self) -> bool:
        """On this machine: then an attacker has 16 million addresses to come from."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        return all(str(a[4][0]) in ("::1", "127.0.0.1") for a in found)

    def connect(self, source: str = "", receive_buffer: int = 0) -> socket.socket:
        """A connection: from an address of its own each time, where there are such."""
        mine = source or (any_loopback() if self.is_local else "")
        name = "127.0.0.1" if self.is_local else self.host
        bare = socket.create_connection(
            (name, self.port), TIMEOUT, (mine, 0) if mine else None
        )
        if receive_buffer:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if not self.tls:
            return bare
        return self.context.wrap_socket(bare, server_hostname=self.host)

    def exchange(
        self, data: bytes, *, seconds: float = TIMEOUT, source: str = ""
    ) -> Received:
        """Send these bytes; all that comes until the end, or for so long."""
        received, closed = b"", True
        with self.connect(source) as connection:
            deadline = time.monotonic() + seconds
            # Refused before all was said; there may be an answer all the same.
            with suppress(OSError):
                connection.sendall(data)
            try:
                while chunk := connection.recv(65536):
                    received += chunk
                    connection.settimeout(max(deadline - time.monotonic(), 0.01))
            except TimeoutError:
                closed = False
            except OSError:
                pass  # a reset is an end too
        return Received(received, closed)

    # ---- Requests ------------------------------------------------------------

    def ask(
        self,
        method: str,
        path: str,
        headers: Headers = NO_HEADERS,
        body: bytes = b"",
        *,
        value: Any = None,
        source: str = "",
    ) -> Answer:
        """The one answer to a request. Who is told to come later does."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if value is not None:
            pairs.append(("Content-Type", "application/json"))
            body = json.dumps(value).encode()
        data = wire.request(method, path, self.netloc, pairs, body)
        answer = self.answer(data, method, source)
        while answer.status == 429:
            self.wait(float(answer.one("Retry-After")))
            answer = self.answer(data, method, source)
        return answer

    def answer(self, data: bytes, method: str = "GET", source: str = "") -> Answer:
        """The one answer to these bytes, whatever it is."""
        received = self.exchange(data, source=source)
        found = received.answers(method)
        assert len(found) == 1, f"{len(found)} answers: {received.data[:500]!r}"
        return found[0]

    def wait(self, seconds: float) -> None:
        """For a rate limit, which is no hole. Skips where that would take too long."""
        if seconds > self.patience:
            pytest.skip(f"NOT ANSWERED: RATE LIMITED for {seconds:.0f} s and more")
        self.patience -= seconds
        time.sleep(seconds)


def any_loopback() -> str:
    """One of 127.0.0.0/8, all of which Linux calls its own."""
    numbers = random.randint(1, 254), random.randint(0, 255), random.randint(2, 254)
    return ".".join(map(str, (127, *numbers)))
