"""Settings without effect: unparsable, twice, misspelt, or in the wrong `.env` file."""

import re
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from .application import run_all
from .files import NAME, read_env, read_text
from .layout import Layout
from .programs import Job

# Prints the names that a service reads. `up` runs this as a part of a longer script.
PRINT_NAMES = """
from django.conf import settings
from shared.checks import READ_ELSEWHERE
print("names:", *settings.ENV_FILE_NAMES.known, *READ_ELSEWHERE)
"""
SETUP = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
"""
SIMILAR = 0.8
# Of the gateway's file, these are for Compose.
OF_COMPOSE = re.compile(r"(COMPOSE|DOCKER|MEMO)_.*")
# How one service calls another: in every file, whichever services there are.
OF_CALLS = re.compile(r"[A-Z0-9_]+_SERVICE_(URL|API_KEY|API_KEY_FILE)")


def ask(layout: Layout) -> list[str]:
    """As `faults`, after asking each service which names it reads."""
    jobs = []
    for service in layout.services:
        command = [layout.python, "-c", SETUP + PRINT_NAMES]
        env = layout.base_env()
        if layout.stack:
            env["ENV_FILE"] = str(service.env_file)
        jobs.append(Job(f"{service.name}: settings", command, service.project, env))
    return faults(layout, run_all(*jobs))


def faults(layout: Layout, outputs: list[str]) -> list[str]:
    """What is wrong, by the services' output with the names that they read."""
    known: dict[str, set[str]] = {}
    for service, output in zip(layout.services, outputs, strict=True):
        lines = re.findall(r"^names: (.*)$", output, re.MULTILINE)
        names = {name for line in lines for name in line.split()}
        # With the owner's role, a service does not ask for the other one's.
        known[service.name] = names | {x.removeprefix("MIGRATION_") for x in names}
    found = []
    for service in layout.services:
        own = known[service.name]
        readers = dict.fromkeys(_names_of_gateway(layout), "the gateway")
        readers |= {name: s for s, names in known.items() for name in names}
        found += [
            f"{_short(layout, service.env_file)}: {fault}"
            for fault in _faults_of(service.env_file, own, readers)
        ]
    own = _names_of_gateway(layout).union(*known.values())
    path = layout.gateway_env
    return found + [f"{_short(layout, path)}: {x}" for x in _faults_of(path, own, {})]


def _faults_of(path: Path, known: set[str], readers: dict[str, str]) -> Iterator[str]:
    lines = read_text(path).splitlines()
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#") and not NAME.match(line):
            yield f"line {number} is neither a setting nor a comment"
    counts = Counter(match[1] for line in lines if (match := NAME.match(line)))
    for name in (name for name, count in counts.items() if count > 1):
        yield f"{name} is there twice; the last one holds"
    for name in sorted(read_env(path)):
        if name in known or OF_COMPOSE.fullmatch(name) or OF_CALLS.fullmatch(name):
            continue
        if name in readers:
            yield f"{name} has no effect here; {readers[name]} reads it"
        elif similar := get_close_matches(name.upper(), known, n=1, cutoff=SIMILAR):
            yield f"{name} has no effect; did you mean {similar[0]}?"


def _names_of_gateway(layout: Layout) -> set[str]:
    files = [layout.root / "compose.yaml", *(layout.root / "nginx").glob("*.py")]
    text = "".join(read_text(path) for path in files)
    return set(re.findall(r"\bGATEWAY_[A-Z_]+\b", text))


def _short(layout: Layout, path: Path) -> str:
    return str(path.relative_to(layout.root))
