"""A command of manage.py: in every service that knows it, or in the one that is named.

`runserver` takes the place of the supervised service while it runs.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from . import supervisor
from .application import environment, manage
from .files import read_env
from .layout import Layout, Service
from .problems import USAGE, Problem, ProgramFailed
from .programs import run

# They change tables, which takes the role that owns them.
OWNER_COMMANDS = {"migrate", "flush", "createcachetable", "test"}


def run_everywhere(layout: Layout, words: Sequence[str]) -> int:
    """The command in every service that knows it; the first bad exit status."""
    try:
        jobs = [manage(layout, s, "help", "--commands") for s in layout.services]
        known = [output.split() for output in run(*jobs)]
    except ProgramFailed as failed:
        hint = f"In full: {layout.command} <service> check"
        raise Problem(str(failed), hint=hint) from failed
    found = zip(layout.services, known, strict=True)
    chosen = [service for service, names in found if words[0] in names]
    if not chosen:
        text = f"Neither ./manage_all.sh nor any service has a command `{words[0]}`."
        raise Problem(text, hint=f"{layout.command} help", code=USAGE)
    statuses = []
    for service in chosen:
        print(f"== {service.name}", flush=True)
        statuses.append(run_in(layout, service, words))
    return next((status for status in statuses if status), 0)


def run_in(layout: Layout, service: Service, words: Sequence[str]) -> int:
    """The command in one service, at the user's terminal."""
    words = list(words) or ["help"]
    if words[0] == "runserver":
        return _runserver(layout, service, words)
    status = _run(layout, service, words)
    if status and not supervisor.is_running(layout):
        print(f"memo: the stack is not running, which may be why: {layout.command} up")
    return status


def _runserver(layout: Layout, service: Service, words: list[str]) -> int:
    """Django's server, which reloads changed code. On the port of the service it stands
    in for the supervised one, so that the gateway serves it."""
    address = read_env(service.env_file)["BIND"]
    if all(word.startswith("-") for word in words[1:]):
        words.append(address)
    port = next(x for x in words[1:] if not x.startswith("-")).rpartition(":")[2]
    if port != address.rpartition(":")[2] or not supervisor.is_running(layout):
        return _run(layout, service, words)
    supervisor.call(layout, "stopProcessGroup", service.name)
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
    with subprocess.Popen(
        command, env={**audit, **env}, cwd=service.project
    ) as process:
        try:
            while process.poll() is None:
                if while_running and not supervisor.is_running(layout):
                    break
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
        finally:
            process.terminate()
    return process.returncode if process.returncode >= 0 else 128 - process.returncode
