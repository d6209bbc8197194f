"""Settings without effect: unparsable, twice, misspelt, or in the wrong `.env` file."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from .files import NAME, read_text
from .layout import Layout

# For Compose, and how one service calls another: whichever services there are.
OTHERS = re.compile(
    r"(COMPOSE|DOCKER|MEMO)_.*|[A-Z0-9_]+_SERVICE_(URL|API_KEY|API_KEY_FILE)"
)


def faults(layout: Layout, outputs: Mapping[str, str]) -> Iterator[str]:
    """What is wrong, by the names of the settings that services have printed."""
    known = {}
    for service, output in outputs.items():
        lines = re.findall(r"^names: (.*)$", output, re.MULTILINE)
        names = {name for line in lines for name in line.split()}
        # With the owner's role, a service does not ask for the other one's.
        known[service] = names | {x.removeprefix("MIGRATION_") for x in names}
    files = [layout.root / "compose.yaml", *(layout.root / "nginx").glob("*.py")]
    of_gateway = re.findall(r"\bGATEWAY_[A-Z_]+\b", "".join(map(read_text, files)))
    readers = dict.fromkeys(of_gateway, "the gateway")
    readers |= {name: service for service, names in known.items() for name in names}
    checked = [(s.env_file, known[s.name]) for s in layout.services if s.name in known]
    # Compose passes the services' settings on from the file of the gateway.
    for path, own in [*checked, (layout.gateway_env, set(readers))]:
        for fault in _faults_of(path, own, readers):
            yield f"{path.relative_to(layout.root)}: {fault}"


def _faults_of(path: Path, known: set[str], readers: dict[str, str]) -> Iterator[str]:
    seen = set()
    for number, line in enumerate(read_text(path).splitlines(), 1):
        match = NAME.match(line)
        name = match[1] if match else ""
        if not match and line.strip() and not line.startswith("#"):
            yield f"line {number} is neither a setting nor a comment"
        elif name in seen:
            yield f"{name} is there twice; the last one holds"
        elif name and name not in known and not OTHERS.fullmatch(name):
            if name in readers:
                yield f"{name} has no effect here; {readers[name]} reads it"
            elif similar := get_close_matches(name.upper(), known, 1, 0.8):
                yield f"{name} has no effect; did you mean {similar[0]}?"
        seen |= {name} - {""}
