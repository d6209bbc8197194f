"""The client's address, as the gateway saw it."""

import ipaddress

from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """Address of the client in canonical form, or None where there is none.

    The gateway overwrites X-Real-IP with the address it talks to; services are
    reachable through it and through each other alone.
    """
    for name in ("HTTP_X_REAL_IP", "REMOTE_ADDR"):
        try:
            return str(ipaddress.ip_address(request.META.get(name, "")))
        except ValueError:
            continue
    return None


def user_agent(request: HttpRequest) -> str:
    """The client's User-Agent, printable and at most 256 characters."""
    text = request.META.get("HTTP_USER_AGENT", "")
    return "".join(c for c in text if c.isprintable())[:256]
