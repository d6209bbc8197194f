"""A native stack of this checkout, with a link in each way between its parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from deploy.local.setup.layout import Layout
from deploy.tests.chaos.checker import LEEWAY
from deploy.tests.chaos.link import Link, Mode, Proxy
from deploy.tests.chaos.record import SERVICES
from deploy.tests.stack import ROOT, System
from nginx.tests.gateway_stack import free_port

PGSQL = ".s.PGSQL.5432"


class ChaosStack(System):
    """While it is `linked`, the services go through the links, and so may clients."""

    def __init__(self, stack: str) -> None:
        super().__init__(stack)
        self.layout = Layout(ROOT, stack)
        # As they are without the links: what is asked here goes past them.
        self.settings = cache(super().settings)  # type: ignore[method-assign]
        self.links: dict[str, Link] = {}
        self.front_port = free_port()

    @property
    def gateway_url(self) -> str:  # type: ignore[override]
        """By its link."""
        return f"http://localhost:{self.front_port}"

    @contextmanager
    def linked(self) -> Iterator["ChaosStack"]:
        gateway = int(self.settings("gateway")["GATEWAY_PORT"])
        self.links["front"] = Link(self.front_port, gateway)
        settings = {service: self.divert(service) for service in SERVICES}
        with (
            Proxy(self.links.values()) as self.proxy,
            self.with_settings(**settings),
        ):
            yield self

    def divert(self, service: str) -> dict[str, str]:
        """Links for the three ways of a service, and the settings that lead there."""
        sockets = self.layout.sockets
        via, database = sockets / "via" / service, f"{service}-db"
        [other] = set(SERVICES) - {service}
        port, url = free_port(), getattr(self, f"{other}_url")
        self.links |= {
            f"{service}>redis": Link(via / "redis.sock", sockets / "redis.sock"),
            f"{service}>{database}": Link(via / PGSQL, sockets / database / PGSQL),
            f"{service}>{other}": Link(port, int(url.rpartition(":")[2])),
        }
        return {
            "REDIS_URL": f"unix://{service}@{via}/redis.sock",
            "DATABASE_URL": f"postgres://{service}_app@/{via}/{service}",
            f"{other.upper()}_SERVICE_URL": f"http://127.0.0.1:{port}",
            # The suite's stack has a shorter one.
            "REFRESH_REUSE_LEEWAY": str(LEEWAY),
        }

    @contextmanager
    def mode(self, mode: Mode, *ways: str) -> Iterator[None]:
        """These links in another mode; afterwards they pass everything on."""
        for way in ways:
            self.proxy.do(self.links[way].set(mode))
        try:
            yield
        finally:
            for way in ways:
                self.proxy.do(self.links[way].set(Mode()))
