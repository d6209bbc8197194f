"""The verbs that start and stop: `init`, `up`, `down`, `restart`, `start`, `stop`."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

from . import (
    addresses,
    application,
    bringup,
    configure,
    control,
    gateway,
    making_room,
    preflight,
    provisioning,
    running,
    virtualenv,
    waiting,
)
from .assembly import fingerprint
from .files import locked
from .layout import Layout
from .problems import Problem
from .services import Service, discover
from .stages import stage

BUSY = "memo: another command is at work on this stack; waiting for it ..."


def init(layout: Layout, requirements: str = virtualenv.RUNTIME) -> None:
    """Settings, secrets, keys. Starts nothing and needs no servers."""
    services = discover(layout.root)
    with command_lock(layout):
        chosen = addresses.choose(layout, services)
        provisioning.write_settings(layout, services, chosen)
        if not layout.stack:
            gateway.render_for_compose(layout)
        with stage("Python environment, keys"):
            provisioning.install_environment(layout, requirements)
    for path in [*(s.env_file(layout) for s in services), layout.gateway_env]:
        print(f"  settings  {path.relative_to(layout.root)}")
    print(f"  secrets   {layout.secrets.relative_to(layout.root)}/")


def ensure_initialised(layout: Layout) -> None:
    """For commands that need settings and Python packages but no running stack."""
    if not virtualenv.fits(layout) or not (layout.keys / "private").exists():
        init(layout)


def up(layout: Layout) -> None:
    """Bring the whole stack up and wait until it answers. Safe to repeat."""
    services = discover(layout.root)
    with command_lock(layout):
        begun = time.monotonic()
        if running.is_running(layout) and _is_up_already(layout, services):
            print("memo: already up")
        else:
            _bring_up_or_leave_nothing(layout, services)
            print(f"memo: ready in {time.monotonic() - begun:.1f} s")
    print(_summary(layout, services))


def down(layout: Layout) -> None:
    """Stop what was started, and sweep up what a crash may have left."""
    with command_lock(layout):
        was_running = running.is_running(layout)
        swept = running.end(layout)
    if was_running or swept:
        print("memo: stopped; all data is kept")
    else:
        print("memo: nothing was running")


def restart(layout: Layout, names: Sequence[str]) -> None:
    if names:
        control.ask(layout, "stop", list(names))
        start(layout, names)
    else:
        _check_what_runs_next(layout)
        down(layout)
        up(layout)


def _check_what_runs_next(layout: Layout) -> None:
    services = discover(layout.root)
    with command_lock(layout):
        if running.is_running(layout):
            preflight.check(layout, services, addresses.choose(layout, services))


def start(layout: Layout, names: Sequence[str]) -> None:
    """Start processes of a running stack; returns when they are healthy."""
    services = discover(layout.root)
    control.ask(layout, "start", list(names))
    waiting.until_healthy(layout, services, names)
    print(f"memo: running: {', '.join(names)}")


def stop(layout: Layout, names: Sequence[str]) -> None:
    """Stop processes of a running stack until `start`."""
    control.ask(layout, "stop", list(names))
    print(f"memo: stopped: {', '.join(names)}")


def command_lock(layout: Layout) -> AbstractContextManager[None]:
    """One command at a time works on a stack."""
    layout.make_folders()
    return locked(layout.state / "cli.lock", BUSY)


def _bring_up_or_leave_nothing(layout: Layout, services: Sequence[Service]) -> None:
    chosen = making_room.make_room(layout, services)
    try:
        bringup.bring_up(layout, services, chosen)
    except BaseException:
        # Whatever it was, an interruption too: nothing stays half up.
        running.end(layout)
        raise


def _is_up_already(layout: Layout, services: Sequence[Service]) -> bool:
    """Whether what runs is what `up` would make: same inputs, all healthy. What was
    stopped by hand is started again."""
    if addresses.choose(layout, services) != addresses.written(layout, services):
        return False
    try:
        answer = control.ask(layout, "status")
        if answer["fingerprint"] != fingerprint(layout, services):
            return False
        control.ask(layout, "start", list(answer["processes"]))
        waiting.until_healthy(layout, services, answer["processes"], seconds=10)
    except (Problem, FileNotFoundError):
        return False
    return True


def _summary(layout: Layout, services: Sequence[Service]) -> str:
    url = configure.public_url(layout)
    lines = [f"  gateway  {url}"]
    lines += [
        f"  {service.name:<8} {url}/api/v1/{service.name}/docs"
        for service in services
        if application.has_docs(layout, service)
    ]
    return "\n".join([*lines, f"  stop it  {layout.command} down"])
