"""From the checkout to a plan: which processes there are and how each is started."""

import hashlib
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import application, gateway, postgres, redis, secretfiles
from .addresses import Addresses
from .engine_kinds import NGINX, POSTGRES, REDIS
from .engines import Engine
from .layout import Layout
from .plan import APPLICATIONS, ENTRANCE, STORES, Plan, Spec
from .programs import base_env
from .services import Service


@dataclass(frozen=True)
class Stack:
    """Everything known about a stack once its engines are found."""

    layout: Layout
    services: Sequence[Service]
    addresses: Addresses
    engines: Mapping[str, Engine]

    def plan(self) -> Plan:
        specs = [
            *(self._database(service) for service in self.services),
            self._redis(),
            *(self._application(service) for service in self.services),
            self._gateway(),
        ]
        return Plan(fingerprint(self.layout, self.services), specs)

    def _database(self, service: Service) -> Spec:
        layout, engine = self.layout, self.engines[POSTGRES.name]
        data = postgres.data_folder(layout, service, engine)
        return Spec(
            name=service.database,
            tier=STORES,
            command=postgres.command(layout, service, engine),
            env=postgres.env(layout, engine),
            cwd=str(data),
            log=str(layout.log(service.database)),
            # "Fast": SIGTERM would wait for every pooled connection to end.
            stop_signal=signal.SIGINT,
            stale_files=list(map(str, postgres.leftovers(layout, service, engine))),
            stale_folder=str(data),
        )

    def _redis(self) -> Spec:
        layout, engine = self.layout, self.engines[REDIS.name]
        return Spec(
            name=redis.NAME,
            tier=STORES,
            command=[engine.program, str(redis.config_path(layout))],
            env={**base_env(layout), **engine.env},
            cwd=str(layout.work(redis.NAME)),
            log=str(layout.log(redis.NAME)),
            stale_files=[str(redis.socket_path(layout))],
            stale_folder=str(layout.work(redis.NAME)),
        )

    def _application(self, service: Service) -> Spec:
        layout = self.layout
        return Spec(
            name=service.name,
            tier=APPLICATIONS,
            command=application.command(layout, service),
            env=application.server_env(layout, service),
            cwd=str(layout.work(service.name)),
            log=str(layout.log(service.name)),
        )

    def _gateway(self) -> Spec:
        layout, engine = self.layout, self.engines[NGINX.name]
        return Spec(
            name=gateway.NAME,
            tier=ENTRANCE,
            command=gateway.command(layout, engine),
            env={**base_env(layout), **engine.env},
            cwd=str(layout.work(gateway.NAME)),
            log=str(layout.log(gateway.NAME)),
            stop_signal=signal.SIGQUIT,
            stale_files=list(map(str, gateway.stale_files(layout))),
            stale_folder=str(layout.work(gateway.NAME)),
            low_ports=gateway.needs_privilege(self.addresses.gateway),
        )


def fingerprint(layout: Layout, services: Sequence[Service]) -> str:
    """Changes when anything changes that running processes have read once: code,
    settings, secrets, requirements. By it, `up` knows whether to start anew."""
    digest = hashlib.sha256()
    for path in sorted(_inputs(layout, services)):
        found = path.stat()
        digest.update(f"{path} {found.st_mtime_ns} {found.st_size}\n".encode())
    return digest.hexdigest()[:16]


def _inputs(layout: Layout, services: Sequence[Service]) -> Iterator[Path]:
    root = layout.root
    yield from (
        root / "requirements" / "runtime.txt",
        root / "deploy" / "gunicorn.conf.py",
    )
    folders = [service.project for service in services]
    folders += [root / "shared", root / "nginx", root / "deploy"]
    for folder in folders:
        for path in folder.rglob("*"):
            kept = not {"tests", "__pycache__"} & set(path.parts[len(root.parts) :])
            if kept and path.suffix in {".py", ".conf", ".template", ".sql", ".html"}:
                yield path
    yield layout.gateway_env
    for service in services:
        yield service.env_file(layout)
        yield service.migrate_env_file(layout)
    for path in layout.secrets.rglob("*"):
        # Key pairs and API keys are read again while the services run.
        live = layout.keys in path.parents or secretfiles.is_live(path.name)
        if path.is_file() and not live:
            yield path
