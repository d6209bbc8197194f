"""What is found in noise of which the truth is known."""

import random

import pytest

from deploy.tests.timing.timing_stats import HASH, TOLERANCE, compared


def noise() -> float:
    """With a tail as heavy as a busy machine's: one time in ten is ten times longer."""
    return random.expovariate(1) * random.choice((1,) * 9 + (10,))


@pytest.mark.parametrize("difference", [-1, -0.3, -0.05, 0, 0.05, 0.2, 1])
def test_what_differs_is_distinguished_from_what_does_not(difference):
    """Where a hash takes 1."""
    random.seed(2)
    rounds = [
        {HASH: 1, "one": 0.05 * noise(), "other": difference + 0.05 * noise()}
        for _ in range(200)
    ]
    found = compared("other", "one", rounds)
    assert found.different == (abs(difference) > TOLERANCE)
    assert found.alike != found.different


def test_noise_alone_is_hardly_ever_a_difference():
    """Six ways, none of which differs, where noise is many times the bound."""
    random.seed(3)
    alarms = 0
    for _ in range(50):
        rounds = [
            {HASH: 1, **{name: 3 * noise() for name in "abcdefg"}} for _ in range(100)
        ]
        found = [compared(name, "a", rounds) for name in "bcdefg"]
        alarms += any(each.different for each in found)
    assert alarms <= 1
