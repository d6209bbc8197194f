"""The virtual environment: made of hashed requirements, stamped when it is complete.

A killed `venv` or `pip` leaves something that looks whole. The stamp, which is written
last, decides: it names what the environment was made of.
"""

import hashlib
import json
import os
import shutil
import sys

from . import server_binaries
from .files import locked, read_text, write_private
from .layout import Layout
from .problems import Problem
from .programs import Job, run
from .supervisor import is_running

RUNTIME, DEV = "local", "dev"
# With these, pip installs into another place, or refuses. And bytecode of installed
# modules is made once, next to them.
HARMFUL = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV"}
HARMFUL |= {"PYTHONPYCACHEPREFIX"}
WAITING = "memo: another command installs packages; waiting for it ..."


def ensure(layout: Layout, requirements: str = RUNTIME) -> None:
    """Make the environment fit. `dev` holds all of `local`, and can be added to it."""
    if fits(layout, requirements):
        return
    for folder in (layout.base, layout.home, layout.cache):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(layout.base / "install.lock", WAITING):
        if not fits(layout, requirements):
            print(f"  installing Python packages ({requirements}) ...", flush=True)
            _install(layout, requirements)


def fits(layout: Layout, requirements: str = RUNTIME) -> bool:
    """Whether `ensure` has nothing to do."""
    there = json.loads(read_text(layout.base / "venv.stamp") or "{}")
    wanted = _stamp(layout, RUNTIME, requirements)
    return os.access(layout.python, os.X_OK) and wanted.items() <= there.items()


def _stamp(layout: Layout, *requirements: str) -> dict[str, str]:
    """What the stamp says of an environment that fits."""
    stamp = {"path": str(layout.venv), "python": os.path.realpath(layout.python)}
    for name in requirements:
        file = layout.root / "requirements" / f"{name}.txt"
        stamp[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return stamp


def _install(layout: Layout, requirements: str) -> None:
    env = {"PIP_CACHE_DIR": str(layout.cache / "pip")}
    given = server_binaries.download_env(layout)
    env |= {name: text for name, text in given.items() if name not in HARMFUL}
    if not fits(layout):
        for stack in filter(is_running, layout.stacks()):
            text = "The Python packages have changed, and a stack runs on them."
            raise Problem(text, hint=f"Stop it first: {stack.command} down")
        (layout.base / "venv.stamp").unlink(missing_ok=True)
        _create(layout, env)
    file = layout.root / "requirements" / f"{requirements}.txt"
    pip = [layout.python, "-m", "pip", "install", "--disable-pip-version-check"]
    command = [*pip, "--require-hashes", "-r", file]
    run(Job(f"Installing {file.name}", command, layout.base, env))
    # The packages of the checkout are found where they are.
    site = next(layout.venv.glob("lib/python*/site-packages"))
    (site / "memo.pth").write_text(f"{layout.root}\n", encoding="utf-8")
    stamp = json.dumps(_stamp(layout, RUNTIME, requirements))
    write_private(layout.base / "venv.stamp", stamp)


def _create(layout: Layout, env: dict[str, str]) -> None:
    shutil.rmtree(layout.venv, ignore_errors=True)
    # The Python behind this one, should that be the environment's own.
    python = str(getattr(sys, "_base_executable", sys.executable))
    command: list[object] = [python, "-I", "-m", "venv", layout.venv]
    what = "Making the Python environment"
    try:
        run(Job(what, command, layout.base, env))
    except Problem:
        # Debian has ensurepip in a package of its own, which is often missing.
        shutil.rmtree(layout.venv, ignore_errors=True)
        root = server_binaries.unpack(layout, "pip-wheel", ("python3-pip-whl",))
        wheel = next(root.glob("usr/share/python-wheels/pip-*.whl"))
        run(Job(what, [*command, "--without-pip"], layout.base, env))
        pip = [layout.python, wheel / "pip", "install", "--no-index", wheel]
        run(Job("Installing pip", pip, layout.base, env))
