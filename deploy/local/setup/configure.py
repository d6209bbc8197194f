"""The `.env` files: what `init` and `up` write there, and which lines have no effect.

The files hold no secrets, only the paths of secret files.

They belong to the user. `init` and `up` add missing lines, renew lines of their own
(OURS) and keep all others. They write ENVIRONMENT and COOKIE_SECURE into new files
only: without them a service is in production.
"""

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from .files import NAME, read_env, read_text, write_private
from .layout import Layout
from .ports import GATEWAY, Ports
from .secretfiles import revision

TEMPLATES = Path(__file__).parents[1] / "templates"
FOR_NEW_FILES = {"ENVIRONMENT", "COOKIE_SECURE"}
# For new files, if no service has one; else what a service says, by default DEFAULTS.
FIRST = {"ENVIRONMENT": "development", "COOKIE_SECURE": "false"}
DEFAULTS = {"ENVIRONMENT": "production", "COOKIE_SECURE": "true"}
DEFAULTS |= {"ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]"}
OUR_URL = r"http://localhost(:\d+)?"
# As `Layout.sockets`, also of the place that a checkout had before.
OUR_SOCKETS = r"(/.*/sock|/tmp/memo-\d+-[0-9a-f]{8})"
# Lines that we have written ourselves and may renew.
OURS = re.compile(
    rf"""(export\ )? (
        (GATEWAY_PORT | MEMO_UID | MEMO_GID) = ['"]? \d+
      | (GATEWAY_PUBLIC_URL | JWT_ISSUER) = ['"]? {OUR_URL}
      | [A-Z0-9_]+_SERVICE_URL = ['"]? http://127\.0\.0\.1:\d+
      | BIND = ['"]? 127\.0\.0\.1:\d+
      | (MIGRATION_)?DATABASE_URL = ['"]? postgres://\w+@/{OUR_SOCKETS}/\w+-db/\w+
      | REDIS_URL = ['"]? unix://\w+@{OUR_SOCKETS}/redis\.sock
      | MEMO_(SECRETS | REDIS)_REVISION = ['"]? [0-9a-f]*
      | COMPOSE_FILE = ['"]? compose\.yaml (:\w+_project/compose\.yaml)+
        (:compose\.override\.yaml)?
    ) ['"]?""",
    re.VERBOSE,
)
# Settings of Compose, and of calls between services, whatever their names.
OTHERS = re.compile(
    r"(COMPOSE|DOCKER|MEMO)_.*|[A-Z0-9_]+_SERVICE_(URL|API_KEY|API_KEY_FILE)"
)


def write(layout: Layout, ports: Ports) -> None:
    """Write every `.env` file of the stack, or complete it."""
    for path, text in _wanted(layout, ports).items():
        write_private(path, complete(read_text(path), text))
        if path.stat().st_uid == os.getuid():
            path.chmod(0o600)


def _wanted(layout: Layout, ports: Ports) -> dict[Path, str]:
    """The text that each file would have if it were new."""
    issuer = read_env(layout.gateway_env).get("GATEWAY_PUBLIC_URL", ports.url)
    others = (read_env(service.env_file) for service in layout.services)
    found = next(filter(None, others), FIRST)
    values = {
        **{name: found.get(name, default) for name, default in DEFAULTS.items()},
        "issuer": ports.url if re.fullmatch(OUR_URL, issuer) else issuer,
        "sockets": layout.sockets,
        "url": ports.url,
        "gateway": ports.chosen[GATEWAY],
        "uid": os.getuid(),
        "gid": os.getgid(),
        "revision": revision(layout, "*"),
        "redis_revision": revision(layout, "redis_users.acl"),
    }
    files = {layout.gateway_env: _fill("gateway", values) + _compose_files(layout)}
    for service in layout.services:
        # Relative to the service's folder, so that a checkout can be moved.
        for name in ("secrets", "static", "mail", "erasures"):
            values[name] = os.path.relpath(getattr(layout, name), service.project)
        values |= {"name": service.name, "port": ports.chosen[service.name]}
        text = _fill("service", values) + _fill(service.name, values)
        for other in (each.name for each in layout.services if each != service):
            more = {"port": ports.chosen[other], "other": other, "OTHER": other.upper()}
            text += _fill("call", values | more)
        files[service.env_file] = text
        files[service.migrate_env_file] = _fill("migrate", values)
    return files


def complete(text: str, wanted: str) -> str:
    """The text of an `.env` file with the settings of `wanted` that it lacks.

    Existing lines stay as they are, except those that we wrote ourselves (OURS): these
    are renewed, or removed if `wanted` lacks them.
    """
    if not text:
        return wanted
    settings = {m[1]: line for line in wanted.splitlines() if (m := NAME.match(line))}
    lines = []
    for line in text.splitlines():
        match = NAME.match(line)
        setting = settings.pop(match[1], "") if match else ""
        # The address of a service that is not in this checkout is the user's.
        is_ours = OURS.fullmatch(line) and (setting or "_SERVICE_URL=" not in line)
        lines += [setting] * bool(setting) if is_ours else [line]
    missing = [line for name, line in settings.items() if name not in FOR_NEW_FILES]
    return "\n".join([*lines, *missing]) + "\n"


def _fill(template: str, values: Mapping[str, object]) -> str:
    """The template with its values; empty if there is no such template."""
    return read_text(TEMPLATES / f"{template}.env").format_map(values)


def _compose_files(layout: Layout) -> str:
    """The line COMPOSE_FILE, if services have a compose.yaml. Given a list, Compose no
    longer looks for the override by itself."""
    found = [service.project / "compose.yaml" for service in layout.services]
    names = [str(path.relative_to(layout.root)) for path in found if path.exists()]
    if layout.stack or not names:
        return ""
    override = layout.root / "compose.override.yaml"
    names += [override.name] if override.exists() else []
    return f"COMPOSE_FILE={':'.join(['compose.yaml', *names])}\n"


def faults(layout: Layout, outputs: Mapping[str, str]) -> Iterator[str]:
    """What is wrong in the `.env` files, by the setting names that services printed."""
    known = {}
    for service, output in outputs.items():
        lines = re.findall(r"^names: (.*)$", output, re.MULTILINE)
        names = {name for line in lines for name in line.split()}
        # With the owner's role, a service reads MIGRATION_* instead of these names.
        known[service] = names | {x.removeprefix("MIGRATION_") for x in names}
    files = [layout.root / "compose.yaml", *(layout.root / "nginx").glob("*.py")]
    of_gateway = re.findall(r"\bGATEWAY_[A-Z_]+\b", "".join(map(read_text, files)))
    readers = dict.fromkeys(of_gateway, "the gateway")
    readers |= {name: service for service, names in known.items() for name in names}
    checked = [(s.env_file, known[s.name]) for s in layout.services if s.name in known]
    # The gateway's file may hold all settings: Compose passes them to the services.
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
            yield f"{name} is set twice; the last line counts"
        elif name.removesuffix("_FILE") in seen or f"{name}_FILE" in seen:
            short = name.removesuffix("_FILE")
            yield f"{short} and {short}_FILE are set; {short} counts"
        elif name and name not in known and not OTHERS.fullmatch(name):
            if name in readers:
                yield f"{name} has no effect here; {readers[name]} reads it"
            elif similar := get_close_matches(name.upper(), known, 1, 0.8):
                yield f"{name} has no effect; did you mean {similar[0]}?"
        seen |= {name} - {""}
