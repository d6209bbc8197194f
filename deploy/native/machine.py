"""What `doctor` finds on this machine: programs, ports, files and space."""

import os
import platform
import pwd
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import addresses, apt, configure, engines, ports, running, virtualenv
from .engine_kinds import KINDS
from .findings import NOTE, OK, WRONG, Finding, judge
from .layout import Layout
from .services import Service

# Older ones have known holes; distributions patch theirs under the old number.
SAFE_VERSIONS = {"Nginx": (1, 30, 7), "Redis": (7, 2, 11), "PostgreSQL": (15,)}
LEAST_SPACE, LITTLE_SPACE = 256 << 20, 2 << 30  # bytes


def examine(layout: Layout, services: Sequence[Service]) -> Iterator[Finding]:
    yield _user()
    python = f"Python {platform.python_version()} ({sys.executable})"
    yield Finding("machine", "python", OK, python)
    yield from _engines(layout)
    yield _environment(layout)
    yield from _ports(layout, services)
    yield _space(layout)
    yield _modes(layout, services)


def _user() -> Finding:
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        text = f"user id {os.getuid()} has no name, which PostgreSQL needs"
        return Finding("machine", "user", WRONG, text, "Name a user: MEMO_USER=...")
    return Finding("machine", "user", OK, f"everything runs as {name}")


def _engines(layout: Layout) -> Iterator[Finding]:
    found = engines.look(layout)
    for kind in KINDS:
        engine = found[kind.name]
        if engine and engine.version < SAFE_VERSIONS[engine.kind]:
            floor = ".".join(map(str, SAFE_VERSIONS[engine.kind]))
            advice = f"{floor} or newer, unless your distribution has patched it."
            yield Finding("machine", kind.name, NOTE, str(engine), advice)
        elif engine:
            yield Finding("machine", kind.name, OK, str(engine))
        elif apt.usable():
            text = "`up` will unpack the system's package"
            yield Finding("machine", kind.name, NOTE, text)
        else:
            text = "not found, and this is not Debian's apt"
            yield Finding("machine", kind.name, WRONG, text, kind.packages[0])


def _environment(layout: Layout) -> Finding:
    if virtualenv.fits(layout):
        return Finding("machine", "packages", OK, "Python packages are installed")
    text = "Python packages: `up` will install them"
    return Finding("machine", "packages", NOTE, text)


def _ports(layout: Layout, services: Sequence[Service]) -> Iterator[Finding]:
    written = addresses.written(layout, services)
    if running.is_running(layout):
        text = f"the stack runs, at {configure.public_url(layout)}"
        yield Finding("machine", "stack", OK, text)
        return
    if written is None:
        text = "the next `up` will choose those that are missing"
        yield Finding("machine", "ports", NOTE, text)
        return
    for name, port in {**written.services, "gateway": written.gateway}.items():
        yield judge(
            "machine",
            "ports",
            ports.is_free(port),
            f"port {port} ({name}) is free",
            f"port {port} ({name}) is used by another program",
            f"Stop it, or choose: {name.upper()}_PORT=... {layout.command} up",
        )


def _space(layout: Layout) -> Finding:
    """PostgreSQL stops when the disk is full, and its log fills it."""
    folder = next(each for each in (layout.state, layout.root) if each.exists())
    free = shutil.disk_usage(folder).free
    text = f"{free >> 20} MiB of disk are free"
    if free < LITTLE_SPACE:
        verdict = WRONG if free < LEAST_SPACE else NOTE
        return Finding("machine", "space", verdict, text, f"Make room at {folder}.")
    return Finding("machine", "space", OK, text)


def _modes(layout: Layout, services: Sequence[Service]) -> Finding:
    """Of every secret of the stack; a service looks at its own again."""
    paths = [path for path in layout.secrets.rglob("*") if path.is_file()]
    paths = [path for path in paths if layout.keys / "public" not in path.parents]
    paths.append(layout.gateway_env)
    for service in services:
        paths += [service.env_file(layout), service.migrate_env_file(layout)]
    open_to_others = [path for path in paths if _is_open(path)]
    return judge(
        "machine",
        "files",
        not open_to_others,
        f"none of {len(paths)} files with secrets can be read by others",
        f"others can read {', '.join(map(str, open_to_others))}",
        "chmod 600 (a private key: 400), and take what was in it for known.",
    )


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)
