"""The kept mutations, the requirements of docs/security, and whether they agree."""

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
PAGES = Path("docs", "security")
LEAST = 60  # requirements that have a mutation
REQUIREMENT = re.compile(r"^## ([A-Z0-9]+-\d{2})\n(.+?)(?=^## |\Z)", re.M | re.S)
STATUS = re.compile(r"^Status: (met\.|(?:partly met|not met|deviates): \S)", re.M)
TEST = re.compile(r"^\* `([\w/]+\.py)::(\w+)`$", re.M)
# Of index.md: how many requirements a subject has, so that none is left out.
SUBJECT = re.compile(r"^\| ([A-Z0-9]+) \| .+ \| (\d+) \|$", re.M)


@dataclass(frozen=True)
class Mutation:
    """In `file`, `old` becomes `new`; then `test` has to fail. They differ in one line;
    a line that is not unique has its neighbours with it."""

    id: str
    file: str
    old: str
    new: str
    test: str

    def applied_to(self, text: str) -> str:
        """Raises ValueError where it does not apply exactly once, SyntaxError where the
        result is no Python."""
        old, new = self.old.split("\n"), self.new.split("\n")
        changes = [one != other for one, other in zip(old, new, strict=False)]
        if len(old) != len(new) or changes.count(True) != 1:
            raise ValueError("not a change of one line")
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"`{self.old}` is {times} times in {self.file}")
        changed = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            compile(changed, self.file, "exec")
        return changed


def load(folder: Path = FOLDER) -> list[Mutation]:
    """Raises TypeError for a key too many or missing."""
    return [
        Mutation(**entry)
        for path in sorted(folder.glob("*.toml"))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["mutation"]
    ]


def faults(root: Path, mutations: Sequence[Mutation]) -> list[str]:
    """One line for each fault of the pages or of a mutation. Reads files alone."""
    pages = [path.read_text(encoding="utf-8") for path in (root / PAGES).glob("*.md")]
    rows = REQUIREMENT.findall("\n".join(pages))
    ids = [id for id, _ in rows]
    subjects = SUBJECT.findall("\n".join(pages))
    counts = {name: range(1, int(count) + 1) for name, count in subjects}
    wanted = [f"{name}-{n:02}" for name, numbers in counts.items() for n in numbers]
    found = [f"{id}: not in docs/security" for id in wanted if id not in ids]
    found += [f"{id}: not in index.md" for id in ids if id not in wanted]
    found += [f"{id}: twice" for id in set(ids) if ids.count(id) > 1]
    for id, text in rows:
        found += [f"{id}: {fault}" for fault in _faults_of_requirement(root, text)]
    proofs = {(id, "::".join(test)) for id, text in rows for test in TEST.findall(text)}
    for mutation in mutations:
        place = f"{mutation.id} {mutation.file}"
        found += [f"{place}: {fault}" for fault in _faults_of(root, mutation, proofs)]
    if (count := len({mutation.id for mutation in mutations})) < LEAST:
        found.append(f"only {count} requirements have a mutation, of {LEAST} at least")
    return found


def _faults_of_requirement(root: Path, text: str) -> Iterator[str]:
    status, tests = STATUS.search(text), TEST.findall(text)
    if not status:
        yield "no `Status: met.`, or another with its reason"
    elif not tests and not status[1].startswith("not met"):
        yield "no test"
    for file, name in tests:
        if name not in _tests_in(root / file):
            yield f"there is no test {file}::{name}"


def _tests_in(path: Path) -> set[str]:
    """Read, not imported: the modules of five suites do not fit into one process."""
    tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def _faults_of(
    root: Path, mutation: Mutation, proofs: set[tuple[str, str]]
) -> Iterator[str]:
    if (mutation.id, mutation.test) not in proofs:
        yield f"its page does not name {mutation.test}"
    try:
        mutation.applied_to((root / mutation.file).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        yield str(error)
