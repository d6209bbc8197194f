"""A stack with a link in every way between its parts."""

import random
import socket
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from deploy.local.files import write_private
from deploy.tests.chaos.link import Link, Mode
from deploy.tests.chaos.proxy import Proxy
from deploy.tests.chaos.stack import PGSQL, Stack
from deploy.tests.chaos.timeline import SERVICES
from deploy.tests.stack import as_it_was

# The checker's; the suite's stack has a shorter one.
LEEWAY = "REFRESH_REUSE_LEEWAY=10"


class Rig:
    """While it is entered, the services go through the links, and so may clients."""

    def __init__(self, stack: Stack, rng: random.Random) -> None:
        self.stack = stack
        self.rng = rng
        self.front_port = free_port()
        gateway = int(stack.settings("gateway")["GATEWAY_PORT"])
        self.links = {"front": self.link(self.front_port, gateway)}
        self.files = {s: stack.state / "env" / f"{s}.env" for s in SERVICES}
        self.lines = {service: self.divert(service) for service in SERVICES}
        self.proxy = Proxy([*self.links.values()])

    @property
    def url(self) -> str:
        return f"http://localhost:{self.front_port}"

    def link(self, listens: Path | int, leads_to: Path | int) -> Link:
        return Link(listens, leads_to, random.Random(self.rng.random()))

    def divert(self, service: str) -> list[str]:
        """Links for the three ways of a service, and the settings that lead there.

        They have the form of what `up` writes, so that it sets them right again should
        we not come to it.
        """
        stack, via = self.stack, self.stack.layout.sockets / "via" / service
        [other] = set(SERVICES) - {service}
        port = free_port()
        url = getattr(stack, f"{other}_url")
        database = f"{service}-db"
        self.links |= {
            f"{service}>redis": self.link(via / "redis.sock", stack.socket_of("redis")),
            f"{service}>{database}": self.link(via / PGSQL, stack.socket_of(database)),
            f"{service}>{other}": self.link(port, int(url.rpartition(":")[2])),
        }
        return [
            f"REDIS_URL=unix://{service}@{via}/redis.sock",
            f"DATABASE_URL=postgres://{service}_app@/{via}/{service}",
            f"{other.upper()}_SERVICE_URL=http://127.0.0.1:{port}",
            LEEWAY,
        ]

    def __enter__(self) -> "Rig":
        self.proxy.__enter__()
        self.before = ExitStack()
        try:
            for service, path in self.files.items():
                self.before.enter_context(as_it_was(path))
                names = tuple(
                    f"{line.partition('=')[0]}=" for line in self.lines[service]
                )
                kept = [
                    line
                    for line in path.read_text().splitlines()
                    if not line.startswith(names)
                ]
                write_private(path, "\n".join([*kept, *self.lines[service]]) + "\n")
            self.stack.run("restart", *SERVICES)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.before.close()
        self.pass_all()
        try:
            self.stack.run("restart", *SERVICES)
        finally:
            self.proxy.__exit__(kind, error, trace)

    def set(self, way: str, mode: Mode) -> None:
        self.proxy.set(self.links[way], mode)

    def pass_all(self) -> None:
        for way in self.links:
            self.set(way, Mode())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
