"""The virtual environment: made from hashed requirements, stamped when complete.

A killed `venv` or `pip` leaves something that looks whole. So the stamp, written
last, decides: it names exactly what the environment was made of.
"""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from . import apt
from .files import read_json, write_json, write_private
from .layout import Layout
from .problems import MISSING, Problem
from .programs import Command, base_env, run

RUNTIME = "runtime"
DEV = "dev"
# A company's mirror, proxy and certificates; for the installation and nothing else.
KEPT_VARIABLES = re.compile(
    r"PIP_.*|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|(?i:(http|https|no|all)_proxy)"
)
# These make pip install elsewhere, or refuse.
HARMFUL = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV"}


def ensure(layout: Layout, requirements: str = RUNTIME) -> bool:
    """Make the environment fit; True when something had to be done."""
    if fits(layout, requirements):
        return False
    wanted, found = _wanted(layout), read_json(_stamp_file(layout))
    sets, anew = found.get("sets", {}), must_be_made_anew(layout)
    _stamp_file(layout).unlink(missing_ok=True)
    if anew:
        _create(layout)
        sets = {}
    if not _has(sets, wanted, requirements):
        sets = _install(layout, wanted, requirements)
    _install_shared(layout)
    python = os.path.realpath(layout.python)
    write_json(_stamp_file(layout), {**wanted, "sets": sets, "python": python})
    return True


def fits(layout: Layout, requirements: str = RUNTIME) -> bool:
    """Whether `ensure` would have nothing to do."""
    wanted, found = _wanted(layout), read_json(_stamp_file(layout))
    return (
        not must_be_made_anew(layout)
        and _has(found["sets"], wanted, requirements)
        and found.get("shared") == wanted["shared"]
    )


def must_be_made_anew(layout: Layout) -> bool:
    """Never finished, moved, made of other pins, or its Python was replaced. `dev`
    can be added to what is there: it holds all of `runtime`."""
    wanted, found = _wanted(layout), read_json(_stamp_file(layout))
    return not (
        found.get("path") == wanted["path"]
        and found.get("python") == os.path.realpath(layout.python)
        and os.access(layout.python, os.X_OK)
        and _has(found.get("sets", {}), wanted, RUNTIME)
    )


def _has(sets: dict[str, str], wanted: dict[str, Any], requirements: str) -> bool:
    return bool(sets.get(requirements) == wanted["sets"][requirements])


def _install(
    layout: Layout, wanted: dict[str, Any], requirements: str
) -> dict[str, str]:
    """Returns what is installed then."""
    file = layout.root / "requirements" / f"{requirements}.txt"
    what = f"Installing {file.name}"
    _pip(layout, "--require-hashes", "-r", str(file), what=what)
    return {name: wanted["sets"][name] for name in {RUNTIME, requirements}}


def _wanted(layout: Layout) -> dict[str, Any]:
    files = layout.root / "requirements"
    return {
        "path": str(layout.venv),
        "shared": f"{layout.root} {_digest(layout.root / 'pyproject.toml')}",
        "sets": {name: _digest(files / f"{name}.txt") for name in (RUNTIME, DEV)},
    }


def _stamp_file(layout: Layout) -> Path:
    return layout.base / "venv.stamp"


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as exc:
        raise Problem(f"{path} is missing from the checkout.") from exc


def _create(layout: Layout) -> None:
    shutil.rmtree(layout.venv, ignore_errors=True)
    env = install_env(layout)
    command: Command = [_base_python(), "-I", "-m", "venv", layout.venv]
    try:
        run(command, env=env, cwd=layout.base, what="Making the environment")
    except Problem as exc:
        _create_without_ensurepip(layout, exc)


def _create_without_ensurepip(layout: Layout, cause: Problem) -> None:
    """Debian keeps ensurepip in a package of its own, which is often not there."""
    if not apt.usable():
        raise Problem(
            f"This Python cannot make virtual environments.\n{cause}",
            hint="Install your system's package for it (Debian: python3-venv).",
            code=MISSING,
        ) from cause
    folder, env = layout.cache / "pip-wheel", install_env(layout)
    if not list(folder.glob("root/usr/share/python-wheels/pip-*.whl")):
        fetcher = apt.Fetcher(folder, base_env(layout))
        fetcher.update()
        fetcher.download(["python3-pip-whl"])
        fetcher.extract()
    wheel = next(folder.glob("root/usr/share/python-wheels/pip-*.whl"))
    shutil.rmtree(layout.venv, ignore_errors=True)
    make: Command = [_base_python(), "-I", "-m", "venv", "--without-pip", layout.venv]
    run(make, env=env, cwd=layout.base, what="Making the environment")
    install: Command = [layout.python, wheel / "pip", "install", "--no-index", wheel]
    run(install, env=env, cwd=layout.base, what="Installing pip")


def _install_shared(layout: Layout) -> None:
    """Put the checkout's own `shared` on the path, as an installed package.

    setuptools would write into the checkout, which may not be ours to write to, so
    an extra configuration file sends its by-products to a folder of ours.
    """
    scratch = layout.base / "build"
    scratch.mkdir(exist_ok=True)
    config = scratch / "setup.cfg"
    write_private(
        config,
        f"[egg_info]\negg_base = {scratch}\n[build]\nbuild_base = {scratch}/build\n",
    )
    arguments = ["--no-deps", "--no-build-isolation", "-e", str(layout.root)]
    _pip(layout, *arguments, what="Installing shared", DIST_EXTRA_CONFIG=str(config))


def _base_python() -> str:
    """The Python behind this one, should that be our own environment's."""
    return str(getattr(sys, "_base_executable", sys.executable))


def _pip(layout: Layout, *arguments: str, what: str, **more_env: str) -> None:
    command: Command = [layout.python, "-m", "pip", "install"]
    env = {**install_env(layout), **more_env}
    run(command + list(arguments), env=env, cwd=layout.base, what=what)


def install_env(layout: Layout) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if KEPT_VARIABLES.fullmatch(name) and name not in HARMFUL
    }
    ours = {
        "PIP_CACHE_DIR": str(layout.cache / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    # Bytecode belongs beside the installed modules here, made once.
    env = {**base_env(layout), **kept, **ours}
    return {k: v for k, v in env.items() if k != "PYTHONPYCACHEPREFIX"}
