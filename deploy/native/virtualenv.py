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
    wanted = _stamp(layout)
    found = read_json(_stamp_file(layout))
    if _same_base(found, wanted) and _has(found, wanted, requirements):
        if found["shared"] == wanted["shared"]:
            return False
        sets = found["sets"]
    else:
        sets = _install(layout, found, wanted, requirements)
    _install_shared(layout)
    write_json(_stamp_file(layout), {**wanted, "sets": sets})
    return True


def fits(layout: Layout, requirements: str = RUNTIME) -> bool:
    """Whether `ensure` would have nothing to do."""
    wanted, found = _stamp(layout), read_json(_stamp_file(layout))
    same = _same_base(found, wanted) and found["shared"] == wanted["shared"]
    return same and _has(found, wanted, requirements)


def _same_base(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    keys = ("python", "path")
    whole = {"shared", "sets"} <= found.keys()
    return whole and all(found.get(key) == wanted[key] for key in keys)


def _has(found: dict[str, Any], wanted: dict[str, Any], requirements: str) -> bool:
    """`dev` holds all of `runtime`; what is installed may be either or both."""
    have = found["sets"]
    if have.get(RUNTIME) != wanted["sets"][RUNTIME]:
        return False
    return requirements == RUNTIME or have.get(DEV) == wanted["sets"][DEV]


def _install(
    layout: Layout,
    found: dict[str, Any],
    wanted: dict[str, Any],
    requirements: str,
) -> dict[str, str]:
    """Install into a new environment, or add `dev` to one that fits otherwise."""
    _stamp_file(layout).unlink(missing_ok=True)
    reusable = _same_base(found, wanted) and _has(found, wanted, RUNTIME)
    if not reusable:
        _create(layout)
    file = layout.root / "requirements" / f"{requirements}.txt"
    what = f"Installing {file.name}"
    _pip(layout, "--require-hashes", "-r", str(file), what=what)
    sets = {RUNTIME: wanted["sets"][RUNTIME]}
    if requirements == DEV:
        sets[DEV] = wanted["sets"][DEV]
    return sets


def _stamp(layout: Layout) -> dict[str, Any]:
    files = layout.root / "requirements"
    return {
        "python": f"{sys.version} {os.path.realpath(sys.executable)}",
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
    env = _install_env(layout)
    command: Command = [sys.executable, "-I", "-m", "venv", layout.venv]
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
    folder, env = layout.cache / "pip-wheel", _install_env(layout)
    if not list(folder.glob("root/usr/share/python-wheels/pip-*.whl")):
        fetcher = apt.Fetcher(folder, base_env(layout))
        fetcher.update()
        fetcher.download(["python3-pip-whl"])
        fetcher.extract()
    wheel = next(folder.glob("root/usr/share/python-wheels/pip-*.whl"))
    shutil.rmtree(layout.venv, ignore_errors=True)
    make: Command = [sys.executable, "-I", "-m", "venv", "--without-pip", layout.venv]
    run(make, env=env, cwd=layout.base, what="Making the environment")
    install: Command = [layout.python, wheel / "pip", "install", "--no-index", wheel]
    run(install, env=env, cwd=layout.base, what="Installing pip")


def _install_shared(layout: Layout) -> None:
    """Put the checkout's own `shared` on the path, as an installed package.

    setuptools would write into the checkout, which may not be ours to write to, so
    an extra configuration file sends its by-products to a folder of ours.
    """
    _stamp_file(layout).unlink(missing_ok=True)
    scratch = layout.base / "build"
    scratch.mkdir(exist_ok=True)
    config = scratch / "setup.cfg"
    write_private(
        config,
        f"[egg_info]\negg_base = {scratch}\n[build]\nbuild_base = {scratch}/build\n",
    )
    arguments = ["--no-deps", "--no-build-isolation", "-e", str(layout.root)]
    _pip(layout, *arguments, what="Installing shared", DIST_EXTRA_CONFIG=str(config))


def _pip(layout: Layout, *arguments: str, what: str, **more_env: str) -> None:
    command: Command = [layout.python, "-m", "pip", "install"]
    env = {**_install_env(layout), **more_env}
    run(command + list(arguments), env=env, cwd=layout.base, what=what)


def _install_env(layout: Layout) -> dict[str, str]:
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
