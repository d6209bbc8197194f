"""What a fault is, and those of the ways between parts."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

from deploy.tests.chaos.expected_state import Ledger
from deploy.tests.chaos.link import Mode
from deploy.tests.chaos.proxied_stack import Rig
from deploy.tests.chaos.timeline import Trouble

# Seconds that a fault lasts. Shorter than the leeway of refresh tokens, or who tries
# again after a lost answer is, by the rules, taken for a thief.
SHORTEST, LONGEST = 1.0, 4.0


@dataclass
class Stage:
    """What a fault may reach for."""

    rig: Rig
    ledger: Ledger
    rng: Random
    trouble: Trouble | None = None

    def lift(self) -> None:
        """From here on it is recovery."""
        if self.trouble:
            self.trouble.lifted = time.monotonic()

    def last(self) -> None:
        time.sleep(self.rng.uniform(SHORTEST, LONGEST))


Act = Callable[[Stage], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """`act` breaks something on entering, and on leaving all is healthy again. One that
    happens in a moment (`lasts` is false) is over at once: the rest is recovery."""

    name: str
    parts: tuple[str, ...]
    act: Act
    lasts: bool = True
    flushes: bool = False


@contextmanager
def linked(modes: dict[str, Mode], stage: Stage) -> Iterator[None]:
    for way, mode in modes.items():
        stage.rig.set(way, mode)
    try:
        yield
    finally:
        for way in modes:
            stage.rig.set(way, Mode())


def on_way(way: str, mode: Mode) -> Act:
    return partial(linked, {way: mode})
