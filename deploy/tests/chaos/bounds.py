"""How long a revoked token may still be taken (DESIGN.md 5, docs/revocation.md).

The one place that knows it, as a function of the troubles there were:

    refresh, log in    at once, always: PostgreSQL decides, and every refresh asks the
                       User Service
    access token       at once, where nothing was in trouble
                       one sweep after what the revocation has to be written through
                       (Redis, auth, its database, the ways between) is healthy again
                       10 s after Redis has forgotten everything while a question was
                       under way that had read "not revoked"
                       310 s, its own lifetime, where auth could not be told: the User
                       Service's push was lost
                       never longer than 310 s: until then auth may be unable to write a
                       Redis that others can read

A way that comes back later opens nothing again: what Redis was told stays told, unless
it forgets.
"""

import math
from dataclasses import dataclass

from deploy.tests.chaos.timeline import Timeline

LIFETIME = 310.0  # ACCESS_TOKEN_LIFETIME and JWT_LEEWAY
SWEEP = 2.0
BUSY = 3.0  # the test machine's: a sweep's turn comes late, an answer is under way
FLUSH = 10.0
IN_FLIGHT = 15.0  # a question is given up by the gateway then
PUSH_PAUSE = 5.0 + BUSY  # the push is not tried that long after three have failed

WRITTEN_THROUGH = ("redis", "auth>redis", "auth", "auth-db", "auth>auth-db")
PUSHED_THROUGH = ("users", "users>auth", "auth", "auth-db", "auth>auth-db")


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
    spared: str = ""  # the session that is to go on

    @property
    def is_acked(self) -> bool:
        return self.acked < math.inf


def refused_from(ending: Ending, door: str, timeline: Timeline, now: float) -> float:
    """The time from which no question that is asked may be answered with yes."""
    if door in ("refresh", "log in"):
        return ending.acked
    latest = ending.acked + LIFETIME
    if ending.pushed and push_may_be_lost(ending, timeline):
        return latest
    until = ending.acked + (FLUSH if timeline.blind else 0)
    for trouble in timeline.touching(WRITTEN_THROUGH, ending.begun - FLUSH, now):
        reach = until + IN_FLIGHT if trouble.flushes else until
        if trouble.begun <= reach:
            healed = FLUSH if trouble.flushes else SWEEP + BUSY
            until = max(until, trouble.back + healed)
    return min(until, latest)


def push_may_be_lost(ending: Ending, timeline: Timeline) -> bool:
    """Whether auth may not have heard of it, nor of which session was to be spared."""
    since = ending.begun - PUSH_PAUSE
    return bool(timeline.touching(PUSHED_THROUGH, since, ending.acked))
