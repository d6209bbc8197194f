"""The gateway's configuration, which nginx/render.py writes."""

import shutil
import sys
from pathlib import Path

from .files import read_env
from .layout import Layout
from .problems import Problem
from .programs import Job, run


def check(layout: Layout) -> None:
    """Render the configuration next to the one in use, and have Nginx read it."""
    scratch = layout.state / "gateway-check"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        write(layout, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write(layout: Layout, state: Path) -> None:
    """Render the configuration and have Nginx read it. A Problem names the fault."""
    state.mkdir(mode=0o700, exist_ok=True)
    config, words = state / "conf" / "nginx.conf", []
    for service in layout.services:
        address = read_env(service.env_file).get("BIND", "127.0.0.1:1")
        words += ["--upstream", f"{service.name}={address}"]
    _render(layout, config.parent, "--static", layout.static, "--state", state, *words)
    nginx = layout.servers / "nginx"
    test = [nginx, "-p", state, "-e", "stderr", "-c", config, "-t"]
    run(Job("Nginx's own check of its files", test, state, layout.base_env()))
    (state / "nginx.pid").unlink(missing_ok=True)  # `nginx -t` makes an empty one.


def write_for_compose(layout: Layout) -> None:
    """What compose.yaml mounts into its gateway."""
    _render(layout, layout.root / ".run" / "compose" / "gateway", "--compose")


def _render(layout: Layout, output: Path, *words: object) -> None:
    command = [sys.executable, layout.root / "nginx" / "render.py", "--output", output]
    # The settings reach it by its environment: `.env` is read in one place.
    env = {**layout.base_env(), **read_env(layout.gateway_env)}
    what = "Rendering the gateway's configuration"
    try:
        run(Job(what, [*command, *words], layout.state, env))
    except Problem as failed:
        name, _, fault = failed.output.strip().partition(": ")
        if name == "render.py" and "\n" not in fault:
            raise Problem(f"gateway: {fault}") from failed
        raise
