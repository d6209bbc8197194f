"""Starting helper programs with an environment of our choosing."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import strays
from .layout import Layout
from .problems import Problem

Command = list[str | Path]

# Debian gives ordinary users no sbin, and nginx lies there.
MORE_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin")
PATH = ":".join([*MORE_PATH, "/bin"])


def base_env(layout: Layout) -> dict[str, str]:
    """What every program of ours gets, and nothing that a shell happened to hold.

    PGOPTIONS, PYTHONPATH, http_proxy and their like have broken stacks in ways that
    take a day to find.
    """
    return {
        "PATH": PATH,
        "HOME": str(layout.home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPYCACHEPREFIX": str(layout.base / "pycache"),
        strays.MARK: str(layout.state),
    }


def run(
    command: Command,
    *,
    env: Mapping[str, str],
    cwd: Path,
    what: str,
    text: str | None = None,
) -> str:
    """Output of the command; a Problem that shows the end of it when it fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            env=dict(env),
            cwd=cwd,
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as exc:
        raise Problem(f"{what}: {command[0]} cannot be run: {exc.strerror}.") from exc
    if done.returncode != 0:
        raise Problem(f"{what} failed (exit {done.returncode}).\n{_end(done.stdout)}")
    return done.stdout


def find(name: str) -> str | None:
    """Absolute path of a program, sbin folders included."""
    folders = [*os.environ.get("PATH", "").split(":"), *MORE_PATH]
    for folder in folders:
        path = os.path.join(folder, name)
        if folder.startswith("/") and os.access(path, os.X_OK):
            return path
    return None


def _end(output: str, lines: int = 20) -> str:
    return "\n".join(f"    {line}" for line in output.splitlines()[-lines:])
