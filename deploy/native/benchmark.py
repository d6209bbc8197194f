"""`./manage_all.sh bench`: the comparison of `bench/`, on a stack of its own."""

import os
import re
import subprocess
from collections.abc import Sequence

from . import checks, lifecycle, tools, virtualenv
from . import layout as layouts
from .envfiles import Setting, complete
from .files import locked, read_text, write_private
from .layout import Layout
from .programs import PATH, base_env
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
    many = Setting("GATEWAY_CONNECTION_LIMIT", "1000")
    layout.make_folders()
    with locked(layout.state / "bench.lock", "memo: another bench; waiting ..."):
        checks.prepare(layout, virtualenv.RUNTIME, many)
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
        "BENCH_WRK": tools.ensure(layout, tools.WRK),
    }
    command = [str(layout.python), "-m", "bench", *arguments]
    return subprocess.run(command, cwd=layout.root, env=env, check=False).returncode
