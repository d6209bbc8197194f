"""Real Redis servers behind Sentinel: a primary and a replica that change places."""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.tests.waiting import wait_until
from nginx.tests.gateway_stack import free_ports

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / ".run" / "engines" / "redis-server"
CONF = ROOT / "deploy" / "redis" / "redis.conf"
NAME, DETECTION = "memo", 0.5  # seconds
PASSWORD = "for-a-test-alone"


def until(condition: Callable[[], Any], what: str, seconds: float = 20) -> None:
    """A server that does not answer means: not yet."""

    def holds() -> bool:
        with suppress(RedisError):
            return bool(condition())
        return False

    wait_until(holds, seconds, what)


class Host(NamedTuple):
    """Where a server listens, and the words that start a program there."""

    address: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()


class Group:
    """A primary, its replica, and three Sentinels that watch them: each of the five on
    one of the `hosts`. `settings` are those of the servers, with the user by which they
    replicate and are watched; `users` are the Sentinels' own."""

    def __init__(
        self,
        folder: Path,
        hosts: Sequence[Host] = (Host(),) * 5,
        settings: str = f"include {CONF}\nrequirepass {PASSWORD}\n",
        user: str = "default",
        password: str = PASSWORD,
        users: str = "",
    ) -> None:
        self.folder, self.user, self.password = folder, user, password
        self.users = users
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        ports = free_ports(len(hosts))
        self.hosts = dict(zip(ports, hosts, strict=True))
        self.servers, self.sentinels = ports[:2], ports[2:]
        primary, replica = self.servers
        place = f"{self.hosts[primary].address} {primary}"
        settings += f"masteruser {user}\nmasterauth {password}\n"
        self.start(primary, settings)
        self.start(replica, f"{settings}replicaof {place}\n")
        until(lambda: self.replicates(replica), "replication")
        for port in self.sentinels:
            self.start(
                port,
                f"sentinel monitor {NAME} {place} 2\n"
                f"sentinel auth-user {NAME} {user}\n"
                f"sentinel auth-pass {NAME} {password}\n"
                f"sentinel down-after-milliseconds {NAME} {int(DETECTION * 1000)}\n"
                f"sentinel failover-timeout {NAME} 3000\n{users}",
                "--sentinel",
            )
        until(self.is_complete, "Sentinels that know each other")

    @property
    def url(self) -> str:
        return self.url_of("default")

    def url_of(self, user: str) -> str:
        hosts = ",".join(f"{self.hosts[x].address}:{x}" for x in self.sentinels)
        return f"redis+sentinel://{user}@{hosts}/{NAME}"

    @property
    def primary(self) -> int:
        """The port of the server that a majority takes for the primary; 0: none."""
        found = [self.named(port) for port in self.sentinels]
        most = max(found, key=found.count)
        return most if 2 * found.count(most) > len(found) else 0

    def named(self, sentinel: int) -> int:
        """By one Sentinel; 0 if it does not answer."""
        ask: Any = self.client(sentinel).sentinel_get_master_addr_by_name
        with suppress(RedisError):
            return int(ask(NAME)[1])
        return 0

    def wait_for_another(self, former: int) -> None:
        until(lambda: self.primary not in (0, former), "another primary")

    def start(self, port: int, settings: str, *words: str) -> None:
        path = self.folder / f"{port}.conf"
        if settings:  # else those of before, which Sentinel has rewritten
            path.write_text(
                f"port {port}\nbind {self.hosts[port].address}\n"
                f"dir {self.folder}\n{settings}"
            )
        with (self.folder / f"{port}.log").open("ab") as log:
            command = [*self.hosts[port].prefix, SERVER, path, *words]
            self.processes[port] = subprocess.Popen(command, stdout=log)
        until(lambda: self.client(port).ping(), f"a server at {port}")

    def client(self, port: int) -> Redis:
        account = {"username": self.user, "password": self.password}
        known = account if port in self.servers or self.users else {}
        once = Retry(NoBackoff(), 0)
        waits = {"socket_timeout": 1, "socket_connect_timeout": 0.3}
        return Redis(self.hosts[port].address, port, retry=once, **waits, **known)

    def replicates(self, port: int) -> bool:
        found: Any = self.client(port).info("replication")
        return found["role"] == "slave" and found["master_link_status"] == "up"

    def has_replica(self) -> bool:
        """Whether the server that is not the primary follows it."""
        others = {*self.servers} - {self.primary}
        return len(others) == 1 and self.replicates(others.pop())

    def knows_replica(self) -> bool:
        """Whether every Sentinel would promote the replica."""
        found: list[Any] = [
            self.client(port).sentinel_slaves(NAME)[0] for port in self.sentinels
        ]
        return all(
            x["master-link-status"] == "ok"
            and not (x["is_sdown"] or x["is_disconnected"])
            for x in found
        )

    def is_complete(self) -> bool:
        states: list[Any] = [
            self.client(port).sentinel_masters().get(NAME) for port in self.sentinels
        ]
        return all(
            state and state["num-other-sentinels"] == 2 and state["num-slaves"] == 1
            for state in states
        )

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
