"""Ways of asking, timed in turns, and whether one of them takes longer than another.

Each round asks once in every way, in random order: what the machine does meanwhile
meets all of them alike, and two times of a round are a pair (see `ranks`).
"""

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from argon2.low_level import Type, hash_secret

from deploy.tests.timing.signed_ranks import Shift, shift

TOLERANCE = 0.10  # of one hash (PWD-06)
PAIRS = 100  # 200 samples, before two ways are called equal
LOOKS = (20, 50, PAIRS, 2 * PAIRS)  # pairs after which it may be decided
# Of each look. A difference needs more than equality does: where noise is many times
# the bound, six ways at four looks would else raise a false alarm in one run of twelve.
CONFIDENCE, SURENESS = 0.99, 0.9999
WARM_UP = 3  # rounds that nobody looks at
PATIENCE = 45  # seconds after which no round is begun, but for those to the first look

STANDARD, HASH = "standard", "hash"
Way = Callable[[], object]


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
