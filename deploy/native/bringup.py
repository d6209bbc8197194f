"""`up`, step by step: settings, programs, stores, supervisor, services, gateway."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial

from . import (
    addresses,
    application,
    configure,
    control,
    engines,
    gateway,
    linux,
    logfiles,
    ports,
    postgres,
    redis,
    secretfiles,
    strays,
    supervisor,
    virtualenv,
    waiting,
)
from .addresses import Addresses
from .assembly import Stack
from .engines import Engine
from .files import is_locked, locked
from .layout import Layout, all_stacks
from .problems import MISSING, Problem
from .programs import base_env
from .services import Service
from .stages import stage, together

INSTALLING = "memo: another stack of this checkout is installing; waiting for it ..."


def bring_up(layout: Layout, services: Sequence[Service], chosen: Addresses) -> None:
    """From whatever is there to a running stack."""
    with stage("settings and secrets"):
        write_settings(layout, services, chosen)
    found = _install(layout)
    stack = Stack(layout, services, chosen, found)
    with stage("databases prepared"):
        _prepare_stores(stack)
    stack.plan().save(layout)
    with stage("supervisor"):
        _start_supervisor(layout)
    _start_in_order(stack)


def write_settings(
    layout: Layout, services: Sequence[Service], chosen: Addresses
) -> None:
    secretfiles.ensure(layout, services)
    configure.ensure(layout, services, chosen)


def install_environment(layout: Layout, requirements: str) -> None:
    """The virtual environment and the keys, which are made by code in it."""
    with locked(layout.base / "install.lock", INSTALLING):
        if virtualenv.must_be_made_anew(layout):
            _refuse_under_a_running_stack(layout)
        virtualenv.ensure(layout, requirements)
    application.make_keys(layout)


def _refuse_under_a_running_stack(layout: Layout) -> None:
    for other in all_stacks(layout.root):
        if is_running(other):
            raise Problem(
                "The Python environment has to be made anew, and a stack runs on it.",
                hint=f"Stop that first: {other.command} down",
            )


def end(layout: Layout) -> list[int]:
    """Stop everything; returns the strays that had to be swept up."""
    if is_running(layout):
        try:
            control.ask(layout, "end")
        except Problem:
            pass  # It hangs: the sweep ends it as well.
        else:
            strays.wait_until(lambda: not is_running(layout), seconds=60)
    return strays.sweep(layout)


def is_running(layout: Layout) -> bool:
    return is_locked(supervisor.lock_path(layout))


def make_room(layout: Layout, services: Sequence[Service]) -> Addresses:
    """The ports to use. One that somebody else has is found before anything is
    written or a running stack is touched."""
    ours: Addresses | None = None
    if is_running(layout):
        ours = addresses.written(layout, services)
    else:
        strays.sweep(layout)
    chosen = addresses.choose(layout, services)
    if ours is None or ours.gateway != chosen.gateway:
        _insist_on_gateway_port(layout, chosen.gateway)
    for service in services:
        port = chosen.services[service.name]
        if ours is None or ours.services[service.name] != port:
            ports.insist_on_free(port, service.name, _way_out(layout, service))
    if is_running(layout):
        with stage("what ran before is stopped: something changed"):
            end(layout)
    return chosen


def _insist_on_gateway_port(layout: Layout, port: int) -> None:
    gateway.insist_on_free(layout, port)
    if gateway.needs_privilege(port) and not linux.may_use_low_ports():
        raise Problem(
            f"Port {port} is kept for root on this machine.",
            hint="Run as root, or choose a port from 1024 upwards: GATEWAY_PORT=8080"
            f" {layout.command} up",
            code=MISSING,
        )


def _way_out(layout: Layout, service: Service) -> str:
    other = ports.choose(service.preferred_port + 2, ())
    return (
        "Stop that program, or choose another port:"
        f" {service.variable}_PORT={other} {layout.command} up"
    )


def _install(layout: Layout) -> dict[str, Engine]:
    """Servers and Python packages at once: on a fresh machine both are downloads."""
    found: dict[str, Engine] = {}
    with stage("servers found, Python environment ready"):
        together(
            [
                lambda: found.update(engines.ensure(layout)),
                lambda: install_environment(layout, virtualenv.RUNTIME),
            ]
        )
    for engine in found.values():
        print(f"    {engine}")
    return found


def _prepare_stores(stack: Stack) -> None:
    layout, engine = stack.layout, stack.engines[engines.POSTGRES.name]
    redis.write_config(layout)
    layout.work(redis.NAME).mkdir(parents=True, exist_ok=True)
    together(
        [
            partial(postgres.prepare, layout, service, engine)
            for service in stack.services
        ]
    )


def _start_supervisor(layout: Layout) -> None:
    program = [sys.executable, "-I", str(layout.root / "deploy" / "native")]
    with logfiles.open_for_append(layout.log("supervisor")) as log:
        subprocess.Popen(
            [*program, "supervise"],
            env={**base_env(layout), "MEMO_STACK": layout.stack},
            cwd=layout.work("supervisor"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=linux.pass_on_low_ports,
        )
    if not strays.wait_until(partial(_answers, layout), seconds=10):
        raise waiting.failure(layout, "supervisor", "does not answer")


def _answers(layout: Layout) -> bool:
    try:
        control.ask(layout, "status")
    except Problem:
        return False
    return True


def _start_in_order(stack: Stack) -> None:
    layout, services = stack.layout, stack.services
    stores = [*(service.database for service in services), redis.NAME]
    with stage(", ".join(stores)):
        _start(stack, stores)
    with stage("roles, migrations, static files"):
        together(_preparations(stack))
    applications = [service.name for service in services]
    with stage(", ".join(applications)):
        _start(stack, applications)
    with stage(gateway.NAME):
        engine = stack.engines[engines.NGINX.name]
        gateway.prepare(layout, services, stack.addresses, engine)
        _start(stack, [gateway.NAME])


def _preparations(stack: Stack) -> list[Callable[[], None]]:
    layout, engine = stack.layout, stack.engines[engines.POSTGRES.name]

    def prepare_database(service: Service) -> None:
        postgres.apply_roles(layout, service, engine)
        application.migrate(layout, service)

    tasks: list[Callable[[], None]] = [
        partial(prepare_database, service) for service in stack.services
    ]
    return [*tasks, partial(application.collect_static, layout, stack.services)]


def _start(stack: Stack, names: Sequence[str]) -> None:
    control.ask(stack.layout, "start", list(names))
    waiting.until_healthy(stack.layout, stack.services, names)
