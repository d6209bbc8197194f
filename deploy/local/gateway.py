"""The gateway: Nginx on a configuration that nginx/render.py writes."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .files import read_env
from .layout import Layout
from .problems import Problem, ProgramFailed
from .programs import Job, Program, run

NAME = "gateway"
LOOPBACK = "127.0.0.1"


def program(layout: Layout, port: int) -> Program:
    """Nginx. It gets -e because builds differ in where they log before they have read
    their configuration."""
    return Program(
        name=NAME,
        command=_command(layout, layout.gateway),
        folder=layout.work / NAME,
        priority=30,
        stop_signal="QUIT",
        low_ports=port < 1024,
    )


def check(layout: Layout) -> None:
    """Render the configuration next to the one in use, and have Nginx read it."""
    scratch = layout.state / "gateway-check"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        write(layout, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write(layout: Layout, state: Path | None = None) -> None:
    """Render the configuration and have Nginx read it. A Problem names the fault."""
    state = state or layout.gateway
    state.mkdir(mode=0o700, exist_ok=True)
    command = [sys.executable, layout.root / "nginx" / "render.py"]
    for service in layout.services:
        address = read_env(service.env_file).get("BIND", f"{LOOPBACK}:1")
        command += ["--upstream", f"{service.name}={address}"]
    if layout.gateway_env.exists():
        command += ["--env-file", layout.gateway_env]
    command += ["--static", layout.static, "--state", state, "--output", state / "conf"]
    _render(layout, command)
    test = [*_command(layout, state), "-t"]
    what = "Nginx's own check of its configuration"
    run(Job(what, test, state, layout.base_env()))
    (state / "nginx.pid").unlink(missing_ok=True)  # `nginx -t` makes an empty one.


def write_for_compose(layout: Layout) -> None:
    """What compose.yaml mounts into its gateway."""
    command = [sys.executable, layout.root / "nginx" / "render.py", "--compose"]
    command += ["--env-file", layout.gateway_env]
    command += ["--output", layout.root / ".run" / "compose" / NAME]
    _render(layout, command)


def uses_tls(settings: Mapping[str, str]) -> bool:
    """Whether clients of the gateway's port speak TLS."""
    return bool(settings.get("GATEWAY_TLS_CERTIFICATE"))


def _render(layout: Layout, command: Sequence[object]) -> None:
    env = layout.base_env()
    try:
        run(Job("Rendering the gateway's configuration", command, layout.state, env))
    except ProgramFailed as failed:
        name, _, fault = failed.output.strip().partition(": ")
        if name == "render.py" and "\n" not in fault:
            raise Problem(f"{NAME}: {fault}") from failed
        raise


def _command(layout: Layout, state: Path) -> list[str]:
    config = str(state / "conf" / "nginx.conf")
    program = str(layout.servers / "nginx")
    return [program, "-p", str(state), "-e", "stderr", "-c", config]
