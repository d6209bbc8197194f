"""What is counted together: kinds of buckets, and the names of their keys.

Names hold no personal data: logins and addresses are in them as HMAC-SHA-256, with a
key that is derived from SECRET_KEY.
"""

import ipaddress
from dataclasses import dataclass
from typing import ClassVar

from django.conf import settings
from django.utils.crypto import salted_hmac

from shared.limits.rules import Limit

OFF = Limit(0, 1)
DIGEST = 32  # hexadecimal digits: 128 bits, to which nobody finds a second text


def digest(text: str) -> str:
    """What stands for a login, an address or an id, in keys and in logs."""
    mac = salted_hmac("shared.limits", text, algorithm="sha256")
    return mac.hexdigest()[:DIGEST]


def namespace() -> str:
    """What all keys of this service begin with; its Redis user may write no others."""
    return f"{settings.SERVICE_NAME}:limit"


def key(act: str, bucket: str, *subjects: str) -> str:
    """A key in Redis and in PostgreSQL; who it is about follows as digests."""
    return ":".join([namespace(), act, bucket, *map(digest, subjects)])


def address_of(address: str | None) -> str:
    """The client an address stands for: itself, or the /64 that IPv6 gives a client."""
    return network(address, 32)


def network_of(address: str | None) -> str:
    """The network of an address: /24, in IPv6 the /64."""
    return network(address, 24)


def network(address: str | None, bits_of_ipv4: int) -> str:
    if address is None:
        return "nowhere"
    ip = ipaddress.ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    bits = bits_of_ipv4 if ip.version == 4 else 64
    return str(ipaddress.ip_network((ip, bits), strict=False))


@dataclass(frozen=True)
class Bucket:
    """So many in a window, which begins with the first of them.

    `passes_known`: not for an address that the login is known from. `in_floor`: in
    PostgreSQL too, while Redis is away.
    """

    name: str
    key: str
    limit: Limit
    passes_known: bool = False
    in_floor: bool = True

    kind: ClassVar = "rate"

    @property
    def keys(self) -> tuple[str, str]:
        """Where it is counted, and a second key, where waits and the like are."""
        return self.key, f"{self.key}:wait"

    @property
    def details(self) -> tuple[int, int, str]:
        """Two numbers and a text, of which each kind makes its own."""
        return 0, 0, ""


@dataclass(frozen=True)
class Delays(Bucket):
    """So many, and then one after each wait of `first` seconds, doubled every time up
    to `longest`. The window begins anew with each, and after the wait. `event` tells
    the audit log that one begins."""

    first: int = 0
    longest: int = 0
    event: str = "authn_login_lock"

    kind: ClassVar = "delays"

    @property
    def details(self) -> tuple[int, int, str]:
        return self.first * 1000, self.longest * 1000, ""


@dataclass(frozen=True)
class Distinct(Bucket):
    """So many different members; where there are more, `slowed` for all of them."""

    slowed: Limit = OFF
    member: str = ""

    kind: ClassVar = "distinct"

    @property
    def details(self) -> tuple[int, int, str]:
        return self.slowed.most, self.slowed.seconds * 1000, self.member


def growing(name: str, key: str, limit: Limit) -> Delays:
    """Waits from a fifteenth of the window to the whole of it: 1 to 15 minutes."""
    first = max(limit.seconds // 15, 1)
    return Delays(name, key, limit, first=first, longest=limit.seconds)
