"""Verifying keys from our JWK Set, for a service elsewhere that has no folder of them.

No token makes anybody wait but the very first. Kids that nobody knows, which anybody
can make up, cause at most one request in a cooldown, however many there are.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from jwt import PyJWK

from shared.keys.jwks_refresh import RemoteKeySet

KID = re.compile(r"[A-Za-z0-9_-]{43}")  # a thumbprint (RFC 7638) in base64url
ABSENT_FOR = 60.0  # seconds
ABSENT_AT_MOST = 1024


class JWKSKeys:
    """The keys of the JWK Set at an address. One is enough for a process."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.key_set = RemoteKeySet(url, clock)
        self.absent = AbsentKids(clock)

    def find(self, kid: str) -> PyJWK | None:
        """The key of this name; None where the set has none.

        Raises DependencyUnavailable where that cannot be known.
        """
        if not KID.fullmatch(kid):
            return None
        keys = self.key_set.keys()
        if kid in keys:
            return keys[kid]
        if self.absent.has(kid, keys) or not self.key_set.look_again():
            return None
        keys = self.key_set.keys()
        if kid not in keys:
            self.absent.add(kid, keys)
        return keys.get(kid)

    def all(self) -> dict[str, PyJWK]:
        """All keys by kid, at least one. Raises DependencyUnavailable."""
        return dict(self.key_set.keys())


class AbsentKids:
    """Kids that were looked for in vain, the latest of them and for a while: to ask for
    one again and again costs nobody a request. Not of a set that has changed since."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.entries: OrderedDict[str, tuple[Mapping[str, PyJWK], float]] = (
            OrderedDict()
        )

    def has(self, kid: str, keys: Mapping[str, PyJWK]) -> bool:
        looked_in, until = self.entries.get(kid, (None, 0.0))
        return looked_in is keys and self.clock() < until

    def add(self, kid: str, keys: Mapping[str, PyJWK]) -> None:
        self.entries[kid] = keys, self.clock() + ABSENT_FOR
        self.entries.move_to_end(kid)
        if len(self.entries) > ABSENT_AT_MOST:
            self.entries.popitem(last=False)
