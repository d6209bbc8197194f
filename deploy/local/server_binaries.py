"""PostgreSQL, Redis (or Valkey), Nginx and a few tools: found, or unpacked privately.

The machine's own programs come first. On Debian and Ubuntu, apt downloads what is
missing and dpkg unpacks it under `.run/`: no root is needed, nothing is installed or
started. `.run/engines/` has a script for each program, which is how all others call it.
"""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .files import FOLDERS, find, read_json, write_json, write_private
from .layout import Layout
from .problems import MISSING, Problem
from .programs import Job, run

# What an unpacked program does not need: what sets packages up, what each Debian has,
# and LLVM, 130 MB for a just-in-time compiler that is turned off.
UNNEEDED = re.compile(
    r"perl.*|.*-common(-.*)?|libc6|libc-bin|debconf|libllvm.*|libz3.*|ssl-cert|adduser"
    r"|ucf|lsb-base|sysvinit-utils|init-system-helpers|iproute2|libjson-perl|lib.*-perl"
    r"|netbase|tzdata|postgresql|locales|sensible-utils|postgresql-client"
)
KEPT = re.compile(r"(?i)(http|https|ftp|no|all)_proxy|APT_CONFIG|SSL_CERT_.*")
# Distributions keep PostgreSQL's programs in none of the usual folders.
PLACES = [folder.lstrip("/") for folder in FOLDERS]
PLACES += ["usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/libexec/postgresql*"]
PLACES += ["usr/lib/chromium"]
MACHINE = Path("/")


@dataclass(frozen=True)
class Kind:
    """Programs by their names, the oldest version that we take, and Debian's packages;
    the first one that is there. `others` are needed from the same folder."""

    programs: tuple[str, ...]
    packages: tuple[str, ...]
    version: str = r"--version (\d+)"  # the option, and a pattern of what it prints
    least: tuple[int, ...] = (0,)
    others: tuple[str, ...] = ()


POSTGRES = Kind(
    ("postgres",),
    ("postgresql",),
    r"--version PostgreSQL\) (\d+)",
    (15,),
    ("initdb", "psql", "pg_isready"),
)
REDIS = Kind(
    ("redis-server", "valkey-server"),
    ("redis-server", "valkey-server"),
    r"--version v=(\d+)",
    (7,),
)
NGINX = Kind(("nginx",), ("nginx",), r"-v nginx/(\d+)\.(\d+)", (1, 22))
WRK = Kind(("wrk",), ("wrk",), r"-v wrk (\d*)")
CHROMIUM = Kind(
    ("chromium-headless-shell", "chromium", "google-chrome"),
    ("chromium-headless-shell",),
)


def ensure(layout: Layout) -> int:
    """A script for every server in `.run/engines/`; the major version of PostgreSQL."""
    memory = layout.servers / "servers.json"
    found = read_json(memory)
    kinds = (POSTGRES, REDIS, NGINX)
    if len(found) < len(kinds) or not all(
        os.access(x[0], os.X_OK) for x in found.values()
    ):
        found = {kind.programs[0]: adopt(layout, kind) for kind in kinds}
        write_json(memory, found)
    return int(found["postgres"][1])


def adopt(layout: Layout, kind: Kind) -> tuple[str, int]:
    """Write the scripts of the newest program, of this machine or unpacked now; its
    path and major version."""
    root, name = MACHINE, kind.programs[0]
    # For trials, as on a machine that has none.
    best = None if os.environ.get("MEMO_ENGINES") == "apt" else _newest(kind, root)
    if best is None:
        print(f"  {name}: not on this machine; unpacking its packages ...", flush=True)
        root = unpack(layout, "engines", kind.packages)
        best = _newest(kind, root)
    if best is None:
        least = ".".join(map(str, kind.least))
        raise Problem(f"{name} {least} or newer: not found.", hint=_ways(kind))
    version, program = best
    layout.servers.mkdir(mode=0o700, parents=True, exist_ok=True)
    folders = libraries(root)
    env = f"env LD_LIBRARY_PATH={shlex.quote(folders)} " if folders else ""
    others = {other: program.with_name(other) for other in kind.others}
    for script, path in {name: program, **others}.items():
        text = f'#!/bin/sh\nexec {env}{shlex.quote(str(path))} "$@"\n'
        write_private(layout.servers / script, text, mode=0o700)
    return str(program), version[0]


def tool(layout: Layout, kind: Kind) -> str:
    """Path of a script that starts a tool: WRK or CHROMIUM."""
    adopt(layout, kind)
    return str(layout.servers / kind.programs[0])


