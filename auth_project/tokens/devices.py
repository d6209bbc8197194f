"""What a user recognises a session by: the device, and roughly the network."""

from functools import lru_cache

from ua_parser import parse_os, parse_user_agent

from shared.api import client_ip

UNKNOWN = "Unknown device"

# So much of an address is shown: the user's provider, not their line.
SHOWN_BITS = (24, 48)  # of IPv4, of IPv6


@lru_cache(maxsize=1024)
def device(user_agent: str) -> str:
    """`Firefox on Linux`, by the rules of the uap-core project.

    They are compiled on first use (some 80 ms); a string then takes a millisecond.
    """
    found = (parse_user_agent(user_agent), parse_os(user_agent))
    return " on ".join(part.family for part in found if part) or UNKNOWN


def network(ip: str | None) -> str | None:
    """The address without its host: `203.0.113.0/24`, in IPv6 a /48."""
    return None if ip is None else client_ip.network(ip, *SHOWN_BITS)
