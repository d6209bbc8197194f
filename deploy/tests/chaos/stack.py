"""A native stack of this checkout, with a hand on all of it."""

from functools import cache, cached_property
from pathlib import Path
from typing import Any

from deploy.local import stack as stacks
from deploy.local import supervisor
from deploy.local.layout import Layout
from deploy.tests.chaos.timeline import SERVICES
from deploy.tests.stack import ROOT, System

PGSQL = ".s.PGSQL.5432"


class ChaosStack(System):
    """A running native stack. Asked without a new process each time: that would cost
    more of a small machine than what is tried."""

    def __init__(self, stack: str) -> None:
        super().__init__(stack)
        self.layout = Layout(ROOT, stack)
        # What is configured without the links, for clients that go past them.
        self.settings = cache(super().settings)  # type: ignore[method-assign]
        for name in (*SERVICES, "gateway"):
            self.settings(name)

    @cached_property
    def gateway_url(self) -> str:
        return self.settings("gateway")["GATEWAY_PUBLIC_URL"]

    def status(self) -> dict[str, Any]:
        found = supervisor.processes(self.layout).items()
        pids = {name: [each["pid"] for each in x if each["pid"]] for name, x in found}
        return {
            "processes": {
                name: {"pids": each, "pid": each[0] if each else None}
                for name, each in pids.items()
            }
        }

    def run(self, *words: str, timeout: float = 300) -> str:
        verb, *names = words
        if verb not in ("stop", "start", "restart"):
            return super().run(*words, timeout=timeout)
        for name in names if verb != "start" else ():
            supervisor.call(self.layout, "stopProcessGroup", name)
        if verb != "stop":
            self.wait_for(*names)
        return ""

    def wait_for(self, *names: str) -> None:
        """Started, until these programs answer."""
        stacks.start_and_wait(self.layout, *names)

    def pid(self, process: str) -> int | None:
        found: int | None = self.status()["processes"][process]["pid"]
        return found

    def socket_of(self, part: str) -> Path:
        """Where Redis or a database listens."""
        if part == "redis":
            return self.layout.sockets / "redis.sock"
        return self.layout.sockets / part / PGSQL
