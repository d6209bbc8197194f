"""Every fault there is, each once."""

import sys
from collections.abc import Iterator
from functools import partial

from deploy.tests.chaos import clocks, filled, processes
from deploy.tests.chaos.faults import Fault, on_way
from deploy.tests.chaos.link import Mode
from deploy.tests.chaos.stack import Stack
from deploy.tests.chaos.timeline import PROCESSES, SERVICES, WAYS

MODES = {
    "slow": Mode(delay=0.25),
    "very slow": Mode(delay=1.2),
    "reset": Mode(reset=True),
    "lost answers": Mode(lost=0.5),
    "cut answers": Mode(cut=0.5),
    "silent": Mode(silent=True),
}


def catalogue() -> list[Fault]:
    """All of them."""
    return [*of_processes(), *of_services(), *of_ways(), *of_stores()]


def of_processes() -> Iterator[Fault]:
    for part in PROCESSES:
        forgets = part == "redis"  # it keeps nothing on disk
        stop, pause, kill = (
            partial(act, part)
            for act in (processes.stopped, processes.paused, processes.killed)
        )
        yield Fault(f"stop {part}", (part,), stop, flushes=forgets)
        yield Fault(f"pause {part}", (part,), pause)
        yield Fault(f"kill -9 {part}", (part,), kill, lasts=False, flushes=forgets)


def of_services() -> Iterator[Fault]:
    for service in SERVICES:
        restart = partial(processes.restarted, service)
        yield Fault(f"restart {service}", (service,), restart, lasts=False)
        pause = partial(processes.worker_paused, service)
        yield Fault(f"pause a worker of {service}", (service,), pause)
        for seconds in (clocks.FAST, clocks.SLOW):
            step = partial(clocks.stepped, service, seconds)
            yield Fault(f"clock {seconds:+d} s {service}", (service,), step)
    yield Fault(
        "kill -9 workers in refresh",
        ("auth", *WAYS["auth"]),
        processes.worker_killed_in_refresh,
        lasts=False,
    )


def of_ways() -> Iterator[Fault]:
    for way in ("front", *WAYS["auth"], *WAYS["users"]):
        for name, mode in MODES.items():
            yield Fault(f"{name} {way}", (way,), on_way(way, mode))


def of_stores() -> Iterator[Fault]:
    for service in SERVICES:
        full = partial(filled.database_full, service)
        yield Fault(f"full {service}-db", (f"{service}-db",), full)
    redis = ("redis",)
    yield Fault("full redis", redis, filled.redis_full)
    yield Fault("flush redis", redis, filled.redis_flushed, lasts=False, flushes=True)
    restart = partial(processes.restarted, "redis")
    yield Fault("restart redis", redis, restart, lasts=False, flushes=True)


def choose(stack: Stack, only: list[str]) -> list[Fault]:
    """All faults, or those in whose name one of these words is."""
    found = catalogue()
    if only:
        found = [each for each in found if any(word in each.name for word in only)]
    if not found:
        names = "\n  ".join(each.name for each in catalogue())
        sys.exit(f"No fault has {' or '.join(only)} in its name:\n  {names}")
    if reason := clocks.why_not(stack.layout):
        print(f"LEFT OUT: faults of the clock. {reason}", file=sys.stderr)
        found = [each for each in found if not each.name.startswith("clock")]
    return found
