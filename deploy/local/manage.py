"""Run a command of manage.py in the service that is named, or in all that have it.

`runserver` takes the place of the supervised service while it runs.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .problems import USAGE, Problem
from .servers import gateway, supervisor
from .servers.application import PREPARE, environment, run_in_all
from .servers.processes import STARTS
from .setup import configure
from .setup.files import locked, read_env
from .setup.layout import Layout, Service

# Commands that change tables, and so need the role that owns the tables.
OWNER_COMMANDS = {"migrate", "flush", "createcachetable", "test"}


def run(layout: Layout, words: Sequence[str]) -> int:
    """Run the command in the service that the first word names, or in all that have it.
    Returns the first exit status that is not 0."""
    if "check" in words[:2] and "--help" not in words:
        for fault in configure.faults(layout, run_in_all(layout, "-c", PREPARE)):
            print(f"memo: {fault}", flush=True)
    for service in layout.services:
        if service.name == words[0]:
            return _run_in(layout, service, words[1:] or ["help"])
    known = run_in_all(layout, "manage.py", "help", "--commands")
    names = [name for name, text in known.items() if words[0] in text.split()]
    if not names:
        text = f"Neither ./manage_all.sh nor any service has a command `{words[0]}`."
        raise Problem(text, hint=f"All commands: {layout.command} help", code=USAGE)
    statuses = []
    for service in layout.services:
        if service.name in names:
            print(f"== {service.name}", flush=True)
            statuses.append(_run_in(layout, service, words))
    if words[0] == "check" and "--help" not in words:
        gateway.check(layout)
    return next(filter(None, statuses), 0)


def _run_in(layout: Layout, service: Service, words: Sequence[str]) -> int:
    """Run the command in one service, at the user's terminal. `runserver` without a
    port replaces the supervised service meanwhile, and reloads changed code."""
    running = supervisor.is_running(layout)
    has_port = any(not word.startswith("-") for word in words[1:])
    asks_for_help = not {"-h", "--help"}.isdisjoint(words)
    if words[0] == "runserver" and not has_port and not asks_for_help:
        words = [*words, read_env(service.env_file)["BIND"]]
        if running:
            return _stand_in(layout, service, words)
    status = _run(layout, service, words, service.project)
    if status and not running:
        hint = f"That may be the cause. Start it: {layout.command} up"
        print(f"memo: the stack is not running.\n  {hint}")
    return status


def _stand_in(layout: Layout, service: Service, words: Sequence[str]) -> int:
    supervisor.insist_on(layout, [service.name])
    with locked(layout.state / STARTS):
        try:
            supervisor.stop_program(layout, service.name)
        except BaseException:
            supervisor.start_program(layout, service.name)
            raise
    try:
        print(f"memo: runserver replaces {service.name} until it ends", flush=True)
        # `stop` and `down` end processes in this folder that have no terminal.
        return _run(layout, service, words, layout.work / service.name)
    finally:
        with locked(layout.state / STARTS):
            if supervisor.is_running(layout):
                supervisor.start_program(layout, service.name)
                print(f"memo: the supervisor runs {service.name} again")


def _run(layout: Layout, service: Service, words: Sequence[str], cwd: Path) -> int:
    """Run manage.py in the foreground. Ctrl-C is left to it: Django's shell continues
    after one."""
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    owner = words[0] in OWNER_COMMANDS
    env = environment(layout, service, owner=owner, caller=os.environ)
    # The events of an operator's commands go to the service's audit log.
    log = layout.logs / f"{service.name}-audit.log"
    audit = {"AUDIT_LOG": str(log)} if layout.logs.exists() else {}
    command = [str(layout.python), str(service.project / "manage.py"), *words]
    with subprocess.Popen(command, env=audit | env, cwd=cwd) as process:
        try:
            status = process.wait()
        finally:
            process.terminate()
    return status if status >= 0 else 128 - status
