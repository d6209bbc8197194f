"""This service's own files, and the address where gunicorn listens."""

from ipaddress import ip_address
from pathlib import Path

from django.conf import settings

from shared.doctor import diagnostic

# Docker's and Podman's marks: there 0.0.0.0 is the addresses of the container.
CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))


@diagnostic(
    "files.modes",
    "only the user of the service can read its files with secrets",
    "chmod 600 (a private key: 400), then replace the secrets: others may know them.",
)
def modes() -> str:
    paths = [*settings.SECRET_FILES.values()]
    paths += [settings.ENV_FILE_NAMES.file] if settings.ENV_FILE_NAMES.file else []
    if private := getattr(settings, "JWT_PRIVATE_KEYS_DIR", None):
        paths += Path(private).glob("*.pem")
    found = sorted({path.resolve() for path in paths})
    return ", ".join(str(path) for path in found if path.stat().st_mode & 0o077)


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
