"""The virtual environment: made of hashed requirements, stamped when it is complete.

A killed `venv` or `pip` leaves a folder that looks complete. So only the stamp counts.
It is written last, and its lines name what the environment was made of.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.local.servers.programs import Job, run
from deploy.local.servers.server_binaries import download_env

from .files import locked, read_text, write_private
from .layout import Layout

RUNTIME, DEV, VERIFY = "local", "dev", "verify"
STAMP = "memo.stamp"


def ensure(layout: Layout, requirements: str = RUNTIME) -> None:
    """Install what the environment lacks. `dev` contains all of `local`, and can be
    added to it. `verify` is added to `dev`."""
    if not _missing(layout, RUNTIME, requirements):
        return
    for folder in (layout.base, layout.home, layout.cache):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(layout.base / "install.lock"):
        if _missing(layout, RUNTIME, requirements):
            print(f"  installing Python packages ({requirements}) ...", flush=True)
            _install(layout, requirements)


def _missing(layout: Layout, *requirements: str) -> set[str]:
    """The lines that the stamp lacks; empty if there is nothing to install."""
    wanted = _lines(layout, layout.venv, *requirements)
    there = read_text(layout.venv / STAMP).splitlines()
    return wanted - {*there} if os.access(layout.python, os.X_OK) else wanted


def _lines(layout: Layout, venv: Path, *requirements: str) -> set[str]:
    """The lines in the stamp of an environment with these requirements."""
    lines = {f"in {layout.venv}", f"by {os.path.realpath(venv / 'bin/python')}"}
    for name in requirements:
        file = layout.root / "requirements" / f"{name}.txt"
        lines.add(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}")
    return lines


def _install(layout: Layout, requirements: str) -> None:
    """Install into the environment, or into a new one that replaces it when complete:
    programs run on the old one until then."""
    env = {"PIP_CACHE_DIR": str(layout.cache / "pip"), **download_env(layout)}
    del env["PYTHONPYCACHEPREFIX"]  # pip has its bytecode next to it.
    venv = layout.venv.resolve()
    if is_new := bool(_missing(layout, RUNTIME)):
        venv = Path(tempfile.mkdtemp(prefix="venv-", dir=layout.base))
        # If this Python is a virtual environment's, the one that it was made from.
        python = str(getattr(sys, "_base_executable", sys.executable))
        make = [python, "-I", "-m", "venv", venv]
        run(Job("Making the Python environment", make, layout.base, env))
    file = layout.root / "requirements" / f"{requirements}.txt"
    pip = [venv / "bin/python", "-m", "pip", "install", "--disable-pip-version-check"]
    # Our programs have their bytecode elsewhere (PYTHONPYCACHEPREFIX).
    command = [*pip, "--no-compile", "--require-hashes", "-r", file]
    run(Job(f"Installing {file.name}", command, layout.base, env))
    # Python imports the checkout's packages from where they are.
    site = next(venv.glob("lib/python*/site-packages"))
    (site / "memo.pth").write_text(f"{layout.root}\n", encoding="utf-8")
    there = read_text(venv / STAMP).splitlines()
    kept = {line for line in there if not line.startswith(f"{requirements} ")}
    lines = kept | _lines(layout, venv, RUNTIME, requirements)
    write_private(venv / STAMP, "\n".join(sorted(lines)))
    if is_new:
        _take_place(layout, venv)


def _take_place(layout: Layout, venv: Path) -> None:
    """Point the link to this environment. Keep the one before, remove older ones."""
    last = layout.venv.resolve()
    for old in {*layout.base.glob("venv-*")} - {venv, last}:
        shutil.rmtree(old)
    if last == layout.venv and last.exists():  # of a version that had no link
        last.rename(layout.base / "venv-before")
    link = layout.base / "venv.new"
    link.unlink(missing_ok=True)
    link.symlink_to(venv.name)
    link.replace(layout.venv)
