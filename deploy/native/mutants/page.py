"""docs/security.md as data: each requirement, and the tests that prove it."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PAGE = Path("docs", "security.md")
# How many requirements each subject has: none may be left out of the page.
SUBJECTS = {
    "FLOOR": 7,
    "FAIL": 9,
    "ERR": 15,
    "TOK": 25,
    "COOK": 8,
    "PWD": 9,
    "REG": 7,
    "BF": 8,
    "S2S": 10,
    "GW": 17,
    "DATA": 13,
    "CONC": 10,
    "INP": 7,
    "LOG": 7,
    "OPS": 10,
    "FUT": 11,
}
ROW = re.compile(r"^\| ([A-Z0-9]+-[0-9]{2}) \| (.+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py::\w+)`")
REASON = re.compile(r"\bNot met: \w")


@dataclass(frozen=True)
class Requirement:
    """One row of the page. `tests` are node ids, from the root of the checkout."""

    id: str
    tests: frozenset[str]
    has_reason: bool


def all_ids() -> list[str]:
    return [f"{s}-{n:02}" for s, count in SUBJECTS.items() for n in range(1, count + 1)]


def read(text: str) -> dict[str, Requirement]:
    return {
        id: Requirement(id, frozenset(TEST.findall(proof)), bool(REASON.search(proof)))
        for id, _what, proof in ROW.findall(text)
    }


def faults(text: str, root: Path) -> Iterator[str]:
    """One line for each thing that is wrong with the page."""
    rows = [id for id, *_ in ROW.findall(text)]
    found = read(text)
    yield from (f"{id}: not in the page" for id in all_ids() if id not in found)
    yield from (f"{id}: no such requirement" for id in found if id not in all_ids())
    yield from (f"{id}: twice in the page" for id in found if rows.count(id) > 1)
    for id, requirement in found.items():
        if not requirement.tests and not requirement.has_reason:
            yield f"{id}: neither a test nor `Not met:` and a reason"
        yield from _missing(requirement, root)


def _missing(requirement: Requirement, root: Path) -> Iterator[str]:
    for test in sorted(requirement.tests):
        file, _, name = test.partition("::")
        if name not in _tests_in(root / file):
            yield f"{requirement.id}: there is no test {test}"


@cache
def _tests_in(path: Path) -> frozenset[str]:
    """Read, not imported: five suites' modules would not fit into one process."""
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    return frozenset(each.name for each in functions if each.name.startswith("test_"))


def uncovered(requirements: Mapping[str, Requirement], id: str, test: str) -> bool:
    """Whether the page does not name this test for this requirement."""
    return id not in requirements or test not in requirements[id].tests
