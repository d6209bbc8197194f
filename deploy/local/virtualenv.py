"""The virtual environment: made of hashed requirements, stamped when it is complete.

A killed `venv` or `pip` leaves something that looks whole. The stamp, which is written
last, decides: its lines name what the environment was made of.
"""

import hashlib
import os
import shutil
import sys

from .files import locked, read_text, write_private
from .layout import Layout
from .problems import Problem
from .programs import Job, run
from .server_binaries import download_env
from .supervisor import is_running

RUNTIME, DEV, VERIFY = "local", "dev", "verify"


def ensure(layout: Layout, requirements: str = RUNTIME) -> None:
    """Make the environment fit. `dev` holds all of `local`, and can be added to it.
    `verify` is added to `dev`."""
    if not _missing(layout, RUNTIME, requirements):
        return
    for folder in (layout.base, layout.home, layout.cache):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(layout.base / "install.lock"):
        if _missing(layout, RUNTIME, requirements):
            print(f"  installing Python packages ({requirements}) ...", flush=True)
            _install(layout, requirements)


def _missing(layout: Layout, *requirements: str) -> set[str]:
    """The lines that the stamp lacks; none where there is nothing to do."""
    wanted = {f"in {layout.venv}", f"by {os.path.realpath(layout.python)}"}
    for name in requirements:
        file = layout.root / "requirements" / f"{name}.txt"
        wanted.add(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}")
    there = read_text(layout.base / "venv.stamp").splitlines()
    return wanted - {*there} if os.access(layout.python, os.X_OK) else wanted


def _install(layout: Layout, requirements: str) -> None:
    env = {"PIP_CACHE_DIR": str(layout.cache / "pip"), **download_env(layout)}
    del env["PYTHONPYCACHEPREFIX"]  # Bytecode of packages is made once, next to them.
    stamp = layout.base / "venv.stamp"
    if _missing(layout, RUNTIME):
        for stack in filter(is_running, layout.stacks()):
            text = "The Python packages have changed, and a stack runs on them."
            raise Problem(text, hint=f"Stop it first: {stack.command} down")
        stamp.unlink(missing_ok=True)
        shutil.rmtree(layout.venv, ignore_errors=True)
        # The Python behind this one, should that be the environment's own.
        python = str(getattr(sys, "_base_executable", sys.executable))
        make = [python, "-I", "-m", "venv", layout.venv]
        run(Job("Making the Python environment", make, layout.base, env))
    file = layout.root / "requirements" / f"{requirements}.txt"
    pip = [layout.python, "-m", "pip", "install", "--disable-pip-version-check"]
    command = [*pip, "--require-hashes", "-r", file]
    run(Job(f"Installing {file.name}", command, layout.base, env))
    # The packages of the checkout are found where they are.
    site = next(layout.venv.glob("lib/python*/site-packages"))
    (site / "memo.pth").write_text(f"{layout.root}\n", encoding="utf-8")
    lines = _missing(layout, RUNTIME, requirements)
    write_private(stamp, "\n".join([read_text(stamp), *sorted(lines)]))
