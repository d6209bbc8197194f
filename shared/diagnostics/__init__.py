"""What every service can be asked: its stores and peers, and where gunicorn listens."""

from ipaddress import ip_address
from pathlib import Path

from django.conf import settings

from shared.diagnostics import database, peers, redis
from shared.doctor import diagnostic

__all__ = ["database", "peers", "redis"]

# Docker's and Podman's marks: there 0.0.0.0 is the addresses of the container.
CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))


@diagnostic(
    "listening.bind",
    "gunicorn listens on a private address",
    "BIND=127.0.0.1:PORT, or an address of a network that only the gateway is in.",
)
def bind() -> str:
    """Services believe the gateway's headers, so no client may bypass it."""
    host = settings.BIND.rpartition(":")[0].strip("[]")
    return "" if is_private(host) else f"{settings.BIND}, past the gateway"


def is_private(host: str) -> bool:
    """A loopback or private address; a socket (`unix:...`) has files' modes."""
    try:
        address = ip_address(host)
    except ValueError:
        return host in ("unix", "localhost")
    if address.is_unspecified:
        return any(mark.exists() for mark in CONTAINER)
    return address.is_private
