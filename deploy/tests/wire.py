"""HTTP/1.1 byte by byte: any bytes go out, every response is read back."""

import http.client
import io
import json
import random
import socket
import ssl
import time
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from deploy.tests.client import TIMEOUT, Response

FRAMING = {"content-length", "transfer-encoding"}
NO_HEADERS: dict[str, str] = {}
Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Received:
    """What came back over one connection, and whether the other side ended it."""

    data: bytes
    closed: bool

    def responses(self, method: str = "GET") -> list[Response]:
        """All of them, in order. Raises HTTPException for what is not one."""
        stream = Stream(self.data)
        found = []
        while stream.tell() < len(self.data):
            response = http.client.HTTPResponse(stream, method=method)  # type: ignore[arg-type]
            response.begin()
            body = response.read()
            found.append(Response.of(response.status, response.getheaders(), body))
        return found


class Stream(io.BytesIO):
    """As much of a socket as HTTPResponse asks for. It closes what it reads from;
    here a second response may follow."""

    def makefile(self, *_: Any) -> "Stream":
        return self

    def close(self) -> None:
        pass


def request(
    method: str, path: str, host: str, headers: Headers = NO_HEADERS, body: bytes = b""
) -> bytes:
    """A request that is well-formed as long as its parts are."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    names = {name.lower() for name, _ in pairs}
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [] if "host" in names else [f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in pairs]
    if (body or method not in ("GET", "HEAD")) and not names & FRAMING:
        lines.append(f"Content-Length: {len(body)}")
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class WireClient:
    """Opens connections to one address."""

    def __init__(self, url: str, ca: str = "") -> None:
        parts = urlsplit(url)
        assert parts.scheme in ("http", "https"), f"{url} is no http(s) address"
        assert parts.hostname, f"{url} names no host"
        self.tls = parts.scheme == "https"
        self.host, self.netloc = parts.hostname, parts.netloc
        self.port = parts.port or (443 if self.tls else 80)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.ca = ca

    @cached_property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca or None)

    @cached_property
    def is_local(self) -> bool:
        """On this machine, where a client has 16 million addresses to come from."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        return all(str(a[4][0]) in ("::1", "127.0.0.1") for a in found)

    def connect(self, source: str = "", receive_buffer: int = 0) -> socket.socket:
        """A connection: from another address each time, where that is possible."""
        source = source or (any_loopback() if self.is_local else "")
        address = ("127.0.0.1" if self.is_local else self.host, self.port)
        bare = socket.create_connection(
            address, TIMEOUT, (source, 0) if source else None
        )
        if receive_buffer:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if not self.tls:
            return bare
        return self.context.wrap_socket(bare, server_hostname=self.host)

    def shake(self, version: str, ciphers: str = "ALL:@SECLEVEL=0") -> str:
        """Which version of TLS was agreed on, if this is all that is offered. Raises
        OSError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_ciphers(ciphers)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        only = getattr(ssl.TLSVersion, version)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = only
        bare = socket.create_connection((self.host, self.port), TIMEOUT)
        with bare, context.wrap_socket(bare, server_hostname=self.host) as connection:
            return connection.version() or ""

    def exchange(
        self, data: bytes, *, seconds: float = TIMEOUT, source: str = ""
    ) -> Received:
        """Send these bytes. Returns all that comes until the end, or for so long."""
        received, closed = b"", True
        with self.connect(source) as connection:
            deadline = time.monotonic() + seconds
            # The other side may refuse before all is sent, and still answer.
            with suppress(OSError):
                connection.sendall(data)
            try:
                connection.settimeout(seconds)
                while chunk := connection.recv(65536):
                    received += chunk
                    connection.settimeout(max(deadline - time.monotonic(), 0.01))
            except TimeoutError:
                closed = False
            except OSError:
                pass  # a reset is an end too
        return Received(received, closed)

    def response(self, data: bytes, method: str = "GET", source: str = "") -> Response:
        """The one response to these bytes, whatever it is."""
        received = self.exchange(data, source=source)
        found = received.responses(method)
        assert len(found) == 1, f"{len(found)} responses: {received.data[:500]!r}"
        return found[0]

    def ask(
        self,
        method: str,
        path: str,
        headers: Headers = NO_HEADERS,
        body: bytes = b"",
        *,
        json_body: Any = None,
        source: str = "",
    ) -> Response:
        """The one response to a request."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if json_body is not None:
            pairs.append(("Content-Type", "application/json"))
            body = json.dumps(json_body).encode()
        data = request(method, path, self.netloc, pairs, body)
        return self.response(data, method, source)


def any_loopback() -> str:
    """One of 127.0.0.0/8, all of which Linux treats as its own."""
    numbers = random.randint(1, 254), random.randint(0, 255), random.randint(2, 254)
    return ".".join(map(str, (127, *numbers)))
