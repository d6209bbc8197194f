"""A deployment as its clients see it: requests to the public URL, and nothing else.

http.client has no proxy and no redirects, needs no package, and sends headers exactly
as they are given.
"""

import contextlib
import http.client
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 10.0  # seconds


@dataclass
class Reply:
    status: int
    headers: Message
    content: bytes

    def header(self, name: str) -> str:
        """All values of a header, with commas between."""
        return ", ".join(self.headers.get_all(name, []))

    @property
    def body(self) -> dict[str, object]:
        """The JSON object answered; empty where it is none."""
        with contextlib.suppress(ValueError):
            found = json.loads(self.content)
            return found if isinstance(found, dict) else {}
        return {}


@dataclass
class Site:
    """A deployment by its public URL. Of a stack on this machine we know more: `port`
    and `tls` say how to reach it, `keys` has a valid API key for each service, `logs`
    are those of the User Service, `docs` says of which services the schema is open."""

    url: str
    port: int | None = None
    tls: bool | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    logs: Sequence[Path] = ()
    docs: Mapping[str, bool] | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url} is not the URL of a site.")
        self.host, self.name = parts.netloc.rpartition("@")[2], parts.hostname
        self.is_https = parts.scheme == "https"
        self.over_tls = self.is_https if self.tls is None else self.tls
        # Where no other machine can listen to what is sent.
        self.is_local = bool(re.fullmatch(r"localhost|::1|127\..*", self.name))

    def send(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> Reply:
        """Headers are named with an underscore for each hyphen. Raises OSError or
        http.client.HTTPException where there is no answer."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, {"Host": self.host, **names})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, **headers)

    def connection(self) -> http.client.HTTPConnection:
        host = "127.0.0.1" if self.port else self.name
        port = self.port or urlsplit(self.url).port
        if not self.over_tls:
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        context = ssl.create_default_context()
        if self.port:  # The certificate is for the public name.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
