"""The arithmetic behind the timing test, against what others have published, and what
it finds in noise of which the truth is known."""

import random
from itertools import cycle
from math import comb

import pytest

from deploy.tests.timing import timing_stats
from deploy.tests.timing.timing_stats import (
    Shift,
    rank_sum,
    rank_sum_counts,
    rank_sum_quantile,
    shift,
)

# Hollander and Wolfe, example 3.1: depression before and after a tranquillizer.
BEFORE = (1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30)
AFTER = (0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29)


def test_the_textbooks_example() -> None:
    """Their estimate, their interval of 96.1 %, and the P value that R prints."""
    found = shift([y - x for x, y in zip(BEFORE, AFTER, strict=True)], 0.96)
    assert found.estimate == pytest.approx(-0.46)
    assert (found.low, found.high) == pytest.approx((-0.786, -0.010))

    total = rank_sum([x - y for x, y in zip(BEFORE, AFTER, strict=True)])
    assert total == 40
    assert sum(rank_sum_counts(9)[40:]) / 2**9 == pytest.approx(0.01953, abs=5e-6)


@pytest.mark.parametrize(
    ("pairs", "two_sided", "critical"),
    [
        (6, 0.05, 0),
        (10, 0.05, 8),
        (10, 0.01, 3),
        (20, 0.05, 52),
        (20, 0.01, 37),
        (25, 0.05, 89),
        (50, 0.05, 434),
        (50, 0.01, 373),
    ],
)
def test_the_published_critical_values(
    pairs: int, two_sided: float, critical: int
) -> None:
    """Wilcoxon and Wilcox 1964, table of the signed-rank test: the largest sum that is
    still significant."""
    assert rank_sum_quantile(pairs, two_sided / 2) - 1 == critical


def test_every_choice_of_signs_is_counted() -> None:
    counts = rank_sum_counts(12)
    assert sum(counts) == 2**12
    assert counts == counts[::-1]
    assert len(counts) - 1 == comb(13, 2)


@pytest.mark.parametrize("tail", [0.005, 0.025])
def test_the_normal_distribution_takes_over_without_a_step(
    tail: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = rank_sum_quantile(50, tail)
    monkeypatch.setattr("deploy.tests.timing.timing_stats.EXACT", 0)
    assert exact - 4 <= rank_sum_quantile(50, tail) <= exact


def test_too_few_pairs_say_nothing() -> None:
    assert shift([1.0] * 8, 0.99) == Shift(1, 1, 1)
    with pytest.raises(ValueError, match="too few"):
        shift([1.0] * 7, 0.99)


@pytest.mark.parametrize("pairs", [20, 100])
def test_the_interval_holds_the_truth_as_often_as_it_says(pairs: int) -> None:
    """With tails as heavy as a busy machine's: one time in ten is ten times longer."""
    trials, truth = 400, 0.3
    random.seed(1)
    held = 0
    for _ in range(trials):
        found = shift([truth + noise() - noise() for _ in range(pairs)], 0.9)
        held += found.low <= truth <= found.high
    assert held / trials == pytest.approx(0.9, abs=0.045)  # three standard errors


def noise() -> float:
    return random.expovariate(1) * random.choice((1,) * 9 + (10,))


# ---- The decision ----------------------------------------------------------------


def found_in(
    monkeypatch: pytest.MonkeyPatch, difference: float, spread: float
) -> timing_stats.Comparison:
    """What is found where a hash takes 1, by rounds with so much noise."""

    def timed(ways: object) -> dict[str, float]:
        return {
            timing_stats.STANDARD: 1 + spread * noise(),
            timing_stats.HASH: 1,
            "other": 1 + difference + spread * noise(),
        }

    random.seed(2)
    monkeypatch.setattr(timing_stats, "timed", timed)
    ways = dict.fromkeys((timing_stats.STANDARD, "other"), int)
    return timing_stats.in_rounds(ways, float("inf"))["other"]


@pytest.mark.parametrize("difference", [-0.3, -0.2, -0.05, 0, 0.05, 0.2, 0.3, 1])
def test_what_differs_is_told_from_what_does_not(
    monkeypatch: pytest.MonkeyPatch, difference: float
) -> None:
    found = found_in(monkeypatch, difference, 0.05)
    assert found.decided
    assert found.different == (abs(difference) > timing_stats.TOLERANCE)
    assert found.likely_equal != found.different
    assert found.pairs >= timing_stats.PAIRS or found.different


def test_a_difference_is_seen_at_the_first_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A whole hash, on a machine whose noise is as large as the hash itself."""
    found = found_in(monkeypatch, -1, 0.3)
    assert (found.pairs, found.different) == (20, True)


def test_noise_that_drowns_all_leaves_it_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the last look the estimate has to do, and the comparison says so."""
    found = found_in(monkeypatch, 0, 1)
    assert found.pairs == timing_stats.LOOKS[-1]
    assert not found.decided
    assert str(found).endswith("undecided")


def test_time_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The round under way is ended, and what is there is judged."""
    clock = cycle([0.0] * 30 + [99.0] * 30)
    monkeypatch.setattr(timing_stats.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(timing_stats, "hash_time", lambda: 1.0)
    ways = dict.fromkeys((timing_stats.STANDARD, "other"), int)
    found = timing_stats.in_rounds(ways, 60)["other"]
    assert 20 <= found.pairs < 50


def test_noise_alone_is_hardly_ever_a_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Six ways, none of which differs, where noise is many times the bound: at 99 % one
    run in twelve found a difference."""

    def timed(ways: dict[str, timing_stats.Way]) -> dict[str, float]:
        return {name: 3 * noise() for name in ways} | {timing_stats.HASH: 1}

    random.seed(3)
    monkeypatch.setattr(timing_stats, "timed", timed)
    monkeypatch.setattr(timing_stats, "LOOKS", (20, 50))
    alarms = 0
    for _ in range(100):
        ways = dict.fromkeys((timing_stats.STANDARD, *"abcdef"), int)
        found = timing_stats.in_rounds(ways, float("inf"))
        alarms += any(comparison.different for comparison in found.values())
    assert alarms <= 1
