"""Whether others can listen: TLS, its certificate, HSTS, and what plain http gets
(GW-12, GW-13)."""

import contextlib
import http.client
import ssl
import time
from collections.abc import Iterator

from .findings import NOTE, OK, WRONG, Finding
from .outside import Probe, find
from .site import Site

HSTS = 31536000  # seconds
SOON = 14  # days
PLAIN_PORT = 80
PATIENCE = 3.0  # seconds, for a port that may well be closed


def encryption(site: Site) -> Iterator[Finding]:
    if site.over_tls:
        return
    if site.is_local or site.is_public_https:
        yield Finding("gateway", "tls", OK, "plain http, on this machine")
    else:
        text = "plain http: passwords and tokens can be read on the way"
        advice = "GATEWAY_TLS_CERTIFICATE, or a proxy that speaks TLS: docs/docker.md"
        yield Finding("gateway", "tls", WRONG, text, advice)


def certificate(site: Site) -> Iterator[Finding]:
    """That it is good is known by now: else there had been no answer."""
    if not site.over_tls or site.port:
        return
    with contextlib.closing(site.connection()) as connection:
        connection.connect()
        wire = connection.sock
        assert isinstance(wire, ssl.SSLSocket)  # what the type checker cannot know
        version, names = wire.version(), wire.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(str(names["notAfter"]))
    days = int((ends - time.time()) / 86400)
    text = f"{version}, with a certificate that is good for {days} days"
    if days < SOON:
        yield Finding("gateway", "tls", NOTE, text, "Renew it, and reload the gateway.")
    else:
        yield Finding("gateway", "tls", OK, text)


def hsts(site: Site) -> Iterator[Finding]:
    if not site.over_tls:
        return
    value = site.get("/nowhere").header("Strict-Transport-Security")
    age = value.partition("max-age=")[2].partition(";")[0]
    yield find(
        "hsts",
        age.isdigit() and int(age) >= HSTS,
        f"HSTS: {value}",
        f"HSTS is missing or short: {value!r}",
        "Strict-Transport-Security: max-age=31536000; includeSubDomains",
    )


def plain_http(site: Site) -> Iterator[Finding]:
    """Refused: a redirect would come after the password had been sent."""
    if not site.over_tls:
        return
    own = site.connection()
    ports = dict.fromkeys([own.port, *([] if site.port else [PLAIN_PORT])])
    statuses = {port: _status(site, own.host, port) for port in ports}
    served = [f"port {p}: {s}" for p, s in statuses.items() if s and s not in REFUSED]
    yield find(
        "plain_http",
        not served,
        "plain http is refused",
        f"the API is answered, or redirected, over plain http: {', '.join(served)}",
        "Refuse it (426), or close the port.",
    )


# The gateway's own words for it, and what others say.
REFUSED = (400, 403, 404, 421, 426)


def _status(site: Site, host: str, port: int) -> int | None:
    """Of the API over plain http; None where nobody speaks it."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/api/v1/users/me", headers={"Host": site.host})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None


PROBES: list[Probe] = [encryption, certificate, hsts, plain_http]
