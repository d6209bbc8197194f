"""A stack's life: `init`, `up`, `down`, `restart` and `destroy`."""

import os
import shutil
import time

from .backup import keep_erasures
from .problems import PORT_IN_USE, Problem
from .servers import (
    application,
    gateway,
    postgres,
    processes,
    server_binaries,
    supervisor,
)
from .servers.programs import Job, run
from .setup import configure, ports, secretfiles
from .setup.files import locked, read_env, read_text, write_private
from .setup.layout import Layout
from .setup.ports import GATEWAY, Ports

# The file that `up` writes at its end, with the fingerprint of its inputs.
COMPLETE = "up-is-complete"


def init(layout: Layout) -> None:
    """Write settings, secrets and keys. It starts nothing and needs no servers."""
    layout.make_folders()
    with locked(layout.state / "cli.lock"):
        # Written ports stay: the gateway's container may already hold its port.
        _configure(layout, Ports(layout, running=True))
    if not layout.stack:
        output = layout.root / ".run" / "compose" / "gateway"
        gateway.render(layout, output, "--compose")
    for path in [*(s.env_file for s in layout.services), layout.gateway_env]:
        print(f"  settings  {path.relative_to(layout.root)}")
    print(f"  secrets   {layout.secrets.relative_to(layout.root)}/")


def up(layout: Layout) -> None:
    """Bring the whole stack up and wait until it answers. Safe to repeat."""
    layout.make_folders()
    begun = time.monotonic()
    with locked(layout.state / "cli.lock"):
        if not _is_up_already(layout):
            _bring_up(layout)
            print(f"memo: ready in {time.monotonic() - begun:.1f} s")
    url = read_env(layout.gateway_env)["GATEWAY_PUBLIC_URL"]
    print(f"  gateway  {url}\n  admin    {url}/admin/")
    for service in layout.services:
        address = read_env(service.env_file)["BIND"]
        print(f"  {service.name:<8} {url}/api/v1/{service.name}/docs, http://{address}")
    print(f"  stop it  {layout.command} down")


def down(layout: Layout) -> None:
    """Stop all programs, and processes that a crash left. All data stays."""
    layout.make_folders()
    with locked(layout.state / "cli.lock"):
        stopped = supervisor.end(layout)
    print("memo: stopped; all data is kept" if stopped else "memo: nothing was running")


def restart(layout: Layout, names: list[str]) -> None:
    """Check, then restart the whole stack or the named programs."""
    workers = (s.worker for s in layout.services if s.name in names and s.worker)
    # Workers first: one of the version before fails jobs that it does not know.
    names = [*dict.fromkeys([*workers, *names])]
    processes.insist_on(layout, names)
    if GATEWAY in names or not names:
        processes.insist_on_port(layout, ports.written(layout)[GATEWAY])
    _check(layout)
    if names:
        printed = application.run_in_all(layout, "-c", application.PREPARE)
        for fault in configure.faults(layout, printed):
            print(f"  note: {fault}")
        processes.replace(layout, names)
    else:
        down(layout)
        up(layout)


def destroy(layout: Layout, *, confirmed: bool) -> None:
    """Stop everything and remove what `up` and `init` have made."""
    stacks = [layout] if layout.stack else layout.stacks()
    folders = [layout.state, layout.secrets, *(stack.sockets for stack in stacks)]
    if not confirmed:
        names = "".join(f"\n  {path}" for path in folders if path.exists())
        text = "This permanently deletes all databases, accounts, keys and secrets in:"
        hint = f"To do it: {layout.command} destroy --yes"
        raise Problem(f"{text}{names}", hint=hint)
    for stack in stacks:
        supervisor.end(stack)
        keep_erasures(stack)
    for folder in folders:
        # In a folder of root's, this empties the folder but cannot remove it.
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists() and any(folder.iterdir()):
            raise Problem(f"Not all of {folder} could be removed.")
    files = "" if layout.stack else "the .env files and "
    print(f"memo: removed, except {files}{layout.backups}")


