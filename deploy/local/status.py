"""`status` and `logs`: what runs and whether it works, and what it says.

A program is ready when supervisord runs it and it answers on its own socket. The socket
of a service belongs to supervisord; the gateway's has to be held by our Nginx. So no
other program's answer counts, whichever has the port.
"""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
from collections.abc import Collection
from typing import Any

from . import postgres, supervisor
from .files import read_env
from .layout import Layout
from .ports import LOOPBACK, holder
from .problems import MISSING, Problem
from .site import Site

READY, DEGRADED, STOPPED = "ready", "degraded", "stopped"
EXIT_CODES = {READY: 0, STOPPED: MISSING, DEGRADED: 4}


def show(layout: Layout, *, as_json: bool) -> int:
    """Print the state of the stack; the exit status tells it too."""
    found = gather(layout)
    if as_json:
        print(json.dumps(found))
        return EXIT_CODES[found["state"]]
    print(f"{found['state']}  {found['url']}")
    for name, each in found["processes"].items():
        pids = " ".join(map(str, each["pids"])) or "-"
        note = "" if each["healthy"] or each["state"] == STOPPED else "  not ready"
        print(f"  {name:<12} {each['state']:<10} pid {pids}{note}")
    return EXIT_CODES[found["state"]]


def gather(layout: Layout, names: Collection[str] = ()) -> dict[str, Any]:
    """The state of all programs, or of those named. `ready`: all run and answer."""
    if not supervisor.is_running(layout):
        return {"state": STOPPED, "url": "", "processes": {}}
    there = supervisor.processes(layout)
    for service in layout.services:  # One that came since `up` has no processes yet.
        for name in (service.database, service.name):
            there.setdefault(name, [])
    found = {}
    for name in names or there:
        pids = [x["pid"] for x in there[name] if x["pid"]]
        states = {x["statename"] for x in there[name]}
        runs = bool(states & {"STARTING", "RUNNING"})
        state = "running" if runs else STOPPED if states <= {"STOPPED"} else "failing"
        healthy = runs and is_healthy(layout, name, pids)
        first = pids[0] if pids else None
        found[name] = {"state": state, "healthy": healthy, "pids": pids, "pid": first}
    url = read_env(layout.gateway_env).get("GATEWAY_PUBLIC_URL", "")
    ready = all(each["healthy"] for each in found.values())
    return {"state": READY if ready else DEGRADED, "url": url, "processes": found}


def is_healthy(layout: Layout, name: str, pids: list[int]) -> bool:
    """Whether the program with these processes answers."""
    if name == "redis":
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(f"{layout.sockets}/redis.sock")
            connection.sendall(b"PING\r\n")
            # Perhaps only that a client must log in first.
            return connection.recv(64).startswith((b"-NOAUTH", b"+PONG"))
        return False
    for service in layout.services:
        if name == service.database:
            return postgres.is_ready(layout, service)
        if name == service.name:
            return serves(read_env(service.env_file).get("BIND", ""), name)
    settings = read_env(layout.gateway_env)
    listener = holder(int(settings["GATEWAY_PORT"]))
    if listener is None or listener.uid != os.getuid():
        return False
    # A process with more rights than ours does not show what it holds.
    if listener.pids and not set(listener.pids) & set(pids):
        return False
    address = f"{LOOPBACK}:{settings['GATEWAY_PORT']}"
    tls = bool(settings.get("GATEWAY_TLS_CERTIFICATE"))
    return all(serves(address, service.name, tls=tls) for service in layout.services)


def serves(address: str, name: str, path: str = "ready", *, tls: bool = False) -> bool:
    """Whether the service of this name answers there, on this machine."""
    port = int(address.rpartition(":")[2] or 1)
    site = Site(f"http{'s' * tls}://localhost", port=port)
    try:
        reply = site.send("GET", f"/api/v1/{name}/health/{path}")
    except (OSError, http.client.HTTPException):
        return False
    return reply.status == 200 and bool(reply.body.get("service", name) == name)


def logs(layout: Layout, name: str | None, *, follow: bool) -> None:
    """The end of one program's logs or of all; with `follow`, whatever comes. A service
    has a log for each of its processes."""
    wanted = re.compile(rf"{re.escape(name)}(-[1-9])?" if name else ".*(?<!-0)")
    known = {path.stem: path for path in sorted(layout.logs.glob("*.log"))}
    paths = [path for stem, path in known.items() if wanted.fullmatch(stem)]
    if not paths:
        text = f"There is no log of {name or 'anything'}."
        raise Problem(text, hint=", ".join(known))
    options = ["-v", "-n", "50" if name else "10", *(["-F"] if follow else [])]
    # An interrupt in the moment of its start must not leave it behind.
    tail = ["/usr/bin/setpriv", "--pdeathsig=TERM", "tail"]
    subprocess.run([*tail, *options, "--", *paths], check=False)
