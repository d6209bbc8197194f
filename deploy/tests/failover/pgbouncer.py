"""PgBouncer before the database of each service, in transaction mode."""

import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import psycopg

from deploy.local.servers import server_binaries
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.stack import SERVICES, System, wait_until

PGBOUNCER = server_binaries.Kind(
    ("pgbouncer",), "pgbouncer", r"--version PgBouncer (\d+)\.(\d+)", (1, 18)
)
SERVERS = 5  # connections to each of the two databases
# Two services of two processes have 40 connections at most.
BEHIND = {"DATABASE_POOLER": "transaction", "WEB_THREADS": "9"}
CONFIGURATION = """\
[databases]
* = host={database} port=5432
[pgbouncer]
pool_mode = transaction
default_pool_size = {servers}
max_db_connections = {servers}
max_client_conn = 200
server_login_retry = 1
unix_socket_dir = {folder}
listen_port = 5432
auth_type = scram-sha-256
auth_file = {folder}/users.txt
logfile = {folder}/pgbouncer.log
"""


class PgBouncer:
    """Of one service: its two roles, and every database of its server."""

    def __init__(self, system: System, service: str) -> None:
        self.system, self.service = system, service
        self.folder = system.layout.sockets / "pooler" / service
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket = self.folder / ".s.PGSQL.5432"
        database = system.layout.sockets / f"{service}-db"
        values = {"database": database, "folder": self.folder, "servers": SERVERS}
        self.file("pgbouncer.ini").write_text(CONFIGURATION.format(**values))
        roles = [f'"{service}_{x}" "{self.password(x)}"' for x in ("app", "owner")]
        self.file("users.txt").write_text("\n".join(roles) + "\n")

    def file(self, name: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        return path

    def password(self, role: str) -> str:
        return self.system.secret(f"{self.service}_db_{role}_password")

    def url(self, role: str = "app") -> str:
        """Not as the tool writes it, which would renew it."""
        name = self.service
        return f"postgresql://{name}_{role}@/{self.folder}/{name}"

    @contextmanager
    def running(self) -> Iterator[None]:
        program = server_binaries.tool(self.system.layout, PGBOUNCER)
        self.socket.unlink(missing_ok=True)
        command = [program, "-q", self.folder / "pgbouncer.ini"]
        process = subprocess.Popen(command)
        try:
            wait_until(self.socket.exists, 10, "PgBouncer")
            yield
        finally:
            process.terminate()
            process.wait(10)

    def show(self, what: str) -> list[dict[str, Any]]:
        """By its console, which lets in the user that it runs as."""
        place = {"host": str(self.folder), "dbname": "pgbouncer", "user": "pgbouncer"}
        with psycopg.connect(**place, autocommit=True) as console:
            cursor = console.execute(f"SHOW {what}".encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def connections(self) -> tuple[int, int]:
        """Of clients, and to the server."""
        pools = [each for each in self.show("POOLS") if each["user"] != "pgbouncer"]
        kinds = ("cl_active", "cl_waiting"), ("sv_active", "sv_idle", "sv_used")
        clients, servers = (sum(x[name] for x in pools for name in k) for k in kinds)
        return clients, servers


@contextmanager
def watched(poolers: Iterable[PgBouncer]) -> Iterator[list[tuple[int, int]]]:
    """Connections of services, and to PostgreSQL, of one moment after the other."""
    seen: list[tuple[int, int]] = []
    over = Event()

    def look() -> None:
        while not over.wait(0.1):
            both = [each.connections() for each in poolers]
            seen.append((sum(x for x, _ in both), sum(y for _, y in both)))

    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(look)
        try:
            yield seen
        finally:
            over.set()
        watcher.result()


@contextmanager
def poolers(system: System) -> Iterator[dict[str, PgBouncer]]:
    """One before each database, running."""
    found = {service: PgBouncer(system, service) for service in SERVICES}
    with ExitStack() as running:
        for each in found.values():
            running.enter_context(each.running())
        yield found


class PooledStack(ChaosStack):
    """Its services reach PostgreSQL by PgBouncer."""

    @contextmanager
    def linked(self) -> Iterator[ChaosStack]:
        with poolers(self) as self.poolers, super().linked():
            yield self

    def divert(self, service: str) -> dict[str, str]:
        settings = super().divert(service)
        way = self.links[f"{service}>{service}-db"]
        way.leads_to = self.poolers[service].socket
        return {**settings, **BEHIND}
