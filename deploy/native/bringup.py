"""`up`, step by step: settings, programs, stores, supervisor, services, gateway."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial

from . import (
    application,
    control,
    engines,
    gateway,
    linux,
    logfiles,
    postgres,
    provisioning,
    redis,
    strays,
    virtualenv,
    waiting,
)
from .addresses import Addresses
from .assembly import Stack
from .engine_kinds import NGINX, POSTGRES
from .engines import Engine
from .layout import Layout
from .problems import Problem
from .programs import base_env
from .services import Service
from .stages import stage, together


def bring_up(layout: Layout, services: Sequence[Service], chosen: Addresses) -> None:
    """From whatever is there to a running stack."""
    with stage("settings and secrets"):
        provisioning.write_settings(layout, services, chosen)
    found = _install(layout)
    stack = Stack(layout, services, chosen, found)
    with stage("databases prepared"):
        _prepare_stores(stack)
    stack.plan().save(layout)
    with stage("supervisor"):
        _start_supervisor(layout)
    _start_in_order(stack)


def _install(layout: Layout) -> dict[str, Engine]:
    """Servers and Python packages at once: on a fresh machine both are downloads."""
    found: dict[str, Engine] = {}
    with stage("servers found, Python environment ready"):
        together(
            [
                lambda: found.update(engines.ensure(layout)),
                lambda: provisioning.install_environment(layout, virtualenv.RUNTIME),
            ]
        )
    for engine in found.values():
        print(f"    {engine}")
    return found


def _prepare_stores(stack: Stack) -> None:
    layout, engine = stack.layout, stack.engines[POSTGRES.name]
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
        engine = stack.engines[NGINX.name]
        gateway.prepare(layout, services, stack.addresses, engine)
        _start(stack, [gateway.NAME])


def _preparations(stack: Stack) -> list[Callable[[], None]]:
    layout, engine = stack.layout, stack.engines[POSTGRES.name]

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
