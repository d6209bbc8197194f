"""Which addresses are local or private, by their text alone: checks use no DNS."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

# Only the resolver of a container network, or /etc/hosts, has names without a dot.
NAME = re.compile(r"[a-z][a-z0-9_-]*", re.IGNORECASE)
PRIVATE_NAME = re.compile(r"[\w.-]+\.internal", re.IGNORECASE)  # reserved by ICANN
PRIVATE = [
    *map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),  # RFC 1918
    *map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10")),
    *map(ip_network, ("::1/128", "fc00::/7", "fe80::/10")),
]
# Networks of IPv6 that represent all addresses of IPv4 (RFC 4291, RFC 6052).
EMBEDDED = [ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96")]
# By IP version, the shortest prefix of a public network that may be one operator's.
SHORTEST_PREFIX = {4: 24, 6: 48}


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(host.strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_local(host: str) -> bool:
    """Whether a host is this machine (also a Unix socket) or a container next to it."""
    address = parse_address(host)
    if address:
        return address.is_loopback
    return host[:1] in ("", "/", "@") or bool(NAME.fullmatch(host))


def is_private(host: str) -> bool:
    """Whether a host is local or in a private network."""
    address = parse_address(host)
    if address:
        return any(address in network for network in PRIVATE)
    return is_local(host) or bool(PRIVATE_NAME.fullmatch(host))


def is_clear(url: str) -> bool:
    """Whether others may read requests to a URL: http outside of private networks."""
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError:
        return True
    private = scheme == "http" and is_private(host or "")
    return not host or not (scheme == "https" or private)


def trusts_strangers(item: str) -> bool:
    """Whether an address or network may include addresses of another operator."""
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
