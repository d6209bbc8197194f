"""The kept mutations, the requirements of docs/security, and whether they agree."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
LEAST = 60  # requirements that have a mutation
REQUIREMENT = re.compile(r"^## ([A-Z0-9]+-\d{2})\n(.+?)(?=^## |\Z)", re.M | re.S)
STATUS = re.compile(r"^Status: (met\.|(?:partly met|not met|deviates): \S)", re.M)
TEST = re.compile(r"^\* `([\w/]+\.py)::(\w+)`$", re.M)
# Of index.md: how many requirements a topic has, so that none is left out.
TOPIC = re.compile(r"^\| ([A-Z0-9]+) \| .+ \| (\d+) \|$", re.M)


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
            raise ValueError(f"`{self.old}` is {times} times in the file")
        changed = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            compile(changed, self.file, "exec")
        return changed


def load() -> list[Mutation]:
    """Raises TypeError for a key too many or missing."""
    texts = [path.read_text("utf-8") for path in sorted(FOLDER.glob("*.toml"))]
    return [
        Mutation(**each) for text in texts for each in tomllib.loads(text)["mutation"]
    ]


def faults(root: Path, mutations: Sequence[Mutation]) -> list[str]:
    """One line for each fault of the pages or of a mutation. Reads files alone."""
    pages = (root / "docs" / "security").glob("*.md")
    text = "\n".join(path.read_text("utf-8") for path in pages)
    requirements = REQUIREMENT.findall(text)
    ids = [id for id, _ in requirements]
    counts = {topic: range(1, int(count) + 1) for topic, count in TOPIC.findall(text)}
    wanted = [f"{topic}-{n:02}" for topic, numbers in counts.items() for n in numbers]
    found = [f"{id}: not in docs/security" for id in wanted if id not in ids]
    found += [f"{id}: not in index.md" for id in ids if id not in wanted]
    found += [f"{id}: twice" for id in set(ids) if ids.count(id) > 1]
    for id, section in requirements:
        found += [f"{id}: {fault}" for fault in _faults_of_section(root, section)]
    proofs = {
        (id, "::".join(t)) for id, part in requirements for t in TEST.findall(part)
    }
    for each in mutations:
        if (each.id, each.test) not in proofs:
            found.append(f"{each.id} {each.file}: its page does not name {each.test}")
        try:
            each.applied_to((root / each.file).read_text("utf-8"))
        except (OSError, ValueError, SyntaxError) as error:
            found.append(f"{each.id} {each.file}: {error}")
    if (count := len({each.id for each in mutations})) < LEAST:
        found.append(f"only {count} requirements have a mutation, of {LEAST} at least")
    return found


def _faults_of_section(root: Path, section: str) -> Iterator[str]:
    status, tests = STATUS.search(section), TEST.findall(section)
    if not status:
        yield "no `Status: met.`, or another with its reason"
    elif not tests and not status[1].startswith("not met"):
        yield "no test"
    for file, name in tests:
        text = (root / file).read_text("utf-8") if (root / file).is_file() else ""
        if not re.search(rf"^def {name}\(", text, re.M):
            yield f"there is no test {file}::{name}"
