"""What `init` and `up` write into the `.env` files: no secret, only their files' paths.

These files are the user's. Lines that are there stay, and lines that are missing are
added. Only addresses of this machine are kept up to date. ENVIRONMENT and COOKIE_SECURE
are written into new files alone: without them a service is in production.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .files import NAME, read_env, read_text, write_private
from .layout import Layout
from .ports import GATEWAY, Ports

TEMPLATES = Path(__file__).with_name("templates")
FOR_NEW_FILES = {"ENVIRONMENT", "COOKIE_SECURE"}
COMPOSE_FILES = r"compose\.yaml(:[a-z0-9_]+_project/compose\.yaml)+"
OUR_URL = r"http://localhost(:\d+)?"
# Values that we have written ourselves and may renew, by their names.
OURS = {
    "GATEWAY_PORT": r"\d+",
    "GATEWAY_PUBLIC_URL": OUR_URL,
    "MEMO_UID": r"\d+",
    "MEMO_GID": r"\d+",
    "COMPOSE_FILE": rf"{COMPOSE_FILES}(:compose\.override\.yaml)?",
    "BIND": r"127\.0\.0\.1:\d+",
    "JWT_ISSUER": OUR_URL,
    "DATABASE_URL": r"postgres://[a-z0-9_]+_app@//.*",
    "MIGRATION_DATABASE_URL": r"postgres://[a-z0-9_]+_owner@//.*",
    "REDIS_URL": r"unix://[a-z0-9_]+@/.*",
}


def write(layout: Layout, ports: Ports) -> None:
    """Write every `.env` file of the stack, or complete it."""
    calls = (f"{service.name.upper()}_SERVICE_URL" for service in layout.services)
    ours = {**OURS, **dict.fromkeys(calls, r"http://127\.0\.0\.1:\d+")}
    for path, text in _wanted(layout, ports).items():
        write_private(path, complete(read_text(path), text, ours))
        if path.stat().st_uid == os.getuid():
            path.chmod(0o600)


def _wanted(layout: Layout, ports: Ports) -> dict[Path, str]:
    """The text of every file, if it were new."""
    issuer = read_env(layout.gateway_env).get("GATEWAY_PUBLIC_URL", ports.url)
    values = {
        "issuer": ports.url if re.fullmatch(OUR_URL, issuer) else issuer,
        "sockets": layout.sockets,
        "url": ports.url,
        "gateway": ports.chosen[GATEWAY],
        "uid": os.getuid(),
        "gid": os.getgid(),
    }
    files = {layout.gateway_env: _fill("gateway", values) + _compose_files(layout)}
    for service in layout.services:
        # Paths are as seen from the service's folder: a checkout may be moved.
        for name in ("secrets", "static"):
            values[name] = os.path.relpath(getattr(layout, name), service.project)
        values |= {"name": service.name, "port": ports.chosen[service.name]}
        text = _fill("service", values) + _fill(service.name, values)
        for other in (each.name for each in layout.services if each != service):
            more = {"port": ports.chosen[other], "other": other, "OTHER": other.upper()}
            text += _fill("call", values | more)
        files[service.env_file] = text
        files[service.migrate_env_file] = _fill("migrate", values)
    return files


def complete(text: str, wanted: str, ours: dict[str, str]) -> str:
    """The text of an `.env` file with the settings of `wanted` that it lacks.

    Every line that is there stays as it is, but for values that match their pattern in
    `ours`. Those we wrote ourselves: they are renewed, or go where they are not wanted.
    """
    if not text:
        return wanted
    settings = {m[1]: line for line in wanted.splitlines() if (m := NAME.match(line))}
    lines = []
    for line in text.splitlines():
        match = NAME.match(line)
        if match:
            setting = settings.pop(match[1], "")
            value = line[match.end() :].strip("'\"")
            if re.fullmatch(ours.get(match[1], "(?!)"), value):
                line = setting
        if line or not match:
            lines.append(line)
    missing = [line for name, line in settings.items() if name not in FOR_NEW_FILES]
    return "\n".join([*lines, *missing]) + "\n"


def _fill(template: str, values: Mapping[str, object]) -> str:
    """Empty for a service without a template of its own."""
    return read_text(TEMPLATES / f"{template}.env").format_map(values)


def _compose_files(layout: Layout) -> str:
    """What Compose reads where services bring a file. Given a list, it no longer looks
    for the override by itself."""
    found = [service.project / "compose.yaml" for service in layout.services]
    names = [str(path.relative_to(layout.root)) for path in found if path.exists()]
    if layout.stack or not names:
        return ""
    override = layout.root / "compose.override.yaml"
    names += [override.name] if override.exists() else []
    return f"COMPOSE_FILE={':'.join(['compose.yaml', *names])}\n"
