"""`./manage_all.sh chaos`: the run of deploy/tests/chaos, on a stack of its own, or
without any against the URL of a deployment."""

import subprocess
from collections.abc import Sequence

from . import checks, lifecycle, virtualenv
from . import layout as layouts
from .envfiles import Setting
from .files import locked
from .layout import Layout
from .programs import base_env

STACK = "chaos"
ELSEWHERE = ("--url", "--help", "-h")


def run(primary: Layout, arguments: Sequence[str]) -> int:
    """Exit status 0 where all held, 1 where something did not."""
    layout = layouts.of(primary.root, primary.stack or STACK)
    if any(word.partition("=")[0] in ELSEWHERE for word in arguments):
        lifecycle.ensure_initialised(layout)
        return _run(layout, arguments)
    many = Setting("GATEWAY_CONNECTION_LIMIT", "1000")
    layout.make_folders()
    with locked(layout.state / "chaos.lock", "memo: another chaos run; waiting ..."):
        checks.prepare(layout, virtualenv.RUNTIME, many)
        try:
            lifecycle.up(layout)
            return _run(layout, arguments)
        finally:
            lifecycle.down(layout)


def _run(layout: Layout, arguments: Sequence[str]) -> int:
    env = {
        **base_env(layout),
        "MEMO_STACK": layout.stack,
        "MEMO_CACHE_DIR": str(layout.cache),
    }
    command = [str(layout.python), "-m", "deploy.tests.chaos", *arguments]
    return subprocess.run(command, cwd=layout.root, env=env, check=False).returncode
