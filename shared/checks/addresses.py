"""Which addresses are ours, by their text alone: a check asks no DNS server."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

# Only the resolver of a container network, or /etc/hosts, has names without a dot.
NAME = re.compile(r"[a-z][a-z0-9_-]*", re.IGNORECASE)
PRIVATE_NAME = re.compile(r"[\w.-]+\.internal", re.IGNORECASE)  # ICANN keeps it private
PRIVATE = [
    *map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),  # RFC 1918
    *map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10")),
    *map(ip_network, ("::1/128", "fc00::/7", "fe80::/10")),
]
# Addresses of version 6 that stand for all of version 4 (RFC 4291, RFC 6052).
EMBEDDED = [ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96")]
# The shortest prefix of public addresses that may be one operator's gateways.
SHORTEST_PREFIX = {4: 24, 6: 48}


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(host.strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_local(host: str) -> bool:
    """Whether it is this machine (also a Unix socket), or a container next to it."""
    address = parse_address(host)
    if address:
        return address.is_loopback
    return host[:1] in ("", "/", "@") or bool(NAME.fullmatch(host))


def is_private(host: str) -> bool:
    """Whether it is local, or in a private network."""
    address = parse_address(host)
    if address:
        return any(address in network for network in PRIVATE)
    return is_local(host) or bool(PRIVATE_NAME.fullmatch(host))


def is_clear(url: str) -> bool:
    """Whether others may read the traffic to a URL: http outside private networks."""
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError:
        return True
    private = scheme == "http" and is_private(host or "")
    return not host or not (scheme == "https" or private)


def trusts_strangers(item: str) -> bool:
    """Whether an address or a network is so wide that strangers may be in it."""
    try:
        network = ip_network(item, strict=False)
    except ValueError:  # `*` too
        return True
    if any(network.overlaps(each) for each in EMBEDDED if network.version == 6):
        return network.prefixlen < 96 + SHORTEST_PREFIX[4]
    private = [each for each in PRIVATE if each.version == network.version]
    if any(network.subnet_of(each) for each in private):  # type: ignore[arg-type]
        return False
    return network.prefixlen < SHORTEST_PREFIX[network.version]
