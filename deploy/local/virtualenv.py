"""The virtual environment: made of hashed requirements, stamped when it is complete.

A killed `venv` or `pip` leaves something that looks whole. The stamp, which is written
last, decides: it names what the environment was made of.
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from . import server_binaries
from .files import locked, read_text, write_private
from .layout import Layout
from .problems import Problem
from .programs import Job, run
from .supervisor import is_running

RUNTIME, DEV = "local", "dev"
# With these, pip installs into another place, or refuses.
HARMFUL = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV"}
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
    there = json.loads(read_text(_stamp(layout)) or "{}")
    wanted = {**_wanted(layout, RUNTIME), **_wanted(layout, requirements)}
    return os.access(layout.python, os.X_OK) and wanted.items() <= there.items()


def _pip_env(layout: Layout) -> dict[str, str]:
    """The environment of pip."""
    env = server_binaries.download_env(layout)
    env["PIP_CACHE_DIR"] = str(layout.cache / "pip")
    # Bytecode of installed modules is made once, next to them.
    unwanted = {*HARMFUL, "PYTHONPYCACHEPREFIX"}
    return {k: v for k, v in env.items() if k not in unwanted}


def _install(layout: Layout, requirements: str) -> None:
    if not fits(layout):
        for stack in layout.stacks():
            if is_running(stack):
                text = "The Python packages have changed, and a stack runs on them."
                raise Problem(text, hint=f"Stop it first: {stack.command} down")
        _stamp(layout).unlink(missing_ok=True)
        _create(layout)
    file = layout.root / "requirements" / f"{requirements}.txt"
    pip = [layout.python, "-m", "pip", "install", "--disable-pip-version-check"]
    command = [*pip, "--require-hashes", "-r", file]
    run(Job(f"Installing {file.name}", command, layout.base, _pip_env(layout)))
    # The packages of the checkout are found where they are.
    site = next(layout.venv.glob("lib/python*/site-packages"))
    (site / "memo.pth").write_text(f"{layout.root}\n", encoding="utf-8")
    stamp = _wanted(layout, RUNTIME) | _wanted(layout, requirements)
    write_private(_stamp(layout), json.dumps(stamp))


def _wanted(layout: Layout, requirements: str) -> dict[str, str]:
    """What the stamp says of an environment that fits."""
    file = layout.root / "requirements" / f"{requirements}.txt"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    python = os.path.realpath(layout.python)
    return {"path": str(layout.venv), "python": python, requirements: digest}


def _stamp(layout: Layout) -> Path:
    return layout.base / "venv.stamp"


def _create(layout: Layout) -> None:
    shutil.rmtree(layout.venv, ignore_errors=True)
    env = _pip_env(layout)
    # The Python behind this one, should that be the environment's own.
    python = str(getattr(sys, "_base_executable", sys.executable))
    command: list[str | Path] = [python, "-I", "-m", "venv", layout.venv]
    try:
        run(Job("Making the Python environment", command, layout.base, env))
    except Problem:
        # Debian has ensurepip in a package of its own, which is often missing.
        shutil.rmtree(layout.venv, ignore_errors=True)
        root = server_binaries.unpack(layout, "pip-wheel", ("python3-pip-whl",))
        wheel = next(root.glob("usr/share/python-wheels/pip-*.whl"))
        command.insert(-1, "--without-pip")
        run(Job("Making the Python environment", command, layout.base, env))
        pip = [layout.python, wheel / "pip", "install", "--no-index", wheel]
        run(Job("Installing pip", pip, layout.base, env))
