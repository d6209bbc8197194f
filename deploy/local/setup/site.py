"""A deployment as its clients see it: requests to the public URL, and nothing else.

http.client has no proxy and no redirects, needs no package, and sends headers exactly
as they are given.
"""

import contextlib
import http.client
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 10.0  # seconds
# Addresses on which a server listens, and how a client of the same machine reaches it.
REACHED_AT = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass
class Reply:
    status: int
    headers: Message
    content: bytes

    @cached_property
    def body(self) -> dict[str, Any]:
        """The JSON object of the answer; empty if there is none."""
        with contextlib.suppress(ValueError):
            found = json.loads(self.content)
            return found if isinstance(found, dict) else {}
        return {}

    @property
    def summary(self) -> str:
        """The status, followed by the code of an error."""
        return f"{self.status} {self.body.get('code', '')}".strip()


@dataclass
class Site:
    """A deployment by its public URL. For a stack on this machine, `port`, `bind` (the
    address on which it listens) and `tls` say how to reach it, and `keys` has a valid
    API key for each service."""

    url: str
    port: int | None = None
    bind: str = ""
    tls: bool | None = None
    keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url} is not the URL of a site.")
        self.host = parts.netloc.rpartition("@")[2].encode("idna").decode()
        self.is_https = parts.scheme == "https"
        self.over_tls = self.is_https if self.tls is None else self.tls
        # If it is local, no other machine can read what is sent.
        self.is_local = bool(re.fullmatch(r"localhost|::1|127\..*", parts.hostname))
        port = parts.port or (443 if self.is_https else 80)
        bind = self.bind.strip("[]")
        here = REACHED_AT.get(bind, bind)
        self.address = here if self.port else parts.hostname, self.port or port

    def send(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> Reply:
        """Send a request. Names of headers have an underscore for each hyphen. Raises
        OSError or http.client.HTTPException if there is no answer."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
        if self.over_tls:
            context = ssl.create_default_context()
            if self.port:  # The certificate is for the public name.
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(
                *self.address, timeout=TIMEOUT, context=context
            )
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Host": self.host, **names})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
