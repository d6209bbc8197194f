"""The kept mutations: read from the .toml files of this folder, applied to a copy."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from .page import Requirement, uncovered

FOLDER = Path(__file__).parent
LEAST = 60  # requirements that have one


class NotApplicable(Exception):
    """The code is no longer what the mutation was written for."""


@dataclass(frozen=True)
class Mutation:
    """In `file`, `old` (once there) becomes `new`; then `test` has to fail.

    They differ in one line. What is not unique has the lines around it with it.
    """

    id: str
    file: str
    old: str
    new: str
    test: str

    def __str__(self) -> str:
        return f"{self.id} {self.file}"

    @property
    def is_of_one_line(self) -> bool:
        old, new = self.old.split("\n"), self.new.split("\n")
        differ = [one != other for one, other in zip_longest(old, new)]
        return len(old) == len(new) and differ.count(True) == 1

    def applied_to(self, text: str) -> str:
        """Raises NotApplicable where `old` is not there exactly once, or the result
        is no Python."""
        if (times := text.count(self.old)) != 1:
            raise NotApplicable(f"`{self.old}` is {times} times in {self.file}")
        changed = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            try:
                compile(changed, self.file, "exec")
            except SyntaxError as error:
                raise NotApplicable(f"no Python: {error}") from error
        return changed


def load(folder: Path = FOLDER) -> list[Mutation]:
    """In the order of the files. Raises TypeError for a key too many or missing."""
    return [
        Mutation(**entry)
        for path in sorted(folder.glob("*.toml"))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["mutation"]
    ]


def faults(
    mutations: Sequence[Mutation], requirements: Mapping[str, Requirement], root: Path
) -> Iterator[str]:
    """One line for each mutation that could prove nothing."""
    for mutation in mutations:
        if not mutation.is_of_one_line:
            yield f"{mutation}: not a change of one line"
        if uncovered(requirements, mutation.id, mutation.test):
            yield f"{mutation}: the page does not name {mutation.test} for it"
        try:
            mutation.applied_to((root / mutation.file).read_text(encoding="utf-8"))
        except (OSError, NotApplicable) as error:
            yield f"{mutation}: {error}"
    ids = {mutation.id for mutation in mutations}
    if len(ids) < LEAST:
        yield f"only {len(ids)} requirements have a mutation, of {LEAST} at least"
