"""The arithmetic behind the timing test, against what others have published, and what
it finds in noise of which the truth is known."""

import random

import pytest

from deploy.tests.timing import timing_stats
from deploy.tests.timing.timing_stats import compare, rank_sum_quantile, shift

# Hollander and Wolfe, example 3.1: depression before and after a tranquillizer.
BEFORE = (1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30)
AFTER = (0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29)


def test_the_textbooks_example() -> None:
    """Their estimate, and their interval of 96.1 %."""
    found = shift([y - x for x, y in zip(BEFORE, AFTER, strict=True)], 0.96)
    assert found == pytest.approx((-0.786, -0.46, -0.010))
    with pytest.raises(ValueError, match="too few"):
        shift([1.0] * 7, 0.99)


@pytest.mark.parametrize(
    ("pairs", "two_sided", "critical"),
    [(6, 0.05, 0), (10, 0.01, 3), (20, 0.01, 37), (50, 0.05, 434), (50, 0.01, 373)],
)
def test_the_published_critical_values(
    pairs: int, two_sided: float, critical: int
) -> None:
    """Wilcoxon and Wilcox 1964, table of the signed-rank test: the largest sum that is
    still significant."""
    assert rank_sum_quantile(pairs, two_sided / 2) - 1 == critical


def noise() -> float:
    """With a tail as heavy as a busy machine's: one time in ten is ten times longer."""
    return random.expovariate(1) * random.choice((1,) * 9 + (10,))


@pytest.mark.parametrize("difference", [-1, -0.3, -0.05, 0, 0.05, 0.2, 1])
def test_what_differs_is_told_from_what_does_not(
    monkeypatch: pytest.MonkeyPatch, difference: float
) -> None:
    """Where a hash takes 1."""

    def timed(_ways: object) -> dict[str, float]:
        standard, other = 1 + 0.05 * noise(), 1 + difference + 0.05 * noise()
        return {timing_stats.STANDARD: standard, timing_stats.HASH: 1, "other": other}

    random.seed(2)
    monkeypatch.setattr(timing_stats, "timed", timed)
    found = compare(int, {"other": int}, float("inf"))["other"]
    assert found.different == (abs(difference) > timing_stats.TOLERANCE)
    assert found.equal != found.different


def test_noise_alone_is_hardly_ever_a_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Six ways, none of which differs, where noise is many times the bound."""

    def timed(ways: dict[str, timing_stats.Way]) -> dict[str, float]:
        return {name: 3 * noise() for name in ways} | {timing_stats.HASH: 1}

    random.seed(3)
    monkeypatch.setattr(timing_stats, "timed", timed)
    monkeypatch.setattr(timing_stats, "LOOKS", (20, 50))
    found = [compare(int, dict.fromkeys("abcdef", int), 9e9) for _ in range(50)]
    alarms = sum(any(each.different for each in run.values()) for run in found)
    assert alarms <= 1
    assert not any(each.equal for run in found for each in run.values())
