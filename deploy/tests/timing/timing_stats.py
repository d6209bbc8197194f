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
from functools import lru_cache
from itertools import accumulate
from math import ceil, sqrt
from statistics import NormalDist, median

from argon2.low_level import Type, hash_secret

EXACT = 50  # pairs up to which the distribution is counted out; beyond it is normal
TOLERANCE = 0.10  # of one hash (PWD-06)
PAIRS = 100  # 200 samples, before two ways are called equal
LOOKS = (20, 50, PAIRS, 2 * PAIRS)  # pairs after which it may be decided
# Of each look. A difference needs more than equality does: where noise is many times
# the bound, six ways at four looks would else raise a false alarm in one run of twelve.
CONFIDENCE, SURENESS = 0.99, 0.9999
WARM_UP = 3  # rounds that are not counted
PATIENCE = 45  # seconds after which no round is begun, but for those to the first look

STANDARD, HASH = "standard", "hash"
Way = Callable[[], object]


@dataclass(frozen=True)
class Shift:
    """How far the differences lie from zero, and between which bounds surely."""

    estimate: float
    low: float
    high: float

    def within(self, bound: float) -> bool:
        """Surely nearer to zero than `bound`: two one-sided tests (Schuirmann 1987)."""
        return -bound < self.low and self.high < bound

    def beyond(self, bound: float) -> bool:
        """Surely farther from zero than `bound`."""
        return self.low > bound or self.high < -bound


def shift(differences: Sequence[float], confidence: float) -> Shift:
    """The pseudo-median of the differences, with its interval.

    `confidence` is that of the interval. Raises ValueError where there are too few
    differences for it.
    """
    walsh = walsh_averages(differences)
    outside = rank_sum_quantile(len(differences), (1 - confidence) / 2)
    if outside == 0:
        raise ValueError(f"{len(differences)} pairs are too few for {confidence}")
    return Shift(median(walsh), walsh[outside - 1], walsh[-outside])


def walsh_averages(values: Sequence[float]) -> list[float]:
    """The averages of all pairs of values, each with itself too, in order."""
    ordered = sorted(values)
    return sorted(
        (one + other) / 2
        for place, one in enumerate(ordered)
        for other in ordered[place:]
    )


def rank_sum(differences: Sequence[float]) -> float:
    """Wilcoxon's signed-rank statistic: the sum of the ranks of the positive ones.

    Counted as Tukey does: Walsh averages above zero; one that is zero is half.
    """
    walsh = walsh_averages(differences)
    return sum(average > 0 for average in walsh) + walsh.count(0) / 2


def rank_sum_quantile(pairs: int, tail: float) -> int:
    """How many of the smallest rank sums come together to a probability of at most
    `tail`, if the differences are symmetric around zero."""
    if pairs > EXACT:
        mean = pairs * (pairs + 1) / 4
        deviation = sqrt(pairs * (pairs + 1) * (2 * pairs + 1) / 24)
        return max(ceil(mean + NormalDist().inv_cdf(tail) * deviation - 0.5), 0)
    below = accumulate(rank_sum_counts(pairs))
    return sum(count <= tail * 2**pairs for count in below)


@lru_cache
def rank_sum_counts(pairs: int) -> list[int]:
    """For each rank sum, from 0 on: in how many of the 2**pairs choices of signs it
    comes about (the ways of writing it as a sum of different ranks)."""
    counts = [1]
    for rank in range(1, pairs + 1):
        longer = counts + [0] * rank
        for total, count in enumerate(counts):
            longer[total + rank] += count
        counts = longer
    return counts


# ---- Rounds ----------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """How much longer one way takes than the standard, in seconds: by an interval to
    find equality by, and a wider one to find a difference by."""

    pairs: int
    shift: Shift
    sure: Shift
    hash_time: float

    @property
    def bound(self) -> float:
        return TOLERANCE * self.hash_time

    @property
    def decided(self) -> bool:
        """Whether the interval lies on one side of the bound. A difference is believed
        at any look, equality not before so many pairs."""
        equal = self.pairs >= PAIRS and self.shift.within(self.bound)
        return equal or self.different

    @property
    def different(self) -> bool:
        """Surely, and by more than is allowed."""
        return self.sure.beyond(self.bound)

    @property
    def likely_equal(self) -> bool:
        """By the estimate: all there is where it stayed undecided to the end."""
        return abs(self.shift.estimate) < self.bound

    def __str__(self) -> str:
        shift = self.shift
        seconds = (shift.estimate, shift.low, shift.high, self.bound)
        estimate, low, high, bound = (f"{1000 * value:+.2f}" for value in seconds)
        doubt = "" if self.decided else ", undecided"
        return (
            f"{estimate} ms ({low} to {high}), bound {bound}, {self.pairs} pairs{doubt}"
        )


def compare(
    standard: Way, others: Mapping[str, Way], patience: float = PATIENCE
) -> dict[str, Comparison]:
    """Each of the others with the standard, until decided or out of patience."""
    ways = {STANDARD: standard, **others}
    for _ in range(WARM_UP):
        timed(ways)
    return in_rounds(ways, time.monotonic() + patience)


def in_rounds(ways: dict[str, Way], deadline: float) -> dict[str, Comparison]:
    """What `compare` finds; ways that are decided are asked no more."""
    rounds: list[dict[str, float]] = []
    found: dict[str, Comparison] = {}
    for look in LOOKS:
        while len(rounds) < look and (look == LOOKS[0] or time.monotonic() < deadline):
            rounds.append(timed(ways))
        for name in ways.keys() - {STANDARD}:
            found[name] = compared(name, rounds)
            if found[name].decided:
                del ways[name]
        if len(ways) == 1 or time.monotonic() >= deadline:
            break
    return found


def timed(ways: Mapping[str, Way]) -> dict[str, float]:
    """One round: the seconds that each way took, and those that a hash costs."""
    taken = {HASH: hash_time()}
    for name, way in random.sample(list(ways.items()), len(ways)):
        begun = time.perf_counter()
        way()
        taken[name] = time.perf_counter() - begun
    return taken


def hash_time() -> float:
    """Seconds of a core that a hash takes, with the costs that services have unless
    they are told otherwise. Waiting for a core is not counted: it meets all ways."""
    begun = time.thread_time()
    hash_secret(b"not the password", os.urandom(16), 2, 19456, 1, 32, Type.ID)
    return time.thread_time() - begun


def compared(name: str, rounds: Sequence[Mapping[str, float]]) -> Comparison:
    differences = [taken[name] - taken[STANDARD] for taken in rounds]
    return Comparison(
        len(rounds),
        shift(differences, CONFIDENCE),
        shift(differences, SURENESS),
        median(taken[HASH] for taken in rounds),
    )
