"""Where gunicorn listens, and whom it believes."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from django.conf import settings

from shared.doctor import Context, Finding, judge, probe

# Docker's and Podman's marks: there 0.0.0.0 is the addresses of the container.
CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))


@probe
def bind(context: Context) -> Iterator[Finding]:
    """The gateway's headers are believed, so nobody may come past it."""
    host = settings.BIND.rpartition(":")[0].strip("[]")
    yield judge(
        "listening.bind",
        is_private(host),
        f"gunicorn listens on {settings.BIND}, which is private",
        f"gunicorn listens on {settings.BIND}: it can be reached past the gateway",
        "BIND=127.0.0.1:PORT, or an address of a network that only the gateway is in.",
    )


def is_private(host: str) -> bool:
    """A loopback or private address; a socket (`unix:...`) has files' modes."""
    try:
        address = ip_address(host)
    except ValueError:
        return host in ("unix", "localhost")
    if address.is_unspecified:
        return any(mark.exists() for mark in CONTAINER)
    return address.is_private
