"""A stack with a link in every way between its parts."""

import random
from contextlib import ExitStack
from pathlib import Path

from deploy.local.files import write_private
from deploy.tests.chaos.link import Link, Mode, Proxy
from deploy.tests.chaos.stack import PGSQL, ChaosStack
from deploy.tests.chaos.timeline import SERVICES
from deploy.tests.stack import as_it_was
from nginx.tests.gateway_stack import free_port

# The checker's; the suite's stack has a shorter one.
LEEWAY = "REFRESH_REUSE_LEEWAY=10"


class ProxiedStack:
    """While it is entered, the services go through the links, and so may clients."""

    def __init__(self, stack: ChaosStack, rng: random.Random) -> None:
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

    def __enter__(self) -> "ProxiedStack":
        self.proxy.__enter__()
        self.before = ExitStack()
        try:
            for service, path in self.files.items():
                self.before.enter_context(as_it_was(path))
                names = tuple(x.partition("=")[0] + "=" for x in self.lines[service])
                text = path.read_text().splitlines()
                kept = [line for line in text if not line.startswith(names)]
                write_private(path, "\n".join([*kept, *self.lines[service]]) + "\n")
            self.stack.run("restart", *SERVICES)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.before.close()
        self.pass_all()
        try:
            self.stack.run("restart", *SERVICES)
        finally:
            self.proxy.__exit__()

    def set(self, way: str, mode: Mode) -> None:
        self.proxy.set(self.links[way], mode)

    def pass_all(self) -> None:
        for way in self.links:
            self.set(way, Mode())
