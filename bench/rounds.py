"""Interleaved rounds: all contenders of a path, one after the other, again and again.

A shared machine is fast in one minute and slow in the next. So a contender is compared
with its neighbour in the same round, and the median of those ratios is reported.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .opponents import Contender
from .processes import cpu_seconds
from .wrk import run

# The least seconds of a round. Logins hash: a short round would see only a few answers.
AT_LEAST = {"login": 6}


@dataclass(frozen=True)
class Plan:
    """How often, how long, and with how many connections."""

    rounds: int
    seconds: float
    connections: int


@dataclass(frozen=True)
class Sample:
    """One round of one contender. Times are milliseconds."""

    cpu: float  # user and system time of its processes per good answer
    stores: float  # the same of PostgreSQL and Redis
    total: float  # both
    rate: float  # good answers a second
    p50: float
    p99: float


def compare(
    contenders: Sequence[Contender], path: str, plan: Plan
) -> dict[str, list[Sample]]:
    """The samples of each. A first round, to warm up, is not counted. The order is
    reversed in every second round, so that no contender always follows another."""
    found: dict[str, list[Sample]] = {each.name: [] for each in contenders}
    for number in range(plan.rounds + 1):
        for contender in contenders[:: 1 if number % 2 else -1]:
            sample = measure(contender, path, plan)
            print(f"  {path} {number} {contender.name}: {sample}", file=sys.stderr)
            if number:
                found[contender.name].append(sample)
    return found


def measure(contender: Contender, path: str, plan: Plan) -> Sample:
    """One round. The processes are looked up before and after it, as a worker may be
    replaced meanwhile."""
    target = contender.target(path, plan.connections)
    cpu, stores = cpu_seconds(contender.pids()), cpu_seconds(contender.stores())
    seen = run(target, plan.connections, max(plan.seconds, AT_LEAST.get(path, 0)))
    time.sleep(0.05)  # Work that follows its last answers counts too.
    cpu = (cpu_seconds(contender.pids()) - cpu) * 1000 / seen.good
    stores = (cpu_seconds(contender.stores()) - stores) * 1000 / seen.good
    rate = seen.good / seen.seconds
    return Sample(cpu, stores, cpu + stores, rate, seen.p50, seen.p99)
