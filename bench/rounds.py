"""Interleaved rounds: all contenders of a path, one after the other, again and again.

A shared machine is fast in one minute and slow in the next. So nothing is compared
but neighbours, and what is reported is the median of their ratios.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from argon2 import PasswordHasher

from .contenders import Contender
from .processes import cpu_seconds
from .stack import PASSWORD, Stack
from .wrk import Load, run


@dataclass(frozen=True)
class Sample:
    """One round of one contender."""

    cpu: float  # milliseconds of its processes per good answer
    database: float  # the same of PostgreSQL and Redis
    rate: float  # requests a second
    p50: float  # milliseconds
    p99: float


@dataclass(frozen=True)
class Cell:
    """All rounds of a contender on a path at a number of connections."""

    path: str
    contender: str
    connections: int
    samples: list[Sample]

    def median(self, figure: str) -> float:
        return statistics.median(getattr(each, figure) for each in self.samples)

    def spread(self, figure: str) -> tuple[float, float]:
        values = [getattr(each, figure) for each in self.samples]
        return min(values), max(values)

    def ratio(self, other: "Cell", figure: str) -> float:
        """The median of this one's figure by the other's, round by round."""
        pairs = zip(self.samples, other.samples, strict=True)
        return statistics.median(
            getattr(mine, figure) / getattr(theirs, figure) for mine, theirs in pairs
        )


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: float


def compare(
    stack: Stack,
    contenders: Sequence[Contender],
    path: str,
    connections: int,
    plan: Plan,
) -> list[Cell]:
    """The cells of all who have an answer on this path. A round to warm up is not
    counted."""
    able = [each for each in contenders if path in each.paths]
    found: dict[str, list[Sample]] = {each.name: [] for each in able}
    for number in range(plan.rounds + 1):
        for contender in able:
            sample = measure(stack, contender, path, connections, plan.seconds)
            if number:
                found[contender.name].append(sample)
    cells = [Cell(path, name, connections, rows) for name, rows in found.items()]
    for cell in cells:
        tell(cell)
    return cells


def measure(
    stack: Stack, contender: Contender, path: str, connections: int, seconds: float
) -> Sample:
    aim = contender.aim(path, connections)
    everybody = [contender.pids(), stack.stores()]
    before = [cpu_seconds(pids) for pids in everybody]
    load = Load(
        aim.url, aim.requests, connections, seconds, aim.tokens, patient=aim.patient
    )
    outcome = run(load, stack.folder)
    time.sleep(0.05)  # what it still does for the last answers is its work too
    after = [cpu_seconds(pids) for pids in everybody]
    cpu, database = (
        (late - early) / outcome.good * 1000
        for early, late in zip(before, after, strict=True)
    )
    return Sample(cpu, database, outcome.rate, outcome.p50, outcome.p99)


def tell(cell: Cell) -> None:
    low, high = cell.spread("cpu")
    print(
        f"  {cell.path:<13} {cell.connections:>3}  {cell.contender:<23}"
        f" CPU {cell.median('cpu'):7.3f} ms ({low:.3f} to {high:.3f})"
        f"  {cell.median('rate'):7.0f}/s"
        f"  p50 {cell.median('p50'):7.2f}  p99 {cell.median('p99'):7.2f} ms",
        file=sys.stderr,
        flush=True,
    )


def hash_cost(times: int = 20) -> float:
    """CPU milliseconds of one Argon2id hash at our costs, nothing around it."""
    hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
    spent = []
    for _ in range(times):
        begun = time.process_time()
        hasher.hash(PASSWORD)
        spent.append((time.process_time() - begun) * 1000)
    return statistics.median(spent)
