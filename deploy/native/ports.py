"""Choosing ports once, and finding out whether one is free."""

import errno
import socket
from collections.abc import Collection

from .problems import FAILED, PORT_IN_USE, Problem

HIGHEST = 65_535
# Binding to these answers a different question than "does anybody listen?".
IRRELEVANT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM}


def is_free(port: int) -> bool:
    """Whether nobody listens on the port, by IPv4 or IPv6, on the loopback.

    A listener on [::1] alone is not seen from 127.0.0.1, yet takes `localhost`.
    """
    addresses = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    return all(_can_bind(family, host, port) for family, host in addresses)


def _can_bind(family: int, host: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without it, connections in TIME_WAIT look like a listener for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as exc:
        return exc.errno in IRRELEVANT
    return True


def choose(preferred: int, taken: Collection[int]) -> int:
    """The preferred port, or the next that is free and not `taken`."""
    for port in range(preferred, HIGHEST + 1):
        if port not in taken and is_free(port):
            return port
    raise Problem(f"No port from {preferred} upwards is free.")


def parse(text: str, where: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST:
        return int(text)
    raise Problem(f"{where}: {text!r} is not a port.", code=FAILED)


def insist_on_free(port: int, owner: str, hint: str) -> None:
    if not is_free(port):
        raise Problem(
            f"Port {port} ({owner}) is used by another program.",
            hint=hint,
            code=PORT_IN_USE,
        )
