"""The gateway: Nginx on a configuration rendered by nginx/render.py."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import ports
from .addresses import LOOPBACK, Addresses
from .engines import Engine
from .envfiles import read
from .layout import Layout
from .problems import Problem, ProgramFailed
from .programs import Command, base_env, run
from .services import Service

NAME = "gateway"
CONF = "conf"
LOWEST_FREE_PORT_FILE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def prepare(
    layout: Layout,
    services: Sequence[Service],
    addresses: Addresses,
    engine: Engine,
) -> None:
    """Render the configuration and have Nginx itself check it."""
    layout.gateway.mkdir(mode=0o700, exist_ok=True)
    _render(layout, services, addresses, {}, layout.gateway)
    check: Command = [*command(layout, engine), "-t"]
    env = {**base_env(layout), **engine.env}
    run(check, env=env, cwd=layout.gateway, what="Checking the gateway's configuration")
    for path in stale_files(layout):  # `nginx -t` leaves an empty pid file.
        path.unlink(missing_ok=True)


def check(
    layout: Layout,
    services: Sequence[Service],
    addresses: Addresses,
    more: Mapping[str, str],
    scratch: Path,
) -> None:
    """Render into a scratch folder, with settings that its file is still to get."""
    _render(layout, services, addresses, more, scratch)


def _render(
    layout: Layout,
    services: Sequence[Service],
    addresses: Addresses,
    more: Mapping[str, str],
    state: Path,
) -> None:
    command = _renderer(layout, services, addresses, state)
    _run_renderer(command, {**base_env(layout), **more}, state)


def render_for_compose(layout: Layout) -> None:
    """What compose.yaml mounts into its gateway."""
    words: Command = [sys.executable, layout.root / "nginx" / "render.py", "--compose"]
    words += ["--env-file", layout.gateway_env]
    words += ["--output", layout.root / ".run" / "compose" / NAME]
    _run_renderer(words, base_env(layout), layout.root)


def _run_renderer(command: Command, env: Mapping[str, str], cwd: Path) -> None:
    what = "Rendering the gateway's configuration"
    try:
        run(command, env=env, cwd=cwd, what=what)
    except ProgramFailed as exc:
        name, _, fault = exc.output.strip().partition(": ")
        if name != "render.py" or "\n" in fault:
            raise
        raise Problem(f"{NAME}: {fault}") from exc


def _renderer(
    layout: Layout, services: Sequence[Service], addresses: Addresses, state: Path
) -> Command:
    words: Command = [sys.executable, layout.root / "nginx" / "render.py"]
    for service in services:
        upstream = f"{LOOPBACK}:{addresses.services[service.name]}"
        words += ["--upstream", f"{service.name}={upstream}"]
    if layout.gateway_env.exists():
        words += ["--env-file", layout.gateway_env]
    words += ["--static", layout.static]
    return [*words, "--state", state, "--output", state / CONF]


def command(layout: Layout, engine: Engine) -> list[str]:
    """Never without -e: builds differ in where they write before they read this."""
    config = str(_config(layout))
    return [engine.program, "-p", str(layout.gateway), "-e", "stderr", "-c", config]


def stale_files(layout: Layout) -> list[Path]:
    return [layout.gateway / "nginx.pid"]


def uses_tls(layout: Layout) -> bool:
    return bool(read(layout.gateway_env).get("GATEWAY_TLS_CERTIFICATE"))


def needs_privilege(port: int) -> bool:
    """Whether the kernel keeps this port for root."""
    try:
        lowest = int(LOWEST_FREE_PORT_FILE.read_text(encoding="ascii"))
    except (OSError, ValueError):
        lowest = 1024
    return port < lowest


def insist_on_free(layout: Layout, port: int) -> None:
    ports.insist_on_free(
        port,
        "the gateway",
        f"Stop that program, or choose another port: GATEWAY_PORT={_other(port)}"
        f" {layout.command} up",
    )


def _other(port: int) -> int:
    return ports.choose(max(port, 8080) + 1, ())


def _config(layout: Layout) -> Path:
    return layout.gateway / CONF / "nginx.conf"
