"""The arithmetic behind the timing test, against what others have published, and what
it finds in noise of which the truth is known."""

import random

import pytest

from deploy.tests.timing import timing_stats
from deploy.tests.timing.timing_stats import compare, shift


def test_the_published_values() -> None:
    """Of fifty pairs, 373 is the largest sum that is significant at 1 % (Wilcoxon and
    Wilcox 1964, table of the signed-rank test): so many means are left out, but
    for the normal approximation's few."""
    differences = [2.0**n for n in range(50)]
    means = sorted(
        (x + y) / 2 for n, x in enumerate(differences) for y in differences[n:]
    )
    low, estimate, high = shift(differences, 0.99)
    assert abs(means.index(low) - 373) <= 4
    assert means.index(low) + means.index(high) == len(means) - 1
    assert low < estimate < high


def noise() -> float:
    """With a tail as heavy as a busy machine's: one time in ten is ten times longer."""
    return random.expovariate(1) * random.choice((1,) * 9 + (10,))


@pytest.mark.parametrize("difference", [-1, -0.3, -0.05, 0, 0.05, 0.2, 1])
def test_what_differs_is_distinguished_from_what_does_not(
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
