"""A primary of PostgreSQL and its standby, with the data of a stack's service."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy.local.servers import server_binaries
from deploy.local.servers.postgres import ADMIN
from deploy.tests.chaos.checker import RECOVERY
from deploy.tests.chaos.record import Trouble
from deploy.tests.chaos.run import Run
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.failover.network import ip
from deploy.tests.stack import ROOT, SERVICES, System, wait_until
from shared.db import BoundedConnection
from shared.tests.redis_group import Host

AnyConnection = psycopg.Connection[Any]
Hosts = tuple[Host | None, Host | None]  # of the primary and of the standby
# Others reach the servers in a network of the test's own alone.
ACCESS = f"""
local replication {ADMIN} peer map=own
host replication {ADMIN} samenet trust
host all all samenet scram-sha-256
"""
BACKUP = server_binaries.Kind(
    ("pg_basebackup",), "postgresql-client", r"--version QL\) (\d+)", (15,)
)
DOWN = 3.0  # seconds until the operator, or a tool for it, promotes the standby
LAG = 2.0  # seconds for which a standby that lags has received nothing


class Server:
    """PostgreSQL with a copy of some data, on a socket in its own folder and, if it has
    a host, there. It follows another server if there is one."""

    def __init__(
        self,
        system: System,
        folder: Path,
        data: Path,
        host: Host | None,
        primary: "Server | None" = None,
    ) -> None:
        self.folder, self.host, own = folder, host, folder / "data"
        self.place = host.address if host else str(folder)
        folder.mkdir(mode=0o700, parents=True)
        shutil.copytree(data, own)
        with (own / "pg_hba.conf").open("a") as access:
            access.write(ACCESS)
        settings = {
            "config_file": f"{ROOT}/deploy/postgres/postgresql.conf",
            "unix_socket_directories": folder,
            "listen_addresses": host.address if host else "",
            "fsync": "off",
        }
        if primary:
            settings["primary_conninfo"] = f"host={primary.place} user={ADMIN}"
            (own / "standby.signal").touch()
        options = [f"--{name}={value}" for name, value in settings.items()]
        program = [*(host.prefix if host else ()), system.layout.servers / "postgres"]
        command = [*program, "-D", own, *options]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self.answers, 30, f"PostgreSQL in {folder}")

    def ask(self, sql: str, by: type[AnyConnection] = psycopg.Connection) -> str:
        """One value, as the superuser."""
        place = {"host": str(self.folder), "dbname": "postgres", "user": ADMIN}
        with by.connect(**place, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            row = cursor.fetchone() if cursor.description else None
        return str(row[0]) if row else ""

    def answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            return self.ask("SELECT 1") == "1"
        return False

    def kill(self) -> None:
        """All of its processes at once, as a machine that fails."""
        pid = self.process.pid
        with suppress(OSError):  # It has ended.
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            self.process.kill()
            for child in map(int, children):
                os.kill(child, signal.SIGKILL)
        self.process.wait()


class Pair:
    """A primary and its standby. If `synchronous`, the primary acknowledges only what
    the standby has, too."""

    def __init__(
        self, system: System, service: str, synchronous: bool, hosts: Hosts
    ) -> None:
        self.service, self.synchronous = service, synchronous
        [data] = (system.state / "postgres" / service).glob("*/data")
        folder = system.layout.sockets / "pair" / service
        shutil.rmtree(folder, ignore_errors=True)
        self.primary = Server(system, folder / "a", data, hosts[0])
        self.standby = Server(system, folder / "b", data, hosts[1], self.primary)
        self.system = system
        self.synchronize()

    def synchronize(self) -> None:
        """Wait until the standby follows."""
        state = "SELECT sync_state FROM pg_stat_replication"
        wait_until(lambda: self.primary.ask(state), 30, "replication")
        if self.synchronous:
            # On the command line the standby would have it, too, once it is promoted.
            self.primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
            self.primary.ask("SELECT pg_reload_conf()")
            wait_until(lambda: self.primary.ask(state) == "sync", 30, "a sync standby")

    @property
    def url(self) -> str:
        """As docs/operations/scaling.md has it. The standby is the first of sockets,
        which have their place in the options."""
        start = f"postgresql://{self.service}_app@"
        options = "target_session_attrs=read-write"
        if self.primary.host:
            hosts = f"{self.primary.place}:5432,{self.standby.place}:5432"
            return f"{start}{hosts}/{self.service}?{options}"
        hosts = f"{self.standby.place},{self.primary.place}"
        return f"{start}/{self.service}?host={hosts}&{options}"

    def fail_over(self) -> None:
        """The primary is gone at once, or its host's cable is out. The standby takes
        its place a little later."""
        if self.primary.host:
            ip("link", "set", self.primary.host.prefix[-1], "down")
        elif not self.synchronous:
            receiver = int(self.standby.ask("SELECT pid FROM pg_stat_wal_receiver"))
            os.kill(receiver, signal.SIGSTOP)
            time.sleep(LAG)
            self.primary.kill()
            os.kill(receiver, signal.SIGKILL)
        else:
            self.primary.kill()
        time.sleep(DOWN)
        self.standby.ask("SELECT pg_promote(wait => true)")
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self) -> None:
        """What was the primary acknowledges nothing by itself. Its host comes back with
        a copy of the new primary, which it follows."""
        former = self.standby
        with pytest.raises(psycopg.OperationalError, match="in time"):
            former.ask("CREATE TABLE lost ()", BoundedConnection)
        former.kill()
        ip("link", "set", former.host.prefix[-1], "up")
        copy, folder = (former.folder.with_name(former.folder.name + x) for x in "cx")
        command = [server_binaries.tool(self.system.layout, BACKUP), "-c", "fast"]
        command += ["-h", self.primary.place, "-U", ADMIN, "-D", str(copy)]
        subprocess.run(command, check=True)
        self.standby = Server(self.system, folder, copy, former.host, self.primary)
        self.synchronize()

    def kill(self) -> None:
        self.primary.kill()
        self.standby.kill()


class PairStack(ChaosStack):
    """Each of its services has a primary and a standby."""

    hosts: Mapping[str, Hosts] = dict.fromkeys(SERVICES, (None, None))

    def __init__(self, stack: str, *, synchronous: bool = True) -> None:
        super().__init__(stack)
        self.synchronous = synchronous
        self.pairs: dict[str, Pair] = {}

    @contextmanager
    def linked(self) -> Iterator[ChaosStack]:
        """The data are copies: those of the stack stay as they are."""
        databases = [f"{service}-db" for service in SERVICES]
        programs = [*SERVICES, "users-worker"]
        self.stop(*programs, *databases)
        try:
            for name in SERVICES:
                self.pairs[name] = Pair(self, name, self.synchronous, self.hosts[name])
            self.start(*databases)
            with super().linked():
                yield self
        finally:
            for pair in self.pairs.values():
                pair.kill()

    def divert(self, service: str) -> dict[str, str]:
        return {**super().divert(service), "DATABASE_URL": self.pairs[service].url}


def fail_over(run: Run, pair: Pair) -> tuple[float, float]:
    """Seconds from the failure until the standby is the primary, and until the whole
    job works for a new user."""
    begun, part = time.monotonic(), f"{pair.service}-db"
    trouble = Trouble(f"failover of {part}", frozenset([part]), begun)
    with run.record.lock:
        run.record.troubles.append(trouble)
    pair.fail_over()
    trouble.back = time.monotonic()
    works = run.when_all_works(trouble.back + 30)
    return trouble.back - begun, works - begun


def lose_primaries(stack: PairStack, times: int = 1) -> str:
    """One after the other, under load: only documented answers, no session that was
    acknowledged is lost, none that has ended lives. What was measured."""
    lines = []
    with Run(stack, seed=4) as run:
        for service, pair in [*stack.pairs.items()] * times:
            time.sleep(8)
            promoted, well = fail_over(run, pair)
            lines.append(f"== {service}: promoted {promoted:.1f} s, well {well:.1f} s")
            assert well - promoted < RECOVERY, lines
            if pair.primary.host:
                pair.rejoin()
    assert not run.violations, run.summary()
    return "\n".join([run.summary(), *lines])
