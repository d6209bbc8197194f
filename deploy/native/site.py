"""A deployment as its clients see it: requests to the gateway, and nothing else.

http.client and not urllib: no proxy, no redirects, and headers just as they are given.
"""

import contextlib
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from .problems import USAGE, Problem

SECONDS = 10.0


@dataclass
class Reply:
    status: int
    headers: list[tuple[str, str]]
    content: bytes = b""

    def header(self, name: str) -> str:
        """All values of a header, with commas between."""
        return ", ".join(v for n, v in self.headers if n.lower() == name.lower())

    @cached_property
    def body(self) -> dict[str, Any]:
        """The JSON object answered; empty where it is none."""
        try:
            found = json.loads(self.content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def is_problem(self) -> bool:
        """RFC 9457, with all that ours have."""
        members = {"type", "title", "status", "detail", "code", "request_id"}
        kind = self.header("Content-Type").partition(";")[0]
        return kind == "application/problem+json" and members <= set(self.body)


@dataclass
class Site:
    """A deployment by its public URL; `port` is where to reach it on this machine.

    `keys` has an API key for each service where we may know one, so that routes are
    tried with what would open them.
    """

    url: str
    port: int | None = None
    tls: bool | None = None
    keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Problem(f"{self.url} is no address of a site.", code=USAGE)
        self.host = parts.netloc.rpartition("@")[2]
        self.is_public_https = parts.scheme == "https"
        self.over_tls = self.is_public_https if self.tls is None else self.tls

    @property
    def scheme(self) -> str:
        return "https" if self.over_tls else "http"

    @property
    def is_local(self) -> bool:
        """Whether nobody else can listen to what is sent."""
        name = urlsplit(self.url).hostname or ""
        return name in ("localhost", "::1") or name.startswith("127.")

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self.send("GET", path, headers)

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Reply:
        """Raises OSError or http.client.HTTPException where there is no answer."""
        with contextlib.closing(self.connection()) as connection:
            connection.request(
                method, path, body, {"Host": self.host, **(headers or {})}
            )
            response = connection.getresponse()
            return Reply(response.status, response.getheaders(), response.read())

    def connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = "127.0.0.1" if self.port else parts.hostname or ""
        port = self.port or parts.port
        if not self.over_tls:
            return http.client.HTTPConnection(host, port, timeout=SECONDS)
        # By a port of this machine the certificate is not looked at: it names others.
        context = ssl.create_default_context()
        if self.port:
            context = ssl._create_unverified_context()  # noqa: S323
        return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
