"""compose.yaml, merged with those of services that bring one, as Compose reads it."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
# In the order of COMPOSE_FILE.
FILES = [ROOT / "compose.yaml", *sorted(ROOT.glob("*_project/compose.yaml"))]
COMMON = ROOT / "deploy" / "compose" / "common.yaml"
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def merged(one: Any, other: Any) -> Any:
    """As Compose merges: mappings by key, lists (but commands) one after the other."""
    if isinstance(one, list) and isinstance(other, list):
        return one + other
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys()}
    both |= {key: other[key] for key in ("command", "entrypoint") if key in other}
    return {**one, **other, **both}


def extended(service: dict[str, Any], file: Path) -> dict[str, Any]:
    """The service together with those that it extends. Paths start at the root."""
    above = service.get("extends")
    if not above:
        return service
    source = ROOT / above["file"] if "file" in above else file
    text = re.sub(r"(?<=[ \[])(\.\./)+", _from_root, source.read_text())
    base = yaml.safe_load(text)["services"][above["service"]]
    own = {key: value for key, value in service.items() if key != "extends"}
    found: dict[str, Any] = merged(extended(base, source), own)
    return found


def _from_root(match: re.Match[str]) -> str:
    """Of a path in deploy/compose."""
    return {"../../": "./", "../": "./deploy/"}[match[0]]


COMPOSE: dict[str, Any] = {}
for file in FILES:
    COMPOSE = merged(COMPOSE, yaml.safe_load(file.read_text()))
SERVICES: dict[str, dict[str, Any]] = {
    name: extended(service, FILES[0]) for name, service in COMPOSE["services"].items()
}
# As everywhere: every folder `<name>_project` with a manage.py is a service.
PROJECTS = sorted(
    path.parent.name.removesuffix("_project")
    for path in ROOT.glob("*_project/manage.py")
)
MIGRATIONS = [f"{name}-migrate" for name in PROJECTS]
WORKERS = ["users-worker"]
DATABASES = [f"{name}-db" for name in PROJECTS]


def secrets_of(name: str) -> dict[str, str]:
    """Path inside the container -> name of the secret."""
    found = {}
    for item in SERVICES[name].get("secrets", []):
        entry = {"source": item, "target": item} if isinstance(item, str) else item
        found[f"/run/secrets/{entry['target']}"] = entry["source"]
    return found


def mounts_of(name: str) -> dict[str, dict[str, Any]]:
    """Path inside the container -> what is mounted there."""
    found = {}
    for item in SERVICES[name].get("volumes", []):
        if isinstance(item, str):
            source, target = item.split(":")
            item = {"type": "volume", "source": source, "target": target}
        found[item["target"]] = item
    return found