def _configure(layout: Layout, chosen: Ports) -> None:
    secretfiles.ensure(layout)
    configure.write(layout, chosen)
    if not list((layout.keys / "private").glob("*.pem")):
        make = [layout.python, "-m", "shared.keys.signing_keys"]
        words, env = [*make, layout.keys], layout.base_env()
        run(Job("Making the signing keys", words, layout.base, env))


def _is_up_already(layout: Layout) -> bool:
    """Whether the running stack is up to date. Starts its stopped programs again, and
    prints which."""
    complete = read_text(layout.state / COMPLETE)
    if complete != layout.fingerprint() or not supervisor.is_running(layout):
        return False
    for name, port in ports.written(layout).items():
        if os.environ.get(f"{name.upper()}_PORT", "") not in ("", str(port)):
            return False
    try:
        with locked(layout.state / processes.STARTS):
            stopped = supervisor.stopped(layout)
            processes.start_and_wait(layout)
    except Problem as problem:
        if problem.code == PORT_IN_USE:
            raise
        print(f"memo: {problem}")
        return False
    print(f"memo: started {', '.join(stopped)}" if stopped else "memo: already up")
    return True


def _bring_up(layout: Layout) -> None:
    """Start the stack, whatever state it is in. A failed start stops everything again.
    A fault that is found before that leaves a running stack as it is."""
    running = supervisor.is_running(layout)
    if not running:
        supervisor.end(layout)  # Processes that a killed stack left hold our ports.
    chosen, major = Ports(layout, running=running), server_binaries.ensure(layout)
    if running:
        processes.insist_on_port(layout, chosen.chosen[GATEWAY])
        _check(layout)
        print("  the running stack is not up to date: stopping it", flush=True)
    (layout.state / COMPLETE).unlink(missing_ok=True)
    supervisor.end(layout)
    _configure(layout, chosen)
    try:
        _start_all(layout, chosen, major)
        write_private(layout.state / COMPLETE, layout.fingerprint())
    except BaseException as exc:
        supervisor.end(layout, at_once=not isinstance(exc, Problem))
        raise


def _check(layout: Layout) -> None:
    """Check the new settings and configuration. A Problem names the first fault."""
    try:
        gateway.check(layout)
        application.run_in_all(layout, "manage.py", "check")
    except Problem as problem:
        left = "The running stack was not changed."
        problem.hint = f"{problem.hint}\n  {left}" if problem.hint else left
        raise


def _start_all(layout: Layout, chosen: Ports, major: int) -> None:
    names = [service.name for service in layout.services]
    print("  PostgreSQL and Redis ...", flush=True)
    postgres.prepare(layout, major)
    chosen.release(*names)
    _start_supervisor(layout, major, names)
    databases = (service.database for service in layout.services)
    processes.start_and_wait(layout, *databases, "redis")
    print("  roles, migrations, static files ...", flush=True)
    postgres.make_roles(layout)
    for fault in configure.faults(layout, application.prepare(layout)):
        print(f"  note: {fault}")
    print("  services and gateway ...", flush=True)
    gateway.write(layout, layout.gateway)
    processes.start_and_wait(layout, *layout.programs)
    chosen.release()
    processes.start_and_wait(layout, GATEWAY)
    supervisor.wait_until_loaded(layout, *names)


def _start_supervisor(layout: Layout, major: int, names: list[str]) -> None:
    """Start supervisord with the services' sockets, so that no program takes a port."""
    try:
        supervisor.start(layout, major)
        refused = [x for x in names if not supervisor.start_program(layout, x, 0)]
    except Problem:
        used = ports.written(layout)
        refused = [name for name in names if ports.listeners(used[name]) is not None]
        if not refused:
            raise
    if refused:
        raise ports.taken(layout, refused[0])
