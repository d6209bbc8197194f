"""Finding PostgreSQL, Redis (or Valkey) and Nginx, and staying with what was found.

The machine's own programs come first; what is missing is unpacked privately from the
system's packages (apt.py). The choice is written down, because another version may
not read the data of the one before.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import apt
from .engine_kinds import (
    KINDS,
    POSTGRES,
    POSTGRES_FOLDERS,
    Kind,
    Version,
    parse_version,
)
from .files import read_json, read_text, write_json, write_private
from .layout import Layout
from .problems import MISSING, Problem
from .programs import MORE_PATH, base_env


@dataclass(frozen=True)
class Engine:
    """One program that was found and asked for its version."""

    kind: str
    program: str
    version: Version
    source: str
    env: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        version = ".".join(map(str, self.version))
        return f"{self.name} {version} ({self.source}: {self.program})"

    @property
    def name(self) -> str:
        return "Valkey" if "valkey" in self.program else self.kind

    def beside(self, program: str) -> str:
        """Another program from the same folder: versions must not mix."""
        return str(Path(self.program).with_name(program))


def ensure(layout: Layout) -> dict[str, Engine]:
    """Every engine: as remembered, found on the machine, or unpacked now."""
    found = look(layout)
    missing = [kind for kind in KINDS if found[kind.name] is None]
    if missing:
        _say_and_unpack(layout, missing)
        for kind in missing:
            found[kind.name] = _unpacked(layout, kind)
    engines = {name: engine for name, engine in found.items() if engine}
    still = [kind for kind in KINDS if kind.name not in engines]
    if still:
        raise _nothing_found(still)
    _remember(layout, engines)
    _write_wrappers(layout, engines)
    return engines


def look(layout: Layout) -> dict[str, Engine | None]:
    """What `ensure` would use, without changing anything."""
    return {
        kind.name: _remembered(layout, kind) or _search(kind) or _unpacked(layout, kind)
        for kind in KINDS
    }


def _remembered(layout: Layout, kind: Kind) -> Engine | None:
    """The engine of the last time, if it still runs and is of the same version."""
    noted = read_json(_memory(layout)).get(kind.name)
    if not isinstance(noted, dict):
        return None
    engine = _probe(kind, noted["program"], noted["source"], noted["env"])
    same = engine is not None and list(engine.version[:1]) == noted["version"][:1]
    return engine if same else None


def _remember(layout: Layout, engines: Mapping[str, Engine]) -> None:
    content = {
        name: {**asdict(engine), "version": list(engine.version)}
        for name, engine in engines.items()
    }
    if read_json(_memory(layout)) != content:
        write_json(_memory(layout), content)


def _write_wrappers(layout: Layout, engines: Mapping[str, Engine]) -> None:
    """.run/engines/psql, nginx and so on: for people and suites, who need not know
    where the programs came from and which libraries they want."""
    folder = layout.base / "engines"
    folder.mkdir(exist_ok=True)
    for kind in KINDS:
        engine = engines[kind.name]
        for name in (Path(engine.program).name, *kind.beside):
            words = [f"{key}={shlex.quote(text)}" for key, text in engine.env.items()]
            words = ["exec env", *words, shlex.quote(engine.beside(name)), '"$@"']
            text = f"#!/bin/sh\n{' '.join(words)}\n"
            if read_text(folder / name) != text:
                write_private(folder / name, text, mode=0o700)


def _memory(layout: Layout) -> Path:
    return layout.base / "engines.json"


def _search(kind: Kind) -> Engine | None:
    """The newest that the machine itself has."""
    if os.environ.get("MEMO_ENGINES") == "apt":  # As on a machine that has none.
        return None
    engines = [_probe(kind, path, "system", {}) for path in _candidates(kind)]
    return max(filter(None, engines), key=lambda found: found.version, default=None)


def _candidates(kind: Kind) -> Iterator[str]:
    folders = [*os.environ.get("PATH", "").split(":"), *MORE_PATH]
    if kind is POSTGRES:
        for pattern in POSTGRES_FOLDERS:
            folders += map(str, Path("/").glob(pattern.lstrip("/")))
    for folder in dict.fromkeys(folders):
        for program in kind.programs:
            path = os.path.join(folder, program)
            if folder.startswith("/") and os.access(path, os.X_OK):
                yield path


def _probe(
    kind: Kind, program: str, source: str, env: Mapping[str, str]
) -> Engine | None:
    """The program as an engine, if it runs here and is new enough."""
    try:
        done = subprocess.run(
            [program, kind.version_option],
            env={"LC_ALL": "C", **env},
            cwd="/",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = parse_version(kind, done.stdout + done.stderr)
    folder = Path(program).parent
    whole = all(os.access(folder / name, os.X_OK) for name in kind.beside)
    if done.returncode != 0 or version is None or version < kind.least or not whole:
        return None
    return Engine(kind.name, program, version, source, dict(env))


def _say_and_unpack(layout: Layout, missing: list[Kind]) -> None:
    if not apt.usable():
        raise _nothing_found(missing)
    names = ", ".join(kind.name for kind in missing)
    print(f"  {names}: not on this machine; unpacking packages under .run/ ...")
    apt.unpack(
        layout.cache / "engines",
        [kind.packages for kind in missing],
        base_env(layout),
    )


def _unpacked(layout: Layout, kind: Kind) -> Engine | None:
    """The engine out of our own unpacked packages, libraries beside it."""
    root = layout.cache / "engines" / "root"
    env = {"LD_LIBRARY_PATH": apt.library_path(root)}
    places = ["usr/sbin", "usr/bin", "usr/lib/postgresql/*/bin"]
    paths = [
        str(path)
        for place in places
        for name in kind.programs
        for path in root.glob(f"{place}/{name}")
    ]
    engines = [_probe(kind, path, "unpacked", env) for path in paths]
    return max(filter(None, engines), key=lambda found: found.version, default=None)


def _nothing_found(missing: list[Kind]) -> Problem:
    wanted = " and ".join(f"{kind.name} {kind.floor} or newer" for kind in missing)
    packages = " ".join(kind.packages[0] for kind in missing)
    return Problem(
        f"{wanted}: not found on this machine.",
        hint=f"Install the packages of your system (Debian's names: {packages}),\n"
        "  or run everything in containers:\n"
        "  ./manage_all.sh init && docker compose up --build",
        code=MISSING,
    )