def pip_wheel(layout: Layout) -> Path:
    """Debian's own wheel of pip, for a Python without ensurepip."""
    root = unpack(layout, "pip-wheel", ("python3-pip-whl",))
    return next(root.glob("usr/share/python-wheels/pip-*.whl"))


def unpack(layout: Layout, name: str, packages: tuple[str, ...]) -> Path:
    """Unpack the first of the packages that apt knows, with its libraries, next to what
    the folder has. It appears under its final name when it is complete."""
    if not all(find(program) for program in ("apt-get", "apt-cache", "dpkg")):
        text = f"{packages[0]}: not on this machine."
        raise Problem(text, hint=_ways(Kind((name,), packages)), code=MISSING)
    folder = layout.cache / name
    debs, fresh, root = folder / "debs", folder / "root.new", folder / "root"
    for path in (debs, fresh):
        shutil.rmtree(path, ignore_errors=True)
    for path in (folder / "lists" / "partial", folder / "cache", debs):
        path.mkdir(parents=True, exist_ok=True)
    _apt(layout, folder, "apt-get", "update")
    policies = {x: _apt(layout, folder, "apt-cache", "policy", x) for x in packages}
    known = [x for x, text in policies.items() if re.search(r"Candidate: [^(\s]", text)]
    if not known:
        raise Problem(f"apt knows no package {' or '.join(packages)}.", code=MISSING)
    words = [
        "--simulate",
        "--no-install-recommends",
        "--no-upgrade",
        "install",
        known[0],
    ]
    try:
        plan = _apt(layout, folder, "apt-get", *words)
    except Problem:  # A half-installed package blocks all plans: as if there were none.
        plan = _apt(layout, folder, "apt-get", "-oDir::State::status=/dev/null", *words)
    found = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    # Of Chromium, the package with this name holds the program's files.
    needed = [x for x in found if not UNNEEDED.fullmatch(x) or x == "chromium-common"]
    _apt(layout, folder, "apt-get", "download", *{known[0], *needed})
    if root.exists():
        shutil.copytree(root, fresh, symlinks=True)
    for package in sorted(debs.glob("*.deb")):
        command = ["dpkg", "--extract", package, fresh]
        run(Job(f"Unpacking {package.name}", command, folder, layout.base_env()))
    shutil.rmtree(root, ignore_errors=True)
    fresh.replace(root)
    shutil.rmtree(debs)
    return root


def _apt(layout: Layout, folder: Path, program: str, *words: str) -> str:
    """apt with all of its state in one folder of ours."""
    kept = {k: v for k, v in os.environ.items() if KEPT.fullmatch(k)}
    options = [f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache"]
    # There is no other user to become, and no lock that we may take.
    options += ["APT::Sandbox::User=", "Debug::NoLocking=1"]
    command = [program, *(f"-o{option}" for option in options), *words]
    env = {**layout.base_env(), **kept}
    return run(Job(f"{program} {words[0]}", command, folder / "debs", env))[0]


def _newest(kind: Kind, root: Path) -> tuple[list[int], Path] | None:
    """The program of the highest version under this root that runs here."""
    folders = [folder for place in PLACES for folder in root.glob(place)]
    if root == MACHINE:
        folders += map(Path, os.environ.get("PATH", "").split(":"))
    option, _, pattern = kind.version.partition(" ")
    env = {
        "LC_ALL": "C",
        "PATH": ":".join(FOLDERS),
        "LD_LIBRARY_PATH": libraries(root),
    }
    found = []
    for path in (folder / name for folder in folders for name in kind.programs):
        names = (path.name, *kind.others)
        if not all(os.access(path.with_name(name), os.X_OK) for name in names):
            continue
        done = subprocess.run([path, option], env=env, capture_output=True, check=False)
        match = re.search(pattern, (done.stdout + done.stderr).decode(errors="replace"))
        version = [int(part or 0) for part in match.groups()] if match else []
        if version >= list(kind.least) and match:
            found.append((version, path))
    return max(found, default=None)


def libraries(root: Path) -> str:
    """Folders of the libraries that were unpacked with a program."""
    if root == MACHINE:
        return ""
    folders = [*root.glob("usr/lib/*-linux-*"), *root.glob("lib/*-linux-*")]
    folders += root.glob("usr/lib/*-linux-*/pulseaudio")  # parts of libpulse
    return ":".join(str(path) for path in sorted(folders))


def _ways(kind: Kind) -> str:
    return (
        f"Install the package of your system (Debian's name: {kind.packages[0]}), or\n"
        "  use containers: ./manage_all.sh init && docker compose up --build"
    )
