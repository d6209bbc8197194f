"""The client's address, as the gateway saw it."""

import ipaddress
from functools import lru_cache

from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """Address of the client in canonical form, or None if there is none.

    The gateway overwrites X-Real-IP with its client's address. Only the gateway and
    other services can reach a service.
    """
    meta = request.META
    return normalize_ip(meta.get("HTTP_X_REAL_IP", "")) or normalize_ip(
        meta.get("REMOTE_ADDR", "")
    )


@lru_cache(maxsize=4096)
def normalize_ip(text: str) -> str | None:
    """The canonical form of an IP address; None if the text is not one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # Without the zone (RFC 4007): it may be any text, and no address column takes it.
    return str(address).partition("%")[0]


def network(address: str | None, ipv4_bits: int, ipv6_bits: int) -> str:
    """The network of an address: its first bits. `unknown` without an address."""
    if address is None:
        return "unknown"
    ip = ipaddress.ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    bits = ipv4_bits if ip.version == 4 else ipv6_bits
    return str(ipaddress.ip_network((ip, bits), strict=False))


def user_agent(request: HttpRequest) -> str:
    """The client's User-Agent, printable and at most 256 characters."""
    text = request.META.get("HTTP_USER_AGENT", "")
    return "".join(c for c in text if c.isprintable())[:256]
