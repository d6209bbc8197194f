"""All links of a run, in a thread of their own."""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from deploy.tests.chaos.link import Link, Mode


class Proxy:
    """Serves links from `__enter__` to `__exit__`."""

    def __init__(self, links: list[Link]) -> None:
        self.links = links
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.servers: list[asyncio.AbstractServer] = []

    def __enter__(self) -> "Proxy":
        self.thread.start()
        for link in self.links:
            self.servers.append(self.do(link.serve()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.do(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def end(self) -> None:
        for server in self.servers:
            server.close()
        tasks = {task for link in self.links for task in link.connections}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def set(self, link: Link, mode: Mode) -> None:
        async def change() -> None:
            link.set(mode)

        self.do(change())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)
