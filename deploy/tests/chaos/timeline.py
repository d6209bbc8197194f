"""Which part of the system was in trouble, and when. All times are monotonic."""

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

SERVICES = ("auth", "users")
# `auth>redis` is the way from auth to Redis, `front` that of clients to the gateway.
WAYS = {
    "auth": ("auth>redis", "auth>auth-db", "auth>users"),
    "users": ("users>redis", "users>users-db", "users>auth"),
}
PROCESSES = ("redis", "auth-db", "users-db", "auth", "users", "gateway")
EVERYTHING = frozenset((*PROCESSES, "front", *WAYS["auth"], *WAYS["users"]))


@dataclass(eq=False)
class Trouble:
    """A fault, from its beginning until all was well again."""

    name: str
    parts: frozenset[str]
    begun: float
    flushes: bool = False  # Redis has forgotten everything
    lifted: float = math.inf  # its undoing began
    back: float = math.inf  # the parts are healthy
    recovered: float = math.inf  # from here on the whole job worked

    @property
    def recovery(self) -> float:
        """Seconds from the end of the fault until the whole job worked."""
        return self.recovered - self.lifted


class Timeline:
    """All troubles of a run. `blind`: faults are somebody else's and not announced."""

    def __init__(self, *, blind: bool = False) -> None:
        self.blind = blind
        self.troubles: list[Trouble] = []
        self.lock = threading.Lock()

    def begin(
        self, name: str, parts: Iterable[str], *, flushes: bool = False
    ) -> Trouble:
        trouble = Trouble(name, frozenset(parts), time.monotonic(), flushes)
        with self.lock:
            self.troubles.append(trouble)
        return trouble

    def touching(
        self, parts: Iterable[str], since: float, until: float
    ) -> list[Trouble]:
        """What was in force at these parts between two times, in order."""
        wanted = frozenset(parts)
        with self.lock:
            return [
                each
                for each in self.troubles
                if each.parts & wanted and each.begun <= until and each.back >= since
            ]

    def infer(self, begun: float, ended: float) -> None:
        """Blind: an answer that did not come shows a trouble of an unknown kind, which
        began somewhat earlier and lasts somewhat longer than the question."""
        if self.blind:
            seen = Trouble("seen", EVERYTHING, begun - MARGIN, flushes=True)
            seen.lifted = seen.back = ended + MARGIN
            with self.lock:
                self.troubles.append(seen)


MARGIN = 15.0  # seconds: as long as the gateway waits for a service
