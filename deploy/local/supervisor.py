"""supervisord: its configuration, and calls to it over a private socket.

Each program starts with `setpriv --pdeathsig`: should supervisord be killed, the kernel
ends them all. A service has two gunicorn processes on a socket that supervisord holds,
so a taken port is an error at once, and processes that are restarted one after the
other lose no request. A third process of the group keeps the socket open while both
are started again.
"""

import contextlib
import http.client
import os
import shlex
import socket
import subprocess
import sys
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import orphans
from .files import tail, write_private
from .layout import Layout
from .problems import MISSING, Problem
from .programs import PROCESSES, Program

# Enough for every request in flight to finish.
STOP_SECONDS = 35
SECONDS = 45.0  # for one call

TEMPLATES = Path(__file__).with_name("templates")


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.host)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        self._connection = host, _Connection(str(self.path))  # so `close` finds it
        return self._connection[1]


def call(layout: Layout, method: str, *arguments: Any) -> Any:
    """The answer to a call of supervisord's XML-RPC API. Problem: it does not run.
    xmlrpc.client.Error: it cannot do that."""
    transport = _Transport(layout.sockets / "supervisor.sock")
    with xmlrpc.client.ServerProxy("http://supervisor", transport) as server:
        try:
            return getattr(server.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException) as exc:
            hint = f"Start it: {layout.command} up"
            text = "The stack is not running."
            raise Problem(text, hint=hint, code=MISSING) from exc


def is_running(layout: Layout) -> bool:
    """Whether the supervisor of this stack answers."""
    try:
        call(layout, "getState")
    except Problem:
        return False
    return True


def processes(layout: Layout) -> dict[str, list[dict[str, Any]]]:
    """What supervisord says of each program's processes, without the socket's."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in call(layout, "getAllProcessInfo"):
        if not each["name"].endswith("-0"):
            found.setdefault(each["group"], []).append(each)
    return found


def start(layout: Layout, programs: Sequence[Program]) -> None:
    """Write the configuration and start supervisord, with no program yet."""
    config, log = layout.state / "supervisord.conf", layout.logs / "supervisord.out"
    places = {name: getattr(layout, name) for name in ("logs", "state", "work")}
    texts = [_fill("supervisord", sockets=layout.sockets, **places)]
    write_private(config, "".join([*texts, *(_section(layout, x) for x in programs)]))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            env=layout.base_env(),
            cwd=layout.work,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    ended = process.poll
    orphans.wait_until(lambda: is_running(layout) or ended() is not None, 15)
    if not is_running(layout):
        raise Problem(f"supervisord does not start. The end of {log}:\n{tail(log)}")


def start_program(layout: Layout, name: str, number: int | None = None) -> bool:
    """Start a program, or one of its processes; whether it could listen. Number 0 only
    keeps the socket open."""
    try:
        with contextlib.suppress(xmlrpc.client.Fault):  # It runs already.
            if number is None:
                call(layout, "startProcessGroup", name, False)
            else:
                call(layout, "startProcess", f"{name}:{name}-{number}", False)
    except xmlrpc.client.ProtocolError:
        return False
    return True


def end(layout: Layout, *, at_once: bool = False) -> bool:
    """Stop everything in order, or kill it; whether there was anything."""
    pid = 0
    with contextlib.suppress(Problem, xmlrpc.client.Error):
        pid = call(layout, "getPID")
        if at_once:
            os.kill(pid, 9)  # The kernel ends its children with it.
        else:
            call(layout, "shutdown")
            orphans.wait_until(lambda: not is_running(layout), 4 * STOP_SECONDS)
    patience = 1 if at_once else 5
    left = orphans.end_all(layout.work, layout.postgres, patience=patience)
    for path in layout.sockets.glob("supervisor.sock*"):  # of one that was killed
        path.unlink()
    return bool(pid or left)


def restart_one_by_one(layout: Layout, name: str) -> None:
    """Replace the processes of a program, so that the others serve meanwhile."""
    for each in processes(layout)[name]:
        full = f"{name}:{each['name']}"
        with contextlib.suppress(xmlrpc.client.Fault):  # It has stopped already.
            call(layout, "stopProcess", full)
        try:
            call(layout, "startProcess", full)
        except xmlrpc.client.Error as exc:
            log = layout.logs / f"{each['name']}.log"
            text = f"{name} does not start. The end of {log}:\n{tail(log)}"
            raise Problem(text) from exc
        wait_until_loaded(layout, name)


def wait_until_loaded(layout: Layout, *names: str) -> None:
    """Return when every process of these services has read its code and settings, and
    has a worker."""

    def have_workers() -> bool:
        pids = [each["pid"] for name in names for each in processes(layout)[name]]
        files = [Path(f"/proc/{pid}/task/{pid}/children") for pid in pids]
        return all(not path.exists() or path.read_text() for path in files)

    orphans.wait_until(have_workers, SECONDS)


def _section(layout: Layout, program: Program) -> str:
    launcher = [sys.executable, "-I", str(Path(orphans.__file__))]
    launcher += [f"--remove={path}" for path in program.stale_files]
    name = program.name
    if program.address:  # Its processes share a folder.
        launcher.append("--holder=%(process_num)d")
        name += "-%(process_num)d"
    else:
        launcher.append("--clear")
    death = "INT" if program.stop_signal == "INT" else "TERM"
    prefix = ["/usr/bin/setpriv", f"--pdeathsig={death}"]
    if not program.low_ports:  # No right of root's but for the gateway on such a port.
        prefix += ["--inh-caps=-all", "--ambient-caps=-all"]
    program.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = _fill(
        "program",
        section="fcgi-program" if program.address else "program",
        name=program.name,
        command=shlex.join([*prefix, *launcher, "--", *program.command]),
        folder=program.folder,
        environment=",".join(f'{k}="{v}"' for k, v in program.env.items()),
        priority=program.priority,
        stop_signal=program.stop_signal,
        stop_seconds=STOP_SECONDS,
        log=layout.logs / f"{name}.log",
    )
    if program.address:
        text += _fill("socket", address=program.address, count=PROCESSES + 1)
    return text


def _fill(template: str, /, **values: object) -> str:
    return (TEMPLATES / f"{template}.conf").read_text(encoding="utf-8").format(**values)
