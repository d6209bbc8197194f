"""supervisord: its configuration, and calls to it over a private socket.

Each program starts with `setpriv --pdeathsig`: if supervisord is killed, the kernel
ends them all. A service has two gunicorn processes on a socket that supervisord holds,
so a taken port is an error at once, and a restart of one process after the other loses
no request. A third process of the group keeps the socket open while both restart.
"""

import contextlib
import http.client
import os
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deploy.local.problems import MISSING, Problem
from deploy.local.setup.files import read_env, tail, write_private
from deploy.local.setup.layout import Layout, Service

from . import orphans

PROCESSES = 2  # of each service
STOP_SECONDS = 35  # enough for every request in flight to finish
TEMPLATES = Path(__file__).parents[1] / "templates"
# What gunicorn.conf.py reads from its environment; the service reads its `.env` itself.
SERVER_VARIABLES = ("WEB_THREADS", "FORWARDED_ALLOW_IPS")
SHUTDOWN_STATE = 6  # the code of supervisord's refusals while it stops


class Stopping(Problem):
    """supervisord stops its programs, and refuses all calls until it has ended."""


def call(layout: Layout, method: str, *arguments: Any) -> Any:
    """Call supervisord's XML-RPC API; returns the answer. Raises Problem if supervisord
    does not run, Stopping, and xmlrpc.client.Error if it refuses the call."""
    url = f"unix://{layout.sockets}/supervisor.sock"
    try:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(serverurl=url)
        with xmlrpc.client.ServerProxy("http://supervisor", transport) as server:
            return getattr(server.supervisor, method)(*arguments)
    except (ImportError, OSError, http.client.HTTPException) as exc:
        hint = f"Start it: {layout.command} up"
        raise Problem("The stack is not running.", hint=hint, code=MISSING) from exc
    except xmlrpc.client.Fault as fault:
        if fault.faultCode == SHUTDOWN_STATE:
            raise Stopping("The stack is stopping.") from fault
        raise


def is_running(layout: Layout) -> bool:
    """Whether the supervisor of this stack answers, or stops its programs."""
    try:
        return bool(call(layout, "getState"))
    except Problem as problem:
        return isinstance(problem, Stopping)


