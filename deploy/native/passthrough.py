"""Any other word is a command of manage.py: in every service that knows it, or in
the one that is named. `runserver` on a service's own port stands in for it."""

import os
import re
import select
import signal
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from . import addresses, application, control, lifecycle, linux, running
from .layout import Layout
from .problems import USAGE, Problem
from .programs import run
from .services import Service

# What changes tables needs the role that owns them.
OWNER_COMMANDS = {"migrate", "flush", "createcachetable", "test"}
# What writes source files runs as whoever owns them, root too: the user that runs
# everything else may not write there, and that is as it should be.
CODE_WRITERS = {
    "makemigrations",
    "squashmigrations",
    "optimizemigration",
    "makemessages",
    "startapp",
    "startservice",
}
# A shell's variables reach the services, but not those that bend Python itself.
UNWANTED = re.compile(r"PYTHON.*|DJANGO_SETTINGS_MODULE|VIRTUAL_ENV|MEMO_.*")


def writes_code(arguments: Sequence[str]) -> bool:
    return bool(CODE_WRITERS & set(arguments[:2]))


def run_everywhere(
    layout: Layout, services: Sequence[Service], arguments: Sequence[str]
) -> int:
    """The command in every service that knows it; the first bad exit status."""
    _ensure_initialised(layout)
    with ThreadPoolExecutor() as pool:
        known = list(pool.map(lambda service: _commands(layout, service), services))
    chosen = [
        service
        for service, names in zip(services, known, strict=True)
        if arguments[0] in names
    ]
    if not chosen:
        raise Problem(
            f"Neither ./manage_all.sh nor any service knows `{arguments[0]}`.",
            hint="./manage_all.sh help",
            code=USAGE,
        )
    statuses = []
    for service in chosen:
        print(f"== {service.name}", flush=True)
        statuses.append(run_in(layout, service, arguments))
    return next((status for status in statuses if status), 0)


def run_in(layout: Layout, service: Service, arguments: Sequence[str]) -> int:
    """The command in one service, at the terminal of the person who asked."""
    _ensure_initialised(layout)
    words = list(arguments) or ["help"]
    if words[0] == "runserver":
        return _runserver(layout, service, words[1:])
    status = _run(layout, service, words)
    if status and not running.is_running(layout):
        print(f"memo: the stack is not running, which may be why: {layout.command} up")
    return status


def _runserver(layout: Layout, service: Service, arguments: Sequence[str]) -> int:
    """Django's own server, which reloads changed code. On the port of the service's
    gunicorn it takes that one's place, so that the gateway serves it."""
    own = addresses.written_port(layout, service)
    words = list(arguments)
    if all(word.startswith("-") for word in words):
        words.insert(0, f"{addresses.LOOPBACK}:{own}")
    asked = next(word for word in words if not word.startswith("-"))
    command = ["runserver", *words]
    if asked.rpartition(":")[2] != own or not running.is_running(layout):
        return _run(layout, service, command)
    with control.holding(layout, [service.name]) as wire:
        print(f"memo: stands in for {service.name} until it ends", flush=True)
        status = _run(layout, service, command, wire)
    print(f"memo: {service.name} is back under the supervisor")
    return status


def _run(
    layout: Layout,
    service: Service,
    words: Sequence[str],
    wire: socket.socket | None = None,
) -> int:
    """Run manage.py in the foreground; returns its exit status as a shell would.

    Ctrl-C is for it, not for us: Django's shell goes on after one. With `wire`, it
    is ended when the supervisor closes that: `down` leaves nothing behind.
    """
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    parent = os.getpid()
    # What an operator does is told to the service's log, beside their terminal.
    audit = {"AUDIT_LOG": str(layout.logs / f"{service.name}.log")}
    process = subprocess.Popen(
        [str(layout.python), "manage.py", *words],
        env={**audit, **env(layout, service, owner=words[0] in OWNER_COMMANDS)},
        cwd=service.project,
        preexec_fn=lambda: linux.die_with_parent(parent, signal.SIGTERM),
    )
    try:
        if wire:
            _wait_for_either(process, wire)
        status = process.wait()
    finally:
        _end(process)
    return status if status >= 0 else 128 - status


def _wait_for_either(process: subprocess.Popen[bytes], wire: socket.socket) -> None:
    while process.poll() is None and not _is_closed(wire):
        continue
    _end(process)


def _is_closed(wire: socket.socket, seconds: float = 0.2) -> bool:
    """Nothing is ever said on it, so whatever comes is the end of it."""
    return bool(select.select([wire], [], [], seconds)[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def env(layout: Layout, service: Service, *, owner: bool) -> dict[str, str]:
    """The person's own environment first: a variable set for one call wins."""
    inherited = {k: v for k, v in os.environ.items() if not UNWANTED.fullmatch(k)}
    found = {**inherited, **application.env(layout, service)}
    found["PATH"] = inherited.get("PATH", found["PATH"])
    if os.geteuid() == 0:
        found["PYTHONDONTWRITEBYTECODE"] = "1"
    return {**found, **application.owner_env(layout, service)} if owner else found


def _ensure_initialised(layout: Layout) -> None:
    if os.geteuid() != 0:
        lifecycle.ensure_initialised(layout)
    elif not os.access(layout.python, os.X_OK):
        # Root makes no environment: its files would be nobody else's.
        raise Problem("Nothing is set up yet.", hint=f"{layout.command} init")


def _commands(layout: Layout, service: Service) -> set[str]:
    try:
        names = run(
            [layout.python, "manage.py", "help", "--commands"],
            env=env(layout, service, owner=False),
            cwd=service.project,
            what=f"Asking {service.name} for its commands",
        )
    except Problem as problem:
        hint = f"In full: {layout.command} {service.name} check"
        raise application.shortly(service, problem, hint) from problem
    return set(names.split())
