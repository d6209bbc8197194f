"""Which mutations: the words after `./manage_all.sh mutate`."""

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass

from .catalog import Mutation

LARGEST_SEED = 10**6


@dataclass(frozen=True)
class Choice:
    """All, or those of some requirements, or so many at random."""

    all: bool
    ids: frozenset[str]
    count: int
    seed: int

    def of(self, mutations: Sequence[Mutation]) -> list[Mutation]:
        """Random ones come one for a requirement."""
        if self.all:
            return list(mutations)
        if self.ids:
            return [each for each in mutations if each.id in self.ids]
        shuffled = random.Random(self.seed).sample(mutations, len(mutations))  # noqa: S311
        by_id = {each.id: each for each in shuffled}
        return list(by_id.values())[: self.count]

    def __str__(self) -> str:
        if self.all or self.ids:
            return "all" if self.all else ", ".join(sorted(self.ids))
        return f"these again: --random {self.count} --seed {self.seed}"


def parse(arguments: Sequence[str], mutations: Sequence[Mutation]) -> Choice:
    """Ends the process, with a message, for words that mean nothing."""
    parser = argparse.ArgumentParser("mutate", allow_abbrev=False, description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every one that is kept")
    which.add_argument("--id", nargs="+", default=[], metavar="TOK-01")
    which.add_argument("--random", type=int, default=10, metavar="10")
    seed = random.randrange(LARGEST_SEED)  # noqa: S311 (not a secret)
    parser.add_argument("--seed", type=int, default=seed)
    found = parser.parse_args(arguments)
    if unknown := set(found.id) - {each.id for each in mutations}:
        parser.error(f"no mutation is kept for {', '.join(sorted(unknown))}")
    return Choice(found.all, frozenset(found.id), found.random, found.seed)
