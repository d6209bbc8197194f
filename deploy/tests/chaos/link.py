"""A link of ours between two parts: slow, cut, silent, or without answers.

It knows bytes alone, so it is the same between a client and the gateway, a service and
PostgreSQL, or one service and another.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A path is a unix socket, a number a port of 127.0.0.1.
Address = Path | int
CHUNK = 65_536
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing is a reset


@dataclass(frozen=True)
class Mode:
    """What happens on a link. The two shares are of answers, each time data comes."""

    delay: float = 0.0  # seconds, each way, for whatever is sent at once
    lost: float = 0.0  # not passed on: the question was carried out, the link breaks
    cut: float = 0.0  # half of it is passed on, and the link breaks
    silent: bool = False  # nothing passes, nothing breaks
    reset: bool = False  # every connection breaks at once


class Broken(Exception):
    """This connection is to end now."""


@dataclass(eq=False)
class Link:
    listens: Address
    leads_to: Address
    rng: random.Random
    mode: Mode = Mode()
    connections: set["asyncio.Task[None]"] = field(default_factory=set)
    answers: int = 0  # pieces of them that were passed on
    broken: int = 0

    async def serve(self) -> asyncio.AbstractServer:
        if isinstance(self.listens, Path):
            self.listens.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return await asyncio.start_unix_server(self.accept, self.listens)
        return await asyncio.start_server(self.accept, "127.0.0.1", self.listens)

    async def accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task
        self.connections.add(task)
        streams = [writer]
        try:
            there, back = await self.connect()
            streams.append(back)
            await self.join(reader, writer, there, back)
        except (Broken, OSError, asyncio.CancelledError):
            self.broken += 1
            for stream in streams:
                abort(stream)
        finally:
            self.connections.discard(task)
            for stream in streams:
                stream.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.mode.reset:
            raise Broken
        if isinstance(self.leads_to, Path):
            return await asyncio.open_unix_connection(self.leads_to)
        return await asyncio.open_connection("127.0.0.1", self.leads_to)

    async def join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        """Pass both ways until one end closes; the first fault ends both."""
        ways = {
            asyncio.ensure_future(self.pass_on(reader, back, answers=False)),
            asyncio.ensure_future(self.pass_on(there, writer, answers=True)),
        }
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        answers: bool,
    ) -> None:
        while data := await reader.read(CHUNK):
            if self.mode.delay:
                await asyncio.sleep(self.mode.delay)
            while self.mode.silent:
                await asyncio.sleep(0.02)
            if answers:
                await self.mistreat(data, writer)
            writer.write(data)
            await writer.drain()

    async def mistreat(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        self.answers += 1
        if self.rng.random() < self.mode.lost:
            raise Broken
        if self.rng.random() < self.mode.cut:
            writer.write(data[: len(data) // 2])
            with contextlib.suppress(OSError):
                await writer.drain()
            await asyncio.sleep(0.01)  # so that it is sent before the end is
            raise Broken

    def set(self, mode: Mode) -> None:
        self.mode = mode
        if mode.reset:
            for task in self.connections:
                task.cancel()


def abort(stream: asyncio.StreamWriter) -> None:
    """As a peer that died: over TCP by a reset."""
    sock = stream.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_INET:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    stream.transport.abort()


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

    def __exit__(self, *_: object) -> None:
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
