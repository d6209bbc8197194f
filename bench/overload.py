"""A log-in storm: twice what the machine can hash, and what it does to all the rest."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .ours import Ours
from .processes import family, pss
from .stack import Stack
from .wrk import Load, Outcome, Request, finish, run, start

CONNECTIONS = 100  # of the storm
QUIET, STORM = 15.0, 30.0  # seconds


def measure(stack: Stack) -> dict[str, Any]:
    """Latencies of /me and refresh without and with the storm, and the storm itself."""
    stack.seed(2000)
    ours = Ours(stack, gateway=True)
    capacity = log_ins_a_second(stack, ours)
    services = [pid for name in ("auth", "users") for pid in family(stack.pids[name])]
    memory = [pss(services)]
    quiet = everyday(stack, ours, QUIET)
    storm = start(storming(ours, capacity), stack.folder, "storm")
    time.sleep(2)
    stormy = everyday(stack, ours, STORM - 4)
    memory.append(pss(services))
    told = finish(storm)
    memory.append(pss(services))
    found = {
        "capacity": capacity,
        "offered": told.requests / told.seconds,
        "served": told.rate,
        "statuses": told.statuses,
        "quiet": {name: brief(each) for name, each in quiet.items()},
        "storm": {name: brief(each) for name, each in stormy.items()},
        "memory": memory,
    }
    print(f"  {found}", file=sys.stderr, flush=True)
    return found


def log_ins_a_second(stack: Stack, ours: Ours) -> float:
    """What the machine can take: clients wait when they are told to."""
    aim = ours.aim("login", 16)
    load = Load(aim.url, aim.requests, 16, 10, patient=True)
    return run(load, stack.folder).rate


def storming(ours: Ours, capacity: float) -> Load:
    """Log-ins at about twice the rate, from clients who do not wait."""
    aim = ours.aim("login", CONNECTIONS)
    # A connection is also busy while it is answered; so a little less than its share.
    delay = int(CONNECTIONS / (2 * capacity) * 1000 * 0.75)
    return paced(ours, aim.requests, CONNECTIONS, delay, STORM)


def everyday(stack: Stack, ours: Ours, seconds: float) -> dict[str, Outcome]:
    """Fifty calls of /me and twenty refreshes a second, side by side."""
    refresh = ours.aim("refresh", 8)
    loads = {
        "me": paced(ours, ours.me(), 8, 160, seconds),
        "refresh": paced(ours, ours.refresh(), 8, 400, seconds, refresh.tokens),
    }
    running = {name: start(load, stack.folder, name) for name, load in loads.items()}
    return {name: finish(process) for name, process in running.items()}


def paced(
    ours: Ours,
    requests: Sequence[Request],
    connections: int,
    delay: int,
    seconds: float,
    tokens: Sequence[str] = (),
) -> Load:
    """At a rate: clients pause whatever they are told, and a 503 is counted."""
    url = ours.stack.gateway
    return Load(url, requests, connections, seconds, tokens, delay, patient=True)


def brief(outcome: Outcome) -> dict[str, Any]:
    return asdict(outcome) | {"rate": outcome.rate}
