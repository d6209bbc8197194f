"""The gateway: Nginx on a configuration rendered by nginx/render.py."""

import sys
from collections.abc import Sequence
from pathlib import Path

from . import ports
from .addresses import LOOPBACK, Addresses
from .engines import Engine
from .envfiles import read
from .layout import Layout
from .programs import Command, base_env, run
from .services import Service

NAME = "gateway"
LOWEST_FREE_PORT_FILE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def prepare(
    layout: Layout,
    services: Sequence[Service],
    addresses: Addresses,
    engine: Engine,
) -> None:
    """Render the configuration and have Nginx itself check it."""
    layout.gateway.mkdir(mode=0o700, exist_ok=True)
    render = _renderer(layout, services, addresses)
    what = "Rendering the gateway's configuration"
    run(render, env=base_env(layout), cwd=layout.gateway, what=what)
    check: Command = [*command(layout, engine), "-t"]
    env = {**base_env(layout), **engine.env}
    run(check, env=env, cwd=layout.gateway, what="Checking the gateway's configuration")
    for path in stale_files(layout):  # `nginx -t` leaves an empty pid file.
        path.unlink(missing_ok=True)


def _renderer(
    layout: Layout, services: Sequence[Service], addresses: Addresses
) -> Command:
    words: Command = [sys.executable, layout.root / "nginx" / "render.py"]
    for service in services:
        upstream = f"{LOOPBACK}:{addresses.services[service.name]}"
        words += ["--upstream", f"{service.name}={upstream}"]
    words += ["--env-file", layout.gateway_env]
    words += ["--static", layout.static]
    words += ["--state", layout.gateway]
    return [*words, "--output", _config(layout).parent]


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
    return layout.gateway / "conf" / "nginx.conf"
