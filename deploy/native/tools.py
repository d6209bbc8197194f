"""Programs that only the bench and the suites need: the machine's own, or unpacked."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from . import apt
from .files import write_private
from .layout import Layout
from .problems import MISSING, Problem
from .programs import base_env, find


@dataclass(frozen=True)
class Tool:
    """A program by its names, its Debian packages, and where those put it."""

    programs: tuple[str, ...]
    packages: tuple[str, ...]
    place: str

    @property
    def name(self) -> str:
        return self.programs[0]


WRK = Tool(("wrk",), ("wrk",), "usr/bin/wrk")
CHROMIUM = Tool(
    ("chromium-headless-shell", "chromium", "google-chrome"),
    # The second is only named because apt.py leaves out what is `-common` to others.
    ("chromium-headless-shell", "chromium-common"),
    "usr/lib/chromium/chromium-headless-shell",
)


def ensure(layout: Layout, tool: Tool) -> str:
    """Path of the program. Raises a Problem where there is none to be had."""
    for name in tool.programs:
        if found := find(name) or shutil.which(name):
            return found
    folder = layout.cache / tool.name
    if not (folder / "root" / tool.place).exists():
        if not apt.usable():
            raise Problem(
                f"{tool.name}: not found on this machine.",
                hint=f"Install the package {tool.packages[0]} of your system.",
                code=MISSING,
            )
        print(f"  {tool.name}: not on this machine; unpacking packages ...", flush=True)
        apt.unpack(folder, [[name] for name in tool.packages], base_env(layout))
    return str(_wrapped(folder, tool))


def _wrapped(folder: Path, tool: Tool) -> Path:
    """With the libraries that were unpacked beside it."""
    script, root = folder / tool.name, folder / "root"
    libraries = apt.library_path(root)
    command = f'env LD_LIBRARY_PATH="{libraries}" "{root / tool.place}"'
    write_private(script, f'#!/bin/sh\nexec {command} "$@"\n', mode=0o700)
    return script
