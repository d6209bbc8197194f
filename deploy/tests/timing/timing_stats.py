"""Ways of asking, timed in turns, and whether one of them takes longer than another.

Each round asks once in every way, in random order: what the machine does meanwhile
meets all of them alike, and two times of a round are a pair. Latencies have a long
tail: a mean is whatever the worst of them was, and ranks hardly mind. Of the
differences within pairs the shift is estimated with an interval, which holds the very
shifts that Wilcoxon's signed-rank test does not reject (Hollander, Wolfe, Chicken:
Nonparametric Statistical Methods, 3rd ed., sections 3.1 to 3.3; the estimate is Hodges
and Lehmann's).
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
PAIRS = 100  # 200 samples, before two ways are called equal
LOOKS = (20, 50, PAIRS, 2 * PAIRS)  # pairs after which it may be decided
# Of each look. A difference needs more than equality does: where noise is many times
# the bound, six ways at four looks would else raise a false alarm in one run of twelve.
CONFIDENCE, SURENESS = 0.99, 0.9999
WARM_UP = 3  # rounds that are not counted

STANDARD, HASH = "standard", "hash"
Way = Callable[[], object]


def shift(differences: Sequence[float], confidence: float) -> tuple[float, ...]:
    """The lower bound, the estimate and the upper bound of the differences' centre.
    From twenty pairs on, the sum of ranks is normal enough."""
    count = len(differences)
    walsh = sorted(
        (one + other) / 2
        for place, one in enumerate(differences)
        for other in differences[place:]
    )
    deviation = sqrt(count * (count + 1) * (2 * count + 1) / 24)
    rank_sum = NormalDist(count * (count + 1) / 4, deviation)
    outside = max(int(rank_sum.inv_cdf((1 - confidence) / 2)), 0)
    return walsh[outside], median(walsh), walsh[-outside - 1]


@dataclass(frozen=True)
class Comparison:
    """How much longer one way takes than the standard, in seconds: by an interval to
    find equality by, and a wider one to find a difference by."""

    pairs: int
    estimate: float
    interval: tuple[float, float]
    wider: tuple[float, float]
    hash_time: float

    @property
    def bound(self) -> float:
        return TOLERANCE * self.hash_time

    @property
    def different(self) -> bool:
        """Surely, and by more than is allowed. Believed at any look."""
        return self.wider[0] > self.bound or self.wider[1] < -self.bound

    @property
    def equal(self) -> bool:
        """Surely: two one-sided tests (Schuirmann 1987), after enough pairs."""
        low, high = self.interval
        return self.pairs >= PAIRS and -self.bound < low and high < self.bound

    @property
    def likely_equal(self) -> bool:
        """By the estimate: all there is where it stayed undecided to the end."""
        return abs(self.estimate) < self.bound

    def __str__(self) -> str:
        seconds = (self.estimate, *self.interval, self.bound)
        estimate, low, high, bound = (f"{1000 * value:+.2f}" for value in seconds)
        doubt = "" if self.equal or self.different else ", undecided"
        return (
            f"{estimate} ms ({low} to {high}), bound {bound}, {self.pairs} pairs{doubt}"
        )


def compare(
    standard: Way, others: Mapping[str, Way], patience: float
) -> dict[str, Comparison]:
    """Each of the others with the standard, until decided or out of patience. Ways that
    are decided are asked no more."""
    ways = {STANDARD: standard, **others}
    for _ in range(WARM_UP):
        timed(ways)
    deadline = time.monotonic() + patience
    rounds: list[dict[str, float]] = []
    found: dict[str, Comparison] = {}
    for look in LOOKS:
        while len(rounds) < look and (look == LOOKS[0] or time.monotonic() < deadline):
            rounds.append(timed(ways))
        for name in ways.keys() - {STANDARD}:
            found[name] = compared(name, rounds)
            if found[name].equal or found[name].different:
                del ways[name]
        if len(ways) == 1 or time.monotonic() >= deadline:
            break
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


def compared(name: str, rounds: Sequence[Mapping[str, float]]) -> Comparison:
    differences = [taken[name] - taken[STANDARD] for taken in rounds]
    low, estimate, high = shift(differences, CONFIDENCE)
    lower, _, higher = shift(differences, SURENESS)
    hash_time = median(taken[HASH] for taken in rounds)
    return Comparison(len(rounds), estimate, (low, high), (lower, higher), hash_time)
