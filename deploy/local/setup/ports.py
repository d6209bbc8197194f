"""Ports: chosen once, tried by binding, and the process that holds a taken one."""

import errno
import glob
import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

from deploy.local.problems import MISSING, PORT_IN_USE, Problem

from .files import read_env
from .layout import Layout

LOOPBACK = "127.0.0.1"
GATEWAY = "gateway"
# The documentation and `requests` expect these.
PREFERRED = {GATEWAY: 8080, "users": 8000, "auth": 8001}
FIRST_OTHER = 8002
HIGHEST = 65_535
# Named stacks search from here, out of the way of other checkouts' primary stacks.
STACK_OFFSET = 1000
NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class Ports:
    """The ports of a stack: by the name of a service, and `gateway`.

    Free ports are kept bound until `release`, so that two checkouts that start in the
    same second choose different ones. A line is printed for each port that changes.
    """

    def __init__(self, layout: Layout, *, running: bool) -> None:
        self.layout, self.running = layout, running
        self._held: dict[int, ExitStack] = {}
        others = [x for x in layout.stacks() if x.stack != layout.stack]
        self._taken = {port for other in others for port in written(other).values()}
        self._own, self.chosen = written(layout), dict[str, int]()
        with ExitStack() as failure:
            failure.callback(self.release)
            for name, port in self._own.items():
                self.chosen[name] = self._choose(name, port)
                self._taken.add(self.chosen[name])
            failure.pop_all()
        self.url = f"http://localhost:{self.chosen[GATEWAY]}"

    def release(self, *names: str) -> None:
        """Close the sockets on these ports, or on all, so that servers can listen."""
        for port in [self.chosen[name] for name in names] or list(self._held):
            self._held.pop(port, ExitStack()).close()

    def _choose(self, name: str, port: int) -> int:
        """The port that the caller asks for, else the written one, else a free one. The
        gateway's written port does not change by itself, since clients know it, except
        in a named stack."""
        given, asked = port, os.environ.get(f"{name.upper()}_PORT", "")
        if asked:
            port = _parse(asked, f"{name.upper()}_PORT")
        elif not port:
            port = PREFERRED.get(name) or FIRST_OTHER
            port += STACK_OFFSET if self.layout.stack else 0
        free = (self.running and port == given) or self._hold(port)
        if free and (asked or port not in self._taken):
            return port
        is_known = given and name == GATEWAY and not self.layout.stack
        if not free and (asked or is_known):
            raise taken(self.layout, name, port)
        later = range(max(port, 1024) + 1, HIGHEST + 1)
        unfit = self._taken.union(self._own.values())
        other = next(x for x in later if x not in unfit and self._hold(x))
        reason = "another service has it" if free else describe(port)
        print(f"  note: port {port} is in use: {reason}; {name} gets port {other}")
        return other

    def _hold(self, port: int) -> bool:
        """Bind the port by IPv4 and IPv6. Returns False if another program has it."""
        with ExitStack() as sockets:
            for family, host in ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1")):
                try:
                    sock = sockets.enter_context(socket.socket(family))
                    # As for a server, connections in TIME_WAIT are no obstacle.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.bind((host, port))
                    sock.listen()
                except PermissionError:
                    text = f"Port {port} is only for root, and Memo never runs as root."
                    hint = "Choose a port from 1024."
                    raise Problem(text, hint=hint, code=MISSING) from None
                except OSError as exc:
                    if exc.errno not in NO_IPV6:
                        return False
            self._held[port] = sockets.pop_all()
        return True


def _parse(text: str, where: str) -> int:
    """The number of a port."""
    if text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST:
        return int(text)
    raise Problem(f"{where}: {text!r} is not a port (1 to {HIGHEST}).")


def written(layout: Layout) -> dict[str, int]:
    """The ports in the `.env` files of a stack; 0 if a file names none."""
    texts = {s.name: read_env(s.env_file).get("BIND", "") for s in layout.services}
    texts[GATEWAY] = read_env(layout.gateway_env).get("GATEWAY_PORT", "")
    return {
        name: _parse(text.rpartition(":")[2], f"the port of {name}") if text else 0
        for name, text in texts.items()
    }


def taken(layout: Layout, name: str, port: int = 0) -> Problem:
    """A Problem that names the holder of the port (0: the written one) and a remedy."""
    own = written(layout)
    port = port or own[name]
    other = next(x for x in range(port + 1, HIGHEST + 2) if x not in own.values())
    way = f"{name.upper()}_PORT={other} {layout.command} up"
    hint = f"Stop that program, or choose another port: {way}"
    text = f"Port {port} ({name}) is in use: {describe(port)}."
    return Problem(text, hint=hint, code=PORT_IN_USE)


def describe(port: int) -> str:
    """The holder of the port, for a message."""
    pids = listeners(port)
    if pids is None:
        return "nothing listens there any more"
    if not pids:
        return "held by a program of another user"
    words = Path(f"/proc/{pids[0]}/cmdline").read_bytes().split(b"\0")[:3]
    return f"held by pid {pids[0]} ({b' '.join(words).decode(errors='replace')})"


def listeners(port: int) -> list[int] | None:
    """The processes that listen on the port of this machine, as far as we may see them;
    None if no process listens."""
    for table in Path("/proc/net").glob("tcp*"):  # Not all kernels have IPv6.
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, _, _, _, _, _, inode = line.split()[:10]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                return _pids_with(f"socket:[{inode}]")
    return None


def _pids_with(name: str) -> list[int]:
    """The processes that have this file open."""
    pids = set()
    for file in glob.iglob("/proc/[0-9]*/fd/*"):
        with suppress(OSError):  # It has ended, or is another user's.
            if os.readlink(file) == name:
                pids.add(int(file.split("/")[2]))
    return sorted(pids)
