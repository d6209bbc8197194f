"""compose.yaml, merged with those of services that bring one, as the suites read it."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
# In the order of COMPOSE_FILE.
FILES = [ROOT / "compose.yaml", *sorted(ROOT.glob("*_project/compose.yaml"))]


def merged(one: Any, other: Any) -> Any:
    """As Compose merges what these files have in common: mappings, and nothing else."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys()}
    return {**one, **other, **both}


COMPOSE: dict[str, Any] = {}
for file in FILES:
    COMPOSE = merged(COMPOSE, yaml.safe_load(file.read_text()))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# As everywhere: every folder `<name>_project` with a manage.py is a service.
PROJECTS = sorted(
    path.parent.name.removesuffix("_project")
    for path in ROOT.glob("*_project/manage.py")
)
MIGRATIONS = [f"{name}-migrate" for name in PROJECTS]
DATABASES = [f"{name}-db" for name in PROJECTS]


def secrets_of(name: str) -> dict[str, str]:
    """Path inside the container -> name of the secret."""
    found = {}
    for item in SERVICES[name].get("secrets", []):
        entry = {"source": item, "target": item} if isinstance(item, str) else item
        found[f"/run/secrets/{entry['target']}"] = entry["source"]
    return found


def mounts_of(name: str) -> str:
    return str(SERVICES[name].get("volumes", []))
