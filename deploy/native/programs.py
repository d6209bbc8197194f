"""Starting helper programs with an environment of our choosing."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import strays
from .layout import Layout
from .problems import Problem, ProgramFailed

Command = list[str | Path]

# Debian gives ordinary users no sbin, and nginx lies there.
MORE_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin")
PATH = ":".join([*MORE_PATH, "/bin"])

_running: set[subprocess.Popen[str]] = set()


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


def run(command: Command, *, env: Mapping[str, str], cwd: Path, what: str) -> str:
    """Output of the command; a Problem that shows the end of it when it fails."""
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as exc:
        raise Problem(f"{what}: {command[0]} cannot be run: {exc.strerror}.") from exc
    _running.add(process)
    try:
        output, _ = process.communicate()
    finally:
        _running.discard(process)
    if process.returncode != 0:
        message = f"{what} failed (exit {process.returncode}).\n{_end(output)}"
        raise ProgramFailed(message, output)
    return output


def end_all() -> None:
    """End whatever `run` is waiting for, in any thread."""
    for process in list(_running):
        process.terminate()


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
