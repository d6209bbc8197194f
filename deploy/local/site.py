"""A deployment as its clients see it: requests to the public URL, and nothing else.

http.client has no proxy and no redirects, and sends headers exactly as they are given.
"""

import contextlib
import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class Finding:
    """`where` is a service, `gateway` or `machine`; `id` names what was examined."""

    where: str
    id: str
    verdict: str
    text: str
    advice: str = ""


class Note(str):
    """What cannot be seen from here, or is worth a look. It is not WRONG."""


# What is wrong, a note, nothing (""), or None where it does not apply.
Fault = str | None


@dataclass
class Reply:
    status: int
    headers: Sequence[tuple[str, str]]
    content: bytes

    def header(self, name: str) -> str:
        """All values of a header, with commas between."""
        return ", ".join(v for n, v in self.headers if n.lower() == name.lower())

    @property
    def body(self) -> dict[str, object]:
        """The JSON object answered; empty where it is none."""
        try:
            found = json.loads(self.content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


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
        self.host = parts.netloc.rpartition("@")[2]
        self.name = parts.hostname
        self.is_https = parts.scheme == "https"
        self.over_tls = self.is_https if self.tls is None else self.tls
        # Where no other machine can listen to what is sent.
        self.is_local = self.name in ("localhost", "::1") or self.name.startswith(
            "127."
        )

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Reply:
        """Raises OSError or http.client.HTTPException where there is no answer."""
        with contextlib.closing(self.connection()) as connection:
            all_headers = {"Host": self.host, **(headers or {})}
            connection.request(method, path, body, all_headers)
            response = connection.getresponse()
            return Reply(response.status, response.getheaders(), response.read())

    def get(self, path: str, **headers: str) -> Reply:
        """Headers are named with an underscore for each hyphen."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("GET", path, names)

    def connection(self) -> http.client.HTTPConnection:
        host = "127.0.0.1" if self.port else self.name
        port = self.port or urlsplit(self.url).port
        if not self.over_tls:
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        context = ssl.create_default_context()
        if self.port:  # The certificate is for the public name.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)


Check = Callable[[Site], Fault]
CHECKS: dict[str, tuple[str, str, Check]] = {}  # by id: statement, advice, check


def external(identity: str, statement: str, advice: str) -> Callable[[Check], Check]:
    """Have `doctor` examine whether the statement holds."""

    def decorate(check: Check) -> Check:
        CHECKS[identity] = statement, advice, check
        return check

    return decorate


def examine(site: Site) -> Iterator[Finding]:
    """All that is seen from outside; only that where the site does not answer."""
    for identity, (statement, advice, check) in CHECKS.items():
        try:
            fault = check(site)
        except (OSError, http.client.HTTPException) as exc:
            fault = f"no answer: {exc or type(exc).__name__}"
        if fault is None:
            continue
        verdict = "note" if isinstance(fault, Note) else "WRONG" if fault else "ok"
        text = f"{statement}: {fault}" if fault else statement
        yield Finding("gateway", identity, verdict, text, advice if fault else "")
        if identity == "reached" and fault and "no answer" in fault:
            return
