"""Ways of asking, timed in turns, and whether one of them takes longer than another.

Each round asks once in every way, in random order: what the machine does meanwhile
meets all of them alike, and two times of a round are a pair. Latencies have a long
tail: a mean is whatever the worst of them was. So of the differences within pairs the
centre is estimated as Hodges and Lehmann do, and its interval is the sign test's, whose
bounds are two of the differences (Hollander, Wolfe, Chicken: Nonparametric Statistical
Methods, 3rd ed., sections 3.2 and 3.6).
"""

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, median

from argon2.low_level import Type, hash_secret

TOLERANCE = 0.10  # of one hash (PWD-06)
ENOUGH, MOST = 20, 200  # rounds
CONFIDENCE = 0.999  # six ways are compared: a false alarm in 170 runs, at most
WARM_UP = 3  # rounds that are not counted

HASH = "hash"
Way = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """How much longer one way takes than another, in hashes."""

    pairs: int
    low: float
    estimate: float
    high: float

    @property
    def different(self) -> bool:
        """Surely, and by more than is allowed."""
        return self.low > TOLERANCE or self.high < -TOLERANCE

    @property
    def alike(self) -> bool:
        """As far as can be seen."""
        return abs(self.estimate) < TOLERANCE


def rounds(ways: Mapping[str, Way], patience: float) -> list[dict[str, float]]:
    """As many as there is patience for, in seconds."""
    for _ in range(WARM_UP):
        timed(ways)
    deadline = time.monotonic() + patience
    found: list[dict[str, float]] = []
    while len(found) < MOST and (len(found) < ENOUGH or time.monotonic() < deadline):
        found.append(timed(ways))
    return found


def timed(ways: Mapping[str, Way]) -> dict[str, float]:
    """One round: the seconds that each way took, and those that a hash costs a core,
    with the default costs. Waiting for a core is not counted: it meets all ways."""
    begun = time.thread_time()
    hash_secret(b"not the password", os.urandom(16), 2, 19456, 1, 32, Type.ID)
    taken = {HASH: time.thread_time() - begun}
    for name, way in random.sample(list(ways.items()), len(ways)):
        begun = time.perf_counter()
        way()
        taken[name] = time.perf_counter() - begun
    return taken


def compared(
    name: str, standard: str, rounds: Sequence[Mapping[str, float]]
) -> Comparison:
    hash_time = median(taken[HASH] for taken in rounds)
    found = sorted((taken[name] - taken[standard]) / hash_time for taken in rounds)
    count = len(found)
    # Of a binomial distribution; from twenty pairs on it is normal enough.
    below = NormalDist(count / 2, sqrt(count) / 2).inv_cdf((1 - CONFIDENCE) / 2)
    outside = int(below)
    walsh = [(x + y) / 2 for place, x in enumerate(found) for y in found[place:]]
    return Comparison(count, found[outside], median(walsh), found[-outside - 1])
