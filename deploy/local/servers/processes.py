"""`status`, `logs`, `start`, `stop`: the programs of a stack, and whether they work.

A program is ready when supervisord runs it and it answers on its own socket. Services
have sockets that supervisord holds, and our Nginx has to hold the gateway's port: the
answer of another program that has the port does not count.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from deploy.local.problems import MISSING, USAGE, Problem
from deploy.local.setup import ports
from deploy.local.setup.files import locked, read_env, read_text, tail
from deploy.local.setup.layout import Layout, Service
from deploy.local.setup.ports import GATEWAY
from deploy.local.setup.site import Site

from . import gateway, orphans, postgres, supervisor

READY, DEGRADED, STOPPED = "ready", "degraded", "stopped"
EXIT_CODES = {READY: 0, STOPPED: MISSING, DEGRADED: 4}
READY_SECONDS = 60.0
# Held by `start`, `restart`, `runserver` and an `up` of a running stack, which start
# programs, and by `restore` while services have to be stopped.
STARTS = "starts.lock"
# Workers report every ten seconds, and say when they end.
REPORTS = """SELECT max(last_heartbeat) > now() - interval '30 s'
FROM procrastinate_workers"""


def show(layout: Layout, *, as_json: bool) -> int:
    """Print the state of the stack, and return it as an exit status."""
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
    """The state of all programs, or of those named. `ready`: all answer, and no process
    of one crashes, or has stopped, as by a restart that was interrupted."""
    if not supervisor.is_running(layout):
        return {"state": STOPPED, "url": "", "processes": {}}
    there, found = supervisor.processes(layout), {}
    for name in names or there:
        pids = [x["pid"] for x in there[name] if x["pid"]]
        states = {x["statename"] for x in there[name]}
        runs = bool(states & {"STARTING", "RUNNING"})
        fails = not runs or "BACKOFF" in states
        state = STOPPED if states <= {"STOPPED"} else "failing" if fails else "running"
        whole = runs and states.isdisjoint({"STOPPING", "STOPPED"})
        healthy = whole and is_healthy(layout, name, pids)
        found[name] = {"state": state, "healthy": healthy, "pids": pids}
    url = read_env(layout.gateway_env).get("GATEWAY_PUBLIC_URL", "")
    # A program that answers, though a process of it crashes, is failing and healthy.
    ready = all(x["healthy"] and x["state"] == "running" for x in found.values())
    return {"state": READY if ready else DEGRADED, "url": url, "processes": found}


def is_healthy(layout: Layout, name: str, pids: list[int]) -> bool:
    """Whether the program with these processes answers."""
    if name == "redis":
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(f"{layout.sockets}/redis.sock")
            connection.sendall(b"PING\r\n")
            # -NOAUTH: it works, and a client must log in first.
            return connection.recv(64).startswith((b"-NOAUTH", b"+PONG"))
        return False
    for service in layout.services:
        if name == service.database:
            return postgres.is_ready(layout, service)
        if name == service.name:
            return serves(read_env(service.env_file).get("BIND", ""), name)
        if name == service.worker:
            return reports(layout, service)
    settings = read_env(layout.gateway_env)
    listeners = ports.listeners(int(settings["GATEWAY_PORT"])) or []
    if set(listeners).isdisjoint(pids):
        return False
    # One that is new or does not answer must not keep the gateway from starting.
    bound = {s.name: read_env(s.env_file).get("BIND", "") for s in layout.services}
    site, own = gateway.own_site(settings), bound.items()
    return all(is_ready(site, name) for name, at in own if serves(at, name))


def reports(layout: Layout, service: Service) -> bool:
    """Whether a worker reports to the service's database. True if that is not ours."""
    if not postgres.is_own(layout, service):
        return True
    with contextlib.suppress(Problem):
        return postgres.psql(layout, service, "-d", service.name, "-c", REPORTS) == "t"
    return False


def serves(address: str, name: str) -> bool:
    """Whether the service of this name answers there, on this machine."""
    bind, _, port = address.rpartition(":")
    return is_ready(Site("http://localhost", port=int(port or 1), bind=bind), name)


