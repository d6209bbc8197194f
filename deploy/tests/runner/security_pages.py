"""The requirements of docs/security: each has its status and tests that exist, and its
mutations apply."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.mutations.catalogue import Mutation

LEAST = 60  # requirements that have a mutation
REQUIREMENT = re.compile(r"^## ([A-Z0-9]+-\d{2})\n(.+?)(?=^## |\Z)", re.M | re.S)
STATUS = re.compile(r"^Status: (met\.|(?:partly met|not met|deviates): \S)", re.M)
TEST = re.compile(r"^\* `([\w/]+\.py)::(\w+)`$", re.M)
# Of index.md: how many requirements a topic has, so that none is left out.
TOPIC = re.compile(r"^\| ([A-Z0-9]+) \| .+ \| (\d+) \|$", re.M)


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
