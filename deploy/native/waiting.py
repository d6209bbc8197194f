"""Waiting until processes are healthy, and saying why when they are not."""

import time
from collections.abc import Iterable, Sequence

from . import application, control, health
from .files import tail
from .layout import Layout
from .problems import Problem
from .services import Service

READY_SECONDS = 60.0
# A wrong setting ends a service at once, again and again: no use in waiting longer.
HOPELESS_RESTARTS = 3


def until_healthy(
    layout: Layout,
    services: Sequence[Service],
    names: Iterable[str],
    seconds: float = READY_SECONDS,
) -> None:
    """Return when every named process does its work; a Problem when one does not."""
    probes = health.probes(layout, services)
    deadline = time.monotonic() + seconds
    before = _restarts(layout)
    waiting = list(names)
    while waiting := [name for name in waiting if not probes[name]()]:
        now = _restarts(layout)
        for name in waiting:
            if now[name] - before[name] >= HOPELESS_RESTARTS:
                _explain(layout, services, name)
                raise failure(layout, name, "does not stay up")
        if time.monotonic() > deadline:
            raise failure(layout, waiting[0], "does not become healthy")
        time.sleep(0.05)


def _explain(layout: Layout, services: Sequence[Service], name: str) -> None:
    """A service that dies of a wrong setting says which, in one line."""
    for service in services:
        if service.name == name:
            application.check_server(layout, service)


def failure(layout: Layout, name: str, what: str) -> Problem:
    """The process, what it does wrong, and the end of its log."""
    log = layout.log(name)
    lines = tail(log).replace("\n", "\n    ")
    return Problem(f"{name} {what}. The end of {log}:\n    {lines}")


def _restarts(layout: Layout) -> dict[str, int]:
    processes = control.ask(layout, "status")["processes"]
    return {name: found["restarts"] for name, found in processes.items()}
