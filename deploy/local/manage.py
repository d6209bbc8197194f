"""A command of manage.py: in every service that knows it, or in the one that is named.

`runserver` takes the place of the supervised service while it runs.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from . import env_check, supervisor
from .application import PREPARE, environment, run_in_all
from .files import read_env
from .layout import Layout, Service
from .problems import USAGE, Problem

# They change tables, which takes the role that owns them.
OWNER_COMMANDS = {"migrate", "flush", "createcachetable", "test"}


def run(layout: Layout, words: Sequence[str]) -> int:
    """The command in the service that is named first, or in all that know it; the first
    bad exit status."""
    if "check" in words[:2] and "--help" not in words:
        for fault in env_check.faults(layout, run_in_all(layout, "-c", PREPARE)):
            print(f"memo: {fault}", flush=True)
    for service in layout.services:
        if service.name == words[0]:
            return _run_in(layout, service, words[1:] or ["help"])
    known = run_in_all(layout, "manage.py", "help", "--commands")
    names = [name for name, text in known.items() if words[0] in text.split()]
    if not names:
        text = f"Neither ./manage_all.sh nor any service has a command `{words[0]}`."
        raise Problem(text, hint=f"{layout.command} help", code=USAGE)
    statuses = []
    for service in layout.services:
        if service.name in names:
            print(f"== {service.name}", flush=True)
            statuses.append(_run_in(layout, service, words))
    return next(filter(None, statuses), 0)


def _run_in(layout: Layout, service: Service, words: Sequence[str]) -> int:
    """The command in one service, at the user's terminal. Django's server, which
    reloads changed code, stands in for the supervised service on its port."""
    running = supervisor.is_running(layout)
    if words[0] == "runserver":
        address = read_env(service.env_file)["BIND"]
        given = [word for word in words[1:] if not word.startswith("-")]
        port = (given or [address])[0].rpartition(":")[2]
        words = [*words, *([] if given else [address])]
        if running and port == address.rpartition(":")[2]:
            return _stand_in(layout, service, words)
    status = _run(layout, service, words)
    if status and not running:
        print(f"memo: the stack is not running, which may be why: {layout.command} up")
    return status


def _stand_in(layout: Layout, service: Service, words: Sequence[str]) -> int:
    supervisor.stop_program(layout, service.name)
    print(f"memo: stands in for {service.name} until it ends", flush=True)
    try:
        return _run(layout, service, words, while_running=True)
    finally:
        if supervisor.is_running(layout):
            supervisor.call(layout, "startProcessGroup", service.name)
            print(f"memo: {service.name} is back under the supervisor")


def _run(
    layout: Layout, service: Service, words: Sequence[str], while_running: bool = False
) -> int:
    """Run manage.py in the foreground. Ctrl-C is for it: Django's shell continues after
    one. With `while_running`, it ends with the stack, as `down` leaves nothing."""
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    owner = words[0] in OWNER_COMMANDS
    env = environment(layout, service, owner=owner, caller=os.environ)
    # What an operator does is also in the log of the service.
    log = layout.logs / f"{service.name}-1.log"
    audit = {"AUDIT_LOG": str(log)} if log.exists() else {}
    command = [str(layout.python), "manage.py", *words]
    with subprocess.Popen(command, env=audit | env, cwd=service.project) as process:
        try:
            while process.poll() is None:
                if while_running and not supervisor.is_running(layout):
                    break
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
        finally:
            process.terminate()
    return process.returncode if process.returncode >= 0 else 128 - process.returncode
