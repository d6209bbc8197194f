"""The client's address, as the gateway saw it."""

import ipaddress
from functools import lru_cache

from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """Address of the client in canonical form, or None where there is none.

    The gateway overwrites X-Real-IP with the address it talks to; services are
    reachable through it and through each other alone.
    """
    meta = request.META
    return normalize_ip(meta.get("HTTP_X_REAL_IP", "")) or normalize_ip(
        meta.get("REMOTE_ADDR", "")
    )


@lru_cache(maxsize=4096)
def normalize_ip(text: str) -> str | None:
    """The canonical form of an address; None where it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A zone (RFC 4007) may be any text, and no database column for addresses has one.
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
