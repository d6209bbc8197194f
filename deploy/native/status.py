"""`status` and `logs`: what runs, and what it says."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import configure, control, health, running
from .files import tail
from .layout import Layout
from .problems import USAGE, Problem
from .services import Service, discover

READY, DEGRADED, STOPPED = "ready", "degraded", "stopped"
EXIT_CODES = {READY: 0, STOPPED: 3, DEGRADED: 4}
FOLLOW_PAUSE = 0.3
NOT_STARTED = {"pid": None, "state": STOPPED, "restarts": 0, "healthy": False}


def show(layout: Layout, *, as_json: bool) -> int:
    found = gather(layout)
    if as_json:
        print(json.dumps(found))
    else:
        print(_table(found))
    return EXIT_CODES[found["state"]]


def gather(layout: Layout) -> dict[str, Any]:
    """The state of the stack. `ready`: everything runs and does its work."""
    url = configure.public_url(layout)
    if not running.is_running(layout):
        return {"state": STOPPED, "url": url, "processes": {}}
    processes = _processes(layout, discover(layout.root))
    healthy = all(found["healthy"] for found in processes.values())
    state = READY if healthy else DEGRADED
    return {"state": state, "url": url, "processes": processes}


def _processes(layout: Layout, services: Sequence[Service]) -> dict[str, Any]:
    """What the supervisor runs, and what a service added since will bring."""
    processes: dict[str, Any] = control.ask(layout, "status")["processes"]
    # The running gateway knows the services it was started with, and no others.
    started = [service for service in services if service.name in processes]
    probes = health.probes(layout, started)
    for name, found in processes.items():
        alive = found["state"] in ("running", "replaced")
        # A service whose folder was removed has nobody left to ask.
        found["healthy"] = alive and (name not in probes or probes[name]())
    for service in services:
        for name in (service.database, service.name):
            processes.setdefault(name, dict(NOT_STARTED))
    return processes


def logs(layout: Layout, name: str | None, *, follow: bool) -> None:
    """The end of one log or of all; then, with `follow`, whatever comes."""
    paths = sorted(layout.logs.glob(f"{name}.log" if name else "*.log"))
    if not paths:
        known = ", ".join(sorted(path.stem for path in layout.logs.glob("*.log")))
        raise Problem(f"There is no log of {name or 'anything'}.", hint=known)
    sizes = {path: path.stat().st_size for path in paths}
    for path in paths:
        _print_lines(path, tail(path, 50 if name else 10), alone=bool(name))
    while follow:
        time.sleep(FOLLOW_PAUSE)
        for path in paths:
            sizes[path] = _print_new(path, sizes[path], alone=bool(name))


def parse_logs_arguments(arguments: Sequence[str]) -> tuple[str | None, bool]:
    names = [item for item in arguments if item not in ("-f", "--follow")]
    if len(names) > 1 or any(item.startswith("-") for item in names):
        raise Problem("Usage: logs [process] [-f]", code=USAGE)
    return (names[0] if names else None), len(names) < len(arguments)


def _print_new(path: Path, seen: int, *, alone: bool) -> int:
    size = path.stat().st_size
    if size < seen:  # It was rotated.
        seen = 0
    if size > seen:
        with path.open("rb") as file:
            file.seek(seen)
            text = file.read(size - seen).decode("utf-8", "replace")
        _print_lines(path, text, alone=alone)
    return size


def _print_lines(path: Path, text: str, *, alone: bool) -> None:
    prefix = "" if alone else f"{path.stem:<10} | "
    for line in text.splitlines():
        print(f"{prefix}{line}", flush=True)


def _table(found: dict[str, Any]) -> str:
    lines = [f"{found['state']}  {found['url']}"]
    for name, process in found["processes"].items():
        notes = [f"pid {process['pid'] or '-'}"]
        if process["restarts"]:
            notes.append(f"restarts {process['restarts']}")
        if process["state"] == "running" and not process["healthy"]:
            notes.append("not healthy")
        lines.append(f"  {name:<12} {process['state']:<11} {', '.join(notes)}")
    return "\n".join(lines)
