"""Talking to the supervisor: one line of JSON each way over a private socket.

Requests: status; end; start, stop (answered when done) and hold, each with a list of
names. `hold` stops processes for as long as the asking connection lives: whoever
stands in for a process cannot forget to give its place back.
"""

import contextlib
import json
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .layout import Layout
from .problems import Problem

if TYPE_CHECKING:
    from .supervisor import Supervisor

# A stop may take as long as a request in flight.
PATIENCE = 45.0


def socket_path(layout: Layout) -> Path:
    return layout.sockets / "control.sock"


class Connection:
    """One caller: what it has sent, and the stop it still waits for."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.received = b""
        self.stopping: list[str] = []
        self.held: list[str] = []


class Server:
    """The supervisor's end. It never blocks: all sockets are non-blocking."""

    def __init__(
        self,
        layout: Layout,
        supervisor: "Supervisor",
        selector: selectors.BaseSelector,
    ) -> None:
        self.path = socket_path(layout)
        self.supervisor = supervisor
        self.selector = selector
        self.connections: list[Connection] = []
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        self.listener.setblocking(False)
        selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        for connection in list(self.connections):
            self._drop(connection)
        self.listener.close()

    def answer_waiting(self) -> None:
        """Tell those who asked for a stop that it is done."""
        for connection in list(self.connections):
            names = connection.stopping
            if names and self.supervisor.all_stopped(names):
                connection.stopping = []
                self._reply(connection, {"done": True})

    def _accept(self) -> None:
        wire, _address = self.listener.accept()
        wire.setblocking(False)
        connection = Connection(wire)
        self.connections.append(connection)
        self.selector.register(
            wire, selectors.EVENT_READ, lambda: self._receive(connection)
        )

    def _receive(self, connection: Connection) -> None:
        try:
            part = connection.wire.recv(65_536)
        except OSError:
            part = b""
        connection.received += part
        if not part:
            self._drop(connection)
        elif b"\n" in connection.received:
            line, _, connection.received = connection.received.partition(b"\n")
            self._handle(connection, line)

    def _handle(self, connection: Connection, line: bytes) -> None:
        try:
            request = json.loads(line)
            action, names = request["do"], request.get("names", [])
            unknown = set(names) - self.supervisor.children.keys()
        except (ValueError, KeyError, TypeError):
            self._reply(connection, {"error": "not understood"})
            return
        if unknown:
            self._reply(connection, {"error": f"no process {', '.join(unknown)}"})
        else:
            self._carry_out(connection, action, names)

    def _carry_out(self, connection: Connection, action: str, names: list[str]) -> None:
        if action == "status":
            self._reply(connection, self._status())
        elif action == "start":
            self.supervisor.start([name for name in names if not self._is_held(name)])
            self._reply(connection, {"done": True})
        elif action in ("stop", "hold"):
            children = self.supervisor.children
            if action == "hold":
                connection.held = [name for name in names if children[name].wanted]
            self.supervisor.stop(names)
            connection.stopping = names
        elif action == "end":
            self.supervisor.end()
            self._reply(connection, {"done": True})
        else:
            self._reply(connection, {"error": f"cannot {action}"})

    def _is_held(self, name: str) -> bool:
        return any(name in connection.held for connection in self.connections)

    def _status(self) -> dict[str, Any]:
        children = self.supervisor.children.items()
        return {
            "fingerprint": self.supervisor.plan.fingerprint,
            "processes": {
                name: {
                    "pid": child.pid,
                    "state": "replaced" if self._is_held(name) else child.state,
                    "restarts": child.restarts,
                }
                for name, child in children
            },
        }

    def _reply(self, connection: Connection, content: dict[str, Any]) -> None:
        try:
            connection.wire.sendall(json.dumps(content).encode() + b"\n")
        except OSError:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        self.selector.unregister(connection.wire)
        connection.wire.close()
        self.supervisor.start(connection.held)


def ask(layout: Layout, action: str, names: list[str] | None = None) -> dict[str, Any]:
    """The supervisor's answer; a Problem when there is none."""
    with _connected(layout) as wire:
        return _exchange(wire, action, names or [])


@contextmanager
def holding(layout: Layout, names: list[str]) -> Iterator[socket.socket]:
    """Processes stay stopped inside this block. The socket reports end of file when
    the supervisor itself goes."""
    with _connected(layout) as wire:
        _exchange(wire, "hold", names)
        yield wire


@contextmanager
def _connected(layout: Layout) -> Iterator[socket.socket]:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as wire:
        wire.settimeout(PATIENCE)
        try:
            wire.connect(str(socket_path(layout)))
        except OSError as exc:
            raise Problem(
                "The stack is not running.", hint=f"Start it: {layout.command} up"
            ) from exc
        yield wire


def _exchange(wire: socket.socket, action: str, names: list[str]) -> dict[str, Any]:
    received = b""
    try:
        wire.sendall(json.dumps({"do": action, "names": names}).encode() + b"\n")
        while not received.endswith(b"\n") and (part := wire.recv(65_536)):
            received += part
        answer: dict[str, Any] = json.loads(received)
    except (OSError, ValueError) as exc:
        raise Problem("The supervisor gave no answer.") from exc
    if "error" in answer:
        raise Problem(answer["error"])
    return answer
