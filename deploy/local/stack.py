"""A stack's life: `init`, `up`, `down`, `start`, `stop`, `restart` and `destroy`."""

import hashlib
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import (
    application,
    configure,
    env_check,
    gateway,
    ports,
    postgres,
    secretfiles,
    server_binaries,
    status,
    supervisor,
)
from .files import locked, read_env, read_text, tail, write_private
from .layout import Layout
from .ports import GATEWAY, Ports
from .privileges import COPIES
from .problems import PORT_IN_USE, USAGE, Problem
from .programs import Job, run

READY_SECONDS = 60.0
# Says that `up` came to its end, and with which inputs.
COMPLETE = "up-is-complete"
# What running processes have read, by the endings of files.
INPUTS = {".py", ".conf", ".template", ".sql", ".html"}


def init(layout: Layout) -> None:
    """Settings, secrets, keys. It starts nothing and needs no servers."""
    layout.make_folders()
    with locked(layout.state / "cli.lock"):
        _configure(layout, Ports(layout, running=supervisor.is_running(layout)))
    if not layout.stack:
        gateway.write_for_compose(layout)
    for path in [*(s.env_file for s in layout.services), layout.gateway_env]:
        print(f"  settings  {path.relative_to(layout.root)}")
    print(f"  secrets   {layout.secrets.relative_to(layout.root)}/")


def up(layout: Layout) -> None:
    """Bring the whole stack up and wait until it answers. Safe to repeat."""
    layout.make_folders()
    begun = time.monotonic()
    with locked(layout.state / "cli.lock"):
        running = supervisor.is_running(layout)
        if not running:
            supervisor.end(layout)  # What a killed one has left has our ports.
        chosen = Ports(layout, running=running)
        if running and _is_up_already(layout, chosen):
            print("memo: already up")
        else:
            _bring_up(layout, chosen, running=running)
            print(f"memo: ready in {time.monotonic() - begun:.1f} s")
    url = read_env(layout.gateway_env)["GATEWAY_PUBLIC_URL"]
    print(f"  gateway  {url}\n  admin    {url}/admin/")
    for service in layout.services:
        address = read_env(service.env_file)["BIND"]
        print(f"  {service.name:<8} {url}/api/v1/{service.name}/docs, http://{address}")
    print(f"  stop it  {layout.command} down")


def down(layout: Layout) -> None:
    """Stop what runs, and what a crash may have left. All data stays."""
    layout.make_folders()
    with locked(layout.state / "cli.lock"):
        stopped = supervisor.end(layout)
    print("memo: stopped; all data is kept" if stopped else "memo: nothing was running")


def start(layout: Layout, names: list[str]) -> None:
    """Start programs of a running stack; returns when they are ready."""
    _insist_on(layout, names)
    start_and_wait(layout, *names)
    print(f"memo: running: {', '.join(names)}")


def stop(layout: Layout, names: list[str]) -> None:
    """Stop programs of a running stack, until `start` or `up`."""
    _insist_on(layout, names)
    for name in names:
        supervisor.stop_program(layout, name)
    print(f"memo: stopped: {', '.join(names)}")


def restart(layout: Layout, names: list[str]) -> None:
    """Check, then restart the whole stack, or programs of it. A service loses no
    request, as its processes are replaced one after the other."""
    running = _insist_on(layout, names)
    _check(layout)
    if not names:
        down(layout)
        up(layout)
        return
    for name in names:
        if len(running[name]) > 1 and all(each["pid"] for each in running[name]):
            supervisor.restart_one_by_one(layout, name)
        else:
            supervisor.stop_program(layout, name)
        start_and_wait(layout, name)
    print(f"memo: running: {', '.join(names)}")


def destroy(layout: Layout, *, confirmed: bool) -> None:
    """Stop everything and remove what `up` and `init` have made."""
    stacks = [layout] if layout.stack else layout.stacks()
    # A copy of the checkout is ours whole; elsewhere the settings are the user's.
    ours = layout.root if layout.root.parent == COPIES else layout.state
    folders = [ours, layout.secrets, *(stack.sockets for stack in stacks)]
    folders = [path for path in folders if path.exists() and any(path.iterdir())]
    if not folders:
        print("memo: there is nothing to remove")
        return
    print("This removes, for good, all databases, accounts, keys and secrets of:")
    print("\n".join(f"  {path}" for path in folders))
    if not confirmed and not sys.stdin.isatty():
        hint = f"Use {layout.command} destroy --yes"
        raise Problem("No terminal to ask for confirmation.", hint=hint)
    if not confirmed and input("Type `yes` to continue: ").strip() != "yes":
        raise Problem("Nothing was removed.")
    for stack in stacks:
        supervisor.end(stack)
    for folder in folders:
        # The folder itself stays where it is in one of root's.
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists() and any(folder.iterdir()):
            raise Problem(f"Not all of {folder} could be removed.")
    print("memo: removed; the .env files of a checkout stay")


def _configure(layout: Layout, chosen: Ports) -> None:
    secretfiles.ensure(layout)
    configure.write(layout, chosen)
    if not list((layout.keys / "private").glob("*.pem")):
        make = [layout.python, "-m", "shared.keys.signing_keys"]
        run(Job("The keys", [*make, layout.keys], layout.base, layout.base_env()))
    for line in chosen.moved:
        print(f"  note: {line}")


