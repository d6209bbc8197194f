"""By how much one way of asking takes longer than another: a rank test of pairs.

Latencies have a long tail, and neighbours on the machine make it longer: a mean is
whatever the worst of them was. Ranks hardly mind. Of the differences within pairs the
shift is estimated with an interval, which holds the very shifts that Wilcoxon's
signed-rank test does not reject (Hollander, Wolfe, Chicken: Nonparametric Statistical
Methods, 3rd ed., sections 3.1 to 3.3; the estimate is Hodges and Lehmann's).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import ceil, sqrt
from statistics import NormalDist, median

EXACT = 50  # pairs up to which the distribution is counted out; beyond it is normal


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
