"""Which part of the system had a fault and when; and how long a revoked token may still
be accepted because of it (docs/revocation.md). All times are monotonic.

    refresh, login     at once, always: PostgreSQL decides, and every refresh asks the
                       User Service
    access token       at once, where nothing had a fault
                       one sweep after what the revocation has to be written through
                       (Redis, auth, its database, the ways between) is healthy again
                       10 s after Redis has forgotten everything while a question was
                       under way that had read "not revoked"
                       310 s, its own lifetime, where the User Service's push to auth
                       was lost
                       never longer than 310 s: until then auth may be unable to write a
                       Redis that others can read

A way that comes back later opens nothing again: what was written to Redis stays, unless
Redis forgets it.
"""

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

LIFETIME = 310.0  # ACCESS_TOKEN_LIFETIME and JWT_LEEWAY
SWEEP = 2.0
BUSY = 3.0  # the test machine's: a sweep's turn comes late, an answer is under way
FLUSH = 10.0
IN_FLIGHT = 15.0  # seconds after which the gateway gives a question up
PUSH_PAUSE = 5.0 + BUSY  # the push is not tried that long after three have failed
WRITTEN_THROUGH = ("redis", "auth>redis", "auth", "auth-db", "auth>auth-db")
PUSHED_THROUGH = ("users", "users>auth", "auth", "auth-db", "auth>auth-db")


@dataclass(eq=False)
class Trouble:
    """A fault, from its beginning until all is well again."""

    name: str
    parts: frozenset[str]
    begun: float
    flushes: bool = False  # Redis has forgotten everything
    lifted: float = math.inf  # its undoing began
    back: float = math.inf  # the parts are healthy


class Timeline:
    """All troubles of a run."""

    def __init__(self) -> None:
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


@dataclass(eq=False)
class Ending:
    """Something that ends sessions; `acked` when it was acknowledged, if it was.

    One that was not acknowledged may have happened, or happen until `over`.
    """

    kind: str
    begun: float
    acked: float = math.inf
    over: float = math.inf
    pushed: bool = False  # done in the User Service, which tells auth
    spared: str = ""  # the session that continues

    @property
    def is_acked(self) -> bool:
        return self.acked < math.inf


def refused_from(ending: Ending, kind: str, timeline: Timeline, now: float) -> float:
    """The time from which no question that is asked may be answered with yes."""
    if kind == "refresh":
        return ending.acked
    latest = ending.acked + LIFETIME
    if ending.pushed and push_may_be_lost(ending, timeline):
        return latest
    until = ending.acked
    for trouble in timeline.touching(WRITTEN_THROUGH, ending.begun - FLUSH, now):
        reach = until + IN_FLIGHT if trouble.flushes else until
        if trouble.begun <= reach:
            healed = FLUSH if trouble.flushes else SWEEP + BUSY
            until = max(until, trouble.back + healed)
    return min(until, latest)


def push_may_be_lost(ending: Ending, timeline: Timeline) -> bool:
    """Whether auth may not know of it, nor of the session that was to be spared."""
    since = ending.begun - PUSH_PAUSE
    return bool(timeline.touching(PUSHED_THROUGH, since, ending.acked))