def _bring_up(layout: Layout, chosen: Ports, *, running: bool) -> None:
    """From whatever is there to a running stack. What fails leaves nothing half up; a
    fault that can be seen before leaves what runs as it is."""
    major = server_binaries.ensure(layout)
    if running:
        _check(layout)
        print("  something has changed: what ran before is stopped", flush=True)
    (layout.state / COMPLETE).unlink(missing_ok=True)
    supervisor.end(layout)
    _configure(layout, chosen)
    try:
        _start_all(layout, chosen, major)
        write_private(layout.state / COMPLETE, _fingerprint(layout))
    except BaseException as exc:
        supervisor.end(layout, at_once=not isinstance(exc, Problem))
        raise


def _start_all(layout: Layout, chosen: Ports, major: int) -> None:
    names = [service.name for service in layout.services]
    with _stage("databases prepared"):
        postgres.prepare(layout, major)
        chosen.release(*names)
        _start_supervisor(layout, major, names)
    stores = [*(service.database for service in layout.services), "redis"]
    with _stage(", ".join(stores)):
        start_and_wait(layout, *stores)
    with _stage("roles, migrations, static files"):
        postgres.make_roles(layout)
        outputs = application.prepare(layout)
    for fault in env_check.faults(layout, outputs):
        print(f"  note: {fault}")
    with _stage(", ".join([*names, GATEWAY])):
        gateway.write(layout, layout.gateway)
        start_and_wait(layout, *names)
        chosen.release()
        start_and_wait(layout, GATEWAY)
        supervisor.wait_until_loaded(layout, *names)


def _start_supervisor(layout: Layout, major: int, names: list[str]) -> None:
    """It listens for the services at once: no other program can have their ports."""
    try:
        supervisor.start(layout, major)
    except Problem as problem:
        used = ports.written(layout)
        found = [name for name in names if ports.holder(used[name])]
        raise _taken(layout, found[0]) if found else problem from None
    for name in names:
        if not supervisor.start_program(layout, name, 0):
            raise _taken(layout, name)


def _check(layout: Layout) -> None:
    """Would what is to run start at all? A Problem names the first fault."""
    try:
        gateway.check(layout)
        application.run_in_all(layout, "manage.py", "check")
    except Problem as problem:
        left = "The running stack is left as it was."
        problem.hint = f"{problem.hint}\n  {left}" if problem.hint else left
        raise


def _is_up_already(layout: Layout, chosen: Ports) -> bool:
    """Whether what runs is what `up` would make. What was stopped is started again."""
    complete = read_text(layout.state / COMPLETE)
    if chosen.has_changed or complete != _fingerprint(layout):
        return False
    try:
        start_and_wait(layout)
    except Problem as problem:
        if problem.code == PORT_IN_USE:
            raise
        print(f"memo: {problem}")
        return False
    return True


def start_and_wait(layout: Layout, *names: str) -> None:
    """Start these programs, or all that do not work, and return when they are ready. A
    Problem tells why one is not; that one is stopped, and not tried again and again."""
    started, deadline = False, time.monotonic() + READY_SECONDS
    while True:
        states = status.gather(layout, names)["processes"]
        waiting = [name for name in states if not states[name]["healthy"]]
        if not waiting:
            return
        for name in [] if started else waiting:
            if not supervisor.start_program(layout, name):
                raise _taken(layout, name)
        started = True
        found = supervisor.processes(layout)
        failing = [n for n in waiting for x in found[n] if x["statename"] == "BACKOFF"]
        if failing or time.monotonic() > deadline:
            name = (failing or waiting)[0]
            raise _failed(
                layout, name, found[name][0], "start" if failing else "answer"
            )
        time.sleep(0.05)


def _failed(layout: Layout, name: str, process: dict[str, Any], verb: str) -> Problem:
    """Why a program does not run; it is stopped."""
    supervisor.stop_program(layout, name)
    if name == GATEWAY and ports.holder(ports.written(layout)[name]):
        return _taken(layout, name)
    log = layout.logs / f"{process['name']}.log"
    return Problem(f"{name} does not {verb}. The end of {log}:\n{tail(log)}")


def _taken(layout: Layout, name: str) -> Problem:
    return ports.taken(layout, name, ports.written(layout)[name])


def _insist_on(layout: Layout, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """What runs; a Problem where nothing does, or no program has one of the names."""
    found = supervisor.processes(layout)
    for name in names:
        if name not in found:
            text = f"There is no program {name}."
            raise Problem(text, hint=f"There are: {', '.join(found)}", code=USAGE)
    return found


def _fingerprint(layout: Layout) -> str:
    """Changes when anything does that running processes have read once: code, settings,
    secrets, packages. So `up` knows whether to start them again."""
    root = layout.root
    files = [root / "requirements" / "local.txt", *layout.all_env_files()]
    # Running services see new keys by themselves.
    live = ("_service_api_key", "_internal_api_keys")
    files += [x for x in layout.secrets.glob("*_*") if not x.name.endswith(live)]
    folders = [root / name for name in ("shared", "nginx", "deploy")]
    for folder in [*folders, *(service.project for service in layout.services)]:
        files += [path for path in folder.rglob("*") if path.suffix in INPUTS]
    digest = hashlib.sha256()
    for path in sorted(files):
        if not {"tests", "__pycache__"} & set(path.parts[len(root.parts) :]):
            found = path.stat()
            digest.update(f"{path} {found.st_mtime_ns} {found.st_size}\n".encode())
    return digest.hexdigest()[:16]


@contextmanager
def _stage(what: str) -> Iterator[None]:
    """One line: what is done, and how long it took."""
    begun = time.monotonic()
    yield
    print(f"  {what:<52} {(time.monotonic() - begun) * 1000:>7,.0f} ms", flush=True)
