"""`./manage_all.sh bench`: the comparison of `bench/`, on a stack of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import apt, checks, lifecycle, virtualenv
from . import layout as layouts
from .envfiles import Setting, complete
from .files import locked, read_text, write_private
from .layout import Layout
from .problems import MISSING, Problem
from .programs import PATH, base_env, find
from .services import discover

STACK = "bench"
# Every refresh rotates; tokens outlive the run.
SETTINGS = [
    Setting("REFRESH_REUSE_LEEWAY", "0"),
    Setting("ACCESS_TOKEN_LIFETIME", "14400"),
]
NODE_VARIABLES = re.compile(r"NODE_EXTRA_CA_CERTS|(?i:npm_config_).*")


def run(primary: Layout, arguments: Sequence[str]) -> int:
    """Start the stack, run the bench, stop the stack. Exit status is the bench's."""
    layout = layouts.of(primary.root, primary.stack or STACK)
    for name in ("GATEWAY", *(each.variable for each in discover(layout.root))):
        os.environ.pop(f"{name}_PORT", None)
    layout.make_folders()
    with locked(layout.state / "bench.lock", "memo: another bench; waiting ..."):
        checks.raise_limits(layout, Setting("GATEWAY_CONNECTION_LIMIT", "1000"))
        lifecycle.init(layout)
        checks.raise_service_limits(layout, discover(layout.root))
        _set(layout)
        try:
            lifecycle.up(layout)
            return _run(layout, arguments)
        finally:
            lifecycle.down(layout)


def _set(layout: Layout) -> None:
    for service in discover(layout.root):
        path = service.env_file(layout)
        write_private(path, complete(read_text(path), SETTINGS, ""))


def _run(layout: Layout, arguments: Sequence[str]) -> int:
    kept = {k: v for k, v in os.environ.items() if NODE_VARIABLES.fullmatch(k)}
    env = {
        **base_env(layout),
        **virtualenv.install_env(layout),
        **kept,
        # Node is where its installer has put it.
        "PATH": f"{os.environ.get('PATH', PATH)}:{PATH}",
        "PYTHONPATH": str(layout.root),
        "MEMO_STACK": layout.stack,
        "MEMO_CACHE_DIR": str(layout.cache),
        "BENCH_STATE": str(layout.state),
        "BENCH_WRK": _wrk(layout),
    }
    command = [str(layout.python), "-m", "bench", *arguments]
    return subprocess.run(command, cwd=layout.root, env=env, check=False).returncode


def _wrk(layout: Layout) -> str:
    """The load generator: the machine's, or unpacked from the system's packages."""
    found = find("wrk") or shutil.which("wrk")
    if found:
        return found
    folder = layout.cache / "wrk"
    program = folder / "root" / "usr" / "bin" / "wrk"
    if not program.exists():
        if not apt.usable():
            raise Problem(
                "wrk: not found on this machine.",
                hint="Install the package wrk of your system.",
                code=MISSING,
            )
        apt.unpack(folder, [["wrk"]], base_env(layout))
    return str(_wrapped(folder, program))


def _wrapped(folder: Path, program: Path) -> Path:
    """With the libraries that were unpacked beside it."""
    script = folder / "wrk"
    libraries = apt.library_path(folder / "root")
    text = f'#!/bin/sh\nexec env LD_LIBRARY_PATH="{libraries}" "{program}" "$@"\n'
    write_private(script, text, mode=0o700)
    return script
