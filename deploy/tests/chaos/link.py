"""A link of ours between two parts: slow, cut, silent, or without answers.

It knows bytes alone, so it is the same between a client and the gateway, a service and
PostgreSQL, or one service and another.
"""

import asyncio
import random
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A path is a unix socket, a number a port of 127.0.0.1.
Address = Path | int
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CHUNK = 65_536


@dataclass(frozen=True)
class Mode:
    """What happens on a link."""

    delay: float = 0.0  # seconds, each way, for what is sent at once
    # The share of answers that are not passed on: the question was carried out, the
    # link breaks.
    lost: float = 0.0
    silent: bool = False  # nothing passes, nothing breaks
    reset: bool = False  # every connection breaks at once


@dataclass(eq=False)
class Link:
    listens: Address
    leads_to: Address
    mode: Mode = Mode()
    connections: set["asyncio.Task[None] | None"] = field(default_factory=set)

    async def serve(self) -> asyncio.AbstractServer:
        if isinstance(self.listens, Path):
            self.listens.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return await asyncio.start_unix_server(self.accept, self.listens)
        return await asyncio.start_server(self.accept, "127.0.0.1", self.listens)

    async def accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass both ways until one end closes; the first fault breaks both."""
        task, ends, is_broken = asyncio.current_task(), [writer], True
        self.connections.add(task)
        try:
            there, back = await self.connect()
            ends.append(back)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self.pass_on(reader, back, lost=0.0))
                ways.create_task(self.pass_on(there, writer, lost=1.0))
        except* EOFError:
            is_broken = False
        except* OSError:
            pass
        finally:
            for end in ends:
                end.transport.abort() if is_broken else end.close()
            self.connections.discard(task)

    async def connect(self) -> Streams:
        if self.mode.reset:
            raise ConnectionResetError
        if isinstance(self.leads_to, Path):
            return await asyncio.open_unix_connection(self.leads_to)
        return await asyncio.open_connection("127.0.0.1", self.leads_to)

    async def pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: float
    ) -> None:
        """Raises EOFError at the end. Only answers may be lost, never questions."""
        while data := await reader.read(CHUNK):
            await asyncio.sleep(self.mode.delay)
            while self.mode.silent:
                await asyncio.sleep(0.02)
            if random.random() < lost * self.mode.lost:
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise EOFError

    async def set(self, mode: Mode) -> None:
        self.mode = mode
        tasks = [task for task in self.connections if task and mode.reset]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Proxy:
    """Serves links from `__enter__` to `__exit__`."""

    def __init__(self, links: Iterable[Link]) -> None:
        self.links = list(links)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> "Proxy":
        self.thread.start()
        self.servers = [self.do(link.serve()) for link in self.links]
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            self.loop.call_soon_threadsafe(server.close)
        for link in self.links:
            self.do(link.set(Mode(reset=True)))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)