def is_ready(site: Site, name: str) -> bool:
    """Whether the service of this name is ready there."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return site.send("GET", f"/api/v1/{name}/health/ready").status == 200
    return False


def start(layout: Layout, names: list[str]) -> None:
    """Start programs of a running stack; returns when they are ready."""
    insist_on(layout, names)
    with locked(layout.state / STARTS):
        start_and_wait(layout, *names)
    print(f"memo: running: {', '.join(names)}")


def stop(layout: Layout, names: list[str]) -> None:
    """Stop programs of a running stack, until `start` or `up`."""
    insist_on(layout, names)
    for name in names:
        supervisor.stop_program(layout, name)
    print(f"memo: stopped: {', '.join(names)}")


def replace(layout: Layout, names: list[str]) -> None:
    """Restart programs. No request is lost: the processes of a service are replaced one
    after the other, and the gateway reads its configuration again, if it stays at its
    addresses."""
    with locked(layout.state / STARTS):
        for name in names:
            _replace(layout, name, supervisor.processes(layout)[name])
    print(f"memo: running: {', '.join(names)}")


def _replace(layout: Layout, name: str, found: list[dict[str, Any]]) -> None:
    runs = any(each["pid"] for each in found)
    if name == GATEWAY and runs and not gateway.moves(layout):
        _reload(layout, found[0]["pid"])
    elif len(found) > 1 and runs:
        supervisor.restart_one_by_one(layout, name)
    else:
        supervisor.stop_program(layout, name)
        if name == GATEWAY:
            gateway.configure(layout, layout.gateway)
    start_and_wait(layout, name)


def _reload(layout: Layout, master: int) -> None:
    """Have Nginx read its configuration again: once it has, it has new workers. If it
    refuses it, as a new key of a limit, it serves on with the old one."""
    children = Path(f"/proc/{master}/task/{master}/children")

    def workers() -> set[str]:
        return set(read_text(children).split())

    gateway.configure(layout, layout.gateway)
    before = workers()
    supervisor.call(layout, "signalProcess", GATEWAY, "HUP")
    if not orphans.wait_until(lambda: not workers() <= before, READY_SECONDS):
        text = "Nginx has not taken the new configuration, and serves with the old one."
        log, again = layout.logs / f"{GATEWAY}.log", f"{layout.command} restart"
        raise Problem(text, hint=f"Why: grep emerg {log}\n  Start it again: {again}")


def insist_on_port(layout: Layout, port: int) -> None:
    """Raise Problem if another program has the port that the gateway is to have."""
    found = ports.listeners(port)
    # `up` itself holds a port that it has chosen.
    own = [os.getpid(), *orphans.processes_in(layout.work / GATEWAY)]
    if found is not None and set(found).isdisjoint(own):
        raise ports.taken(layout, GATEWAY, port)


def insist_on(layout: Layout, names: list[str]) -> None:
    """Raise Problem if nothing runs, if no program has one of the names, or if it is
    newer than the last `up`."""
    found = supervisor.processes(layout)
    for name in names:
        if name not in {*found, *layout.programs}:
            text = f"There is no program {name}."
            raise Problem(text, hint=f"There are: {', '.join(found)}", code=USAGE)
    supervisor.insist_on(layout, names)


def start_and_wait(layout: Layout, *names: str) -> None:
    """Start these programs, or all, if they do not work; return when they are ready. A
    Problem tells why one fails. It is stopped, so that it is not tried forever."""
    started, deadline = False, time.monotonic() + READY_SECONDS
    while True:
        states = gather(layout, names)["processes"]
        waiting = [name for name in states if not states[name]["healthy"]]
        if not waiting:
            return
        found = supervisor.processes(layout)
        failing = [n for n in waiting for x in found[n] if x["statename"] == "BACKOFF"]
        if started and failing:
            raise _failure(layout, failing[0], "start")
        for name in [] if started else waiting:
            if name in failing:
                # Of an earlier start. supervisord would wait, and counts it as running.
                supervisor.stop_program(layout, name)
            if not supervisor.start_program(layout, name):
                raise ports.taken(layout, name)
        started = True
        if time.monotonic() > deadline:
            raise _failure(layout, waiting[0], "answer")
        time.sleep(0.05)


def _failure(layout: Layout, name: str, verb: str) -> Problem:
    """Stop a program that does not work; returns why it does not."""
    log = layout.logs / f"{supervisor.processes(layout)[name][0]['name']}.log"
    supervisor.stop_program(layout, name)
    if name == GATEWAY and ports.listeners(ports.written(layout)[name]) is not None:
        return ports.taken(layout, name)
    return Problem(f"{name} does not {verb}. {tail(log)}")


def logs(layout: Layout, name: str | None, *, follow: bool) -> None:
    """Print the end of one program's logs, or of all; with `follow`, new lines too. A
    service has a log for each of its processes."""
    patterns = [f"{name}.log", f"{name}-[1-9].log"] if name else ["*[!0].log"]
    found = [path for each in patterns for path in sorted(layout.logs.glob(each))]
    if not found:
        names = ", ".join(sorted(path.stem for path in layout.logs.glob("*.log")))
        raise Problem(f"There is no log of {name or 'anything'}.", hint=names)
    options = ["-v", "-n", "50" if name else "10", *(["-F"] if follow else [])]
    # An interrupt just as `tail` starts must not leave it running.
    tail = ["/usr/bin/setpriv", "--pdeathsig=TERM", "tail"]
    subprocess.run([*tail, *options, "--", *found], check=False)