def processes(layout: Layout) -> dict[str, list[dict[str, Any]]]:
    """The state of each program's processes, except those that only hold a socket."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in call(layout, "getAllProcessInfo"):
        if not each["name"].endswith("-0"):
            found.setdefault(each["group"], []).append(each)
    return found


def stopped(layout: Layout) -> list[str]:
    """The programs of which a process does not run."""
    found = processes(layout).items()
    return [name for name, each in found if not all(one["pid"] for one in each)]


def insist_on(layout: Layout, names: Iterable[str]) -> None:
    """Raise Problem if nothing runs, or if a program is newer than the last `up`."""
    found = processes(layout)
    if new := [name for name in names if name not in found]:
        text = f"{', '.join(new)} has never run."
        raise Problem(text, hint=f"First start it: {layout.command} up")


def start(layout: Layout, major: int) -> None:
    """Write the configuration and start supervisord, with no program yet."""
    config, log = layout.state / "supervisord.conf", layout.logs / "supervisord.out"
    write_private(config, _configuration(layout, major))
    for name in ("redis", "gateway", *layout.programs):
        (layout.work / name).mkdir(mode=0o700, exist_ok=True)
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
        raise Problem(f"supervisord does not start. {tail(log)}")


def start_program(layout: Layout, name: str, number: int | None = None) -> bool:
    """Start a program, or its process with this number. Returns False if it cannot
    listen. Process 0 only keeps the socket open."""
    wait_while_stopping(layout, name)
    method, full = "startProcess", f"{name}:{name}-{number}"
    if number is None:
        method, full = "startProcessGroup", name
    try:
        call(layout, method, full, False)
    except xmlrpc.client.ProtocolError:
        return False
    except xmlrpc.client.Fault:
        pass  # It runs already.
    return True


def wait_while_stopping(layout: Layout, name: str) -> None:
    """Return when no process of the program is stopping, as after a stop that was
    interrupted. Until then supervisord would do nothing for a start."""

    def is_stopping() -> bool:
        return "STOPPING" in {x["statename"] for x in processes(layout)[name]}

    orphans.wait_until(lambda: not is_stopping(), STOP_SECONDS)


def stop_program(layout: Layout, name: str) -> None:
    """Stop a program, and the workers that a killed process of it left: they hold its
    port."""

    def is_stopped() -> bool:
        # One call skips a process that was just killed and is about to restart.
        call(layout, "stopProcessGroup", name)
        return {x["statename"] for x in processes(layout)[name]} == {"STOPPED"}

    orphans.wait_until(is_stopped, STOP_SECONDS)
    orphans.end_all(layout.work / name)


def end(layout: Layout, *, at_once: bool = False) -> bool:
    """Stop everything in order, or kill it. Returns whether anything was running."""
    running = is_running(layout)
    with contextlib.suppress(Problem, xmlrpc.client.Error):  # It may stop already.
        if at_once:
            # The kernel ends its children with it.
            os.kill(call(layout, "getPID"), 9)
        else:
            call(layout, "shutdown")
    if not at_once:
        orphans.wait_until(lambda: not is_running(layout), 4 * STOP_SECONDS)
    patience = 1 if at_once else 5
    left = orphans.end_all(layout.work, layout.postgres, patience=patience)
    for path in layout.sockets.glob("supervisor.sock*"):  # left by a killed supervisord
        path.unlink()
    return running or left


def restart_one_by_one(layout: Layout, name: str) -> None:
    """Restart the processes of a service in turn: the others serve meanwhile. Raises
    Problem if one does not start, and leaves the others as they are."""
    wait_while_stopping(layout, name)
    # First one that does not serve: it may fail again.
    for each in sorted(processes(layout)[name], key=lambda x: has_loaded(x["pid"])):
        if not _restart(layout, f"{name}:{each['name']}"):
            log = layout.logs / f"{each['name']}.log"
            raise Problem(f"{name} does not start. {tail(log)}")


def _restart(layout: Layout, process: str) -> bool:
    """Restart a process of a service. Returns whether it has loaded."""
    with contextlib.suppress(xmlrpc.client.Fault):  # It has stopped already.
        call(layout, "stopProcess", process)
    try:
        call(layout, "startProcess", process)
        pid = call(layout, "getProcessInfo", process)["pid"]
    except xmlrpc.client.Error:
        return False
    orphans.wait_until(lambda: not is_loading(pid), STOP_SECONDS)
    return has_loaded(pid)


def has_loaded(pid: int) -> bool:
    """Whether a process of a service runs and has a worker."""
    return Path(f"/proc/{pid}").exists() and not is_loading(pid)


def is_loading(pid: int) -> bool:
    """Whether a process of a service runs and has no worker yet."""
    with contextlib.suppress(OSError):  # It has ended.
        return not Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return False


def wait_until_loaded(layout: Layout, *names: str) -> None:
    """Return when every process of these services has read its code and settings, and
    has a worker."""

    def have_workers() -> bool:
        found = processes(layout)
        return not any(is_loading(x["pid"]) for name in names for x in found[name])

    orphans.wait_until(have_workers, STOP_SECONDS)


def _configuration(layout: Layout, major: int) -> str:
    """The templates, filled in for this stack and each of its services."""
    values = {
        **vars(layout),
        "common": (TEMPLATES / "common.conf").read_text(),
        "launcher": f'"{sys.executable}" -I "{orphans.__file__}"',
        "stop_seconds": STOP_SECONDS,
        "processes": PROCESSES + 1,
    }
    text = (TEMPLATES / "supervisord.conf").read_text().format(**values)
    for service in layout.services:
        values |= vars(service) | _processes_of(service)
        values |= {"worker": service.worker, "data": layout.data_folder(service, major)}
        for name in ("service", "worker") if service.worker else ("service",):
            text += (TEMPLATES / f"{name}.conf").read_text().format(**values)
    return text


def concurrency(service: Service) -> dict[str, str]:
    """WEB_CONCURRENCY, if it is set, as the number of workers that really run: each
    process has as many. The service itself refuses a text that is not a number."""
    written = read_env(service.env_file).get("WEB_CONCURRENCY", "")
    if not written.isdecimal():
        return {}
    return {"WEB_CONCURRENCY": str(-(-int(written) // PROCESSES) * PROCESSES)}


def _processes_of(service: Service) -> dict[str, object]:
    """Values for the templates. A service's workers are divided among its processes."""
    written, real = read_env(service.env_file), concurrency(service)
    passed = {name: written[name] for name in SERVER_VARIABLES if written.get(name)}
    environment = {"ENV_FILE": service.env_file, **passed, **real}
    return {
        "workers": int(real.get("WEB_CONCURRENCY", PROCESSES)) // PROCESSES,
        "bind": written["BIND"],
        "environment": ",".join(f'{k}="{v}"' for k, v in environment.items()),
    }
