"""PostgreSQL, Redis (or Valkey), Nginx and a few tools: found, or unpacked privately.

The machine's own programs come first. On Debian and Ubuntu, apt downloads what is
missing and dpkg unpacks it under `.run/`: no root is needed, nothing is installed or
started. `.run/engines/` has a script for each program. All callers use the script.
"""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problems import MISSING, Problem
from deploy.local.setup.files import FOLDERS, locked, write_private
from deploy.local.setup.layout import Layout

from .programs import Job, run

# Packages that an unpacked program does not need: those that set packages up, the C
# library, and LLVM, 130 MB for a just-in-time compiler that is turned off.
UNNEEDED = re.compile(
    r"perl.*|lib.*-perl|(?!chromium).*-common(-.*)?|libc6|libllvm.*|libz3.*|postgresql"
)
# Settings for a company's proxies, mirrors and certificates. Only downloads get them.
OF_DOWNLOADS = re.compile(
    r"PIP_(.*INDEX.*|FIND_LINKS|TRUSTED_HOST|CONFIG_FILE|.*CERT|PROXY|DEFAULT_TIMEOUT)"
    r"|APT_CONFIG|SSL_CERT_.*|(REQUESTS|CURL)_CA_BUNDLE"
    r"|(?i:(http|https|ftp|no|all)_proxy)"
)
PLACES = [folder.lstrip("/") for folder in FOLDERS]
PLACES += ["usr/lib/postgresql/*/bin", "usr/lib/chromium"]
MACHINE = Path("/")
WAYS = """Install the package of your system (Debian's name: {}), or
  use containers: ./manage_all.sh init && docker compose up --build"""


@dataclass(frozen=True)
class Kind:
    """The names of a program, Debian's package, the option that prints its version with
    a pattern for that, and the oldest version that we accept. The programs in `others`
    are needed from the same folder."""

    programs: tuple[str, ...]
    package: str
    version: str = r"--version (\d+)"
    least: tuple[int, ...] = (0,)
    others: tuple[str, ...] = ()


TOOLS = ("initdb", "psql", "pg_isready", "pg_dump", "pg_restore")
POSTGRES = Kind(("postgres",), "postgresql", r"--version QL\) (\d+)", (15,), TOOLS)
REDIS_NAMES = ("redis-server", "valkey-server")
REDIS = Kind(REDIS_NAMES, "redis-server", r"--version v=(\d+)", (7,))
NGINX = Kind(("nginx",), "nginx", r"-v nginx/(\d+)\.(\d+)", (1, 22))
WRK = Kind(("wrk",), "wrk", r"-v wrk (\d*)")


def ensure(layout: Layout) -> int:
    """Write a script for every server; returns the major version of PostgreSQL. A
    chosen server stays: a newer one cannot read the data of an older one."""
    for kind in (POSTGRES, REDIS, NGINX):
        if not _version(kind, layout.servers / kind.programs[0]):
            tool(layout, kind)
    return _version(POSTGRES, layout.servers / "postgres")[0]


def tool(layout: Layout, kind: Kind) -> str:
    """Write a script that starts the newest program, of this machine or unpacked now,
    and one for each of the `others`; returns the path of the first."""
    name = kind.programs[0]
    with locked(layout.base / "install.lock"):  # Another stack may unpack the same.
        program, root = _find(layout, kind)
    if program is None:
        least, hint = ".".join(map(str, kind.least)), WAYS.format(kind.package)
        raise Problem(f"{name} {least} or newer: not found.", hint=hint, code=MISSING)
    layout.servers.mkdir(mode=0o700, parents=True, exist_ok=True)
    folders = libraries(root)
    env = f"env LD_LIBRARY_PATH={shlex.quote(folders)} " if folders else ""
    for script in (name, *kind.others):
        path = program if script == name else program.with_name(script)
        text = f'#!/bin/sh\nexec {env}{shlex.quote(str(path))} "$@"\n'
        write_private(layout.servers / script, text, mode=0o700)
    return str(layout.servers / name)


def _find(layout: Layout, kind: Kind) -> tuple[Path | None, Path]:
    """The program and the root of its libraries."""
    name, own = kind.programs[0], layout.cache / kind.programs[0] / "root"
    for root in (MACHINE, own):
        if program := _newest(kind, root):
            return program, root
    if shutil.which("apt-get"):
        print(f"  {name}: not on this machine; downloading it ...", flush=True)
        _unpack(layout, name, kind.package)
    return _newest(kind, own), own


def _unpack(layout: Layout, name: str, package: str) -> None:
    """Unpack Debian's package, with packages that it needs and this machine lacks. The
    folder gets its final name when it is complete."""
    folder, apt = layout.cache / name, layout.cache / "apt"
    debs, fresh, root = folder / "debs", folder / "root.new", folder / "root"
    for path in (debs, fresh, root):
        shutil.rmtree(path, ignore_errors=True)
    for path in (apt / "lists" / "partial", apt / "cache", debs):
        path.mkdir(parents=True, exist_ok=True)
    _apt(layout, folder, "update")
    words = ["install", "--simulate", "--no-install-recommends", "--no-upgrade"]
    plan = _apt(layout, folder, *words, package)
    found = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    needed = [name for name in found if not UNNEEDED.fullmatch(name)]
    _apt(layout, folder, "download", *{package, *needed})
    for deb in sorted(debs.glob("*.deb")):
        command = ["dpkg", "--extract", deb, fresh]
        run(Job(f"Unpacking {deb.name}", command, folder, layout.base_env()))
    fresh.replace(root)
    shutil.rmtree(debs)


def libraries(root: Path) -> str:
    """Folders of the libraries that were unpacked with a program."""
    places = ("usr/lib/*-linux-*", "lib/*-linux-*", "usr/lib/*-linux-*/pulseaudio")
    folders = [x for place in places if root != MACHINE for x in root.glob(place)]
    return ":".join(str(path) for path in sorted(folders))


def download_env(layout: Layout) -> dict[str, str]:
    """The environment of apt and pip."""
    kept = {k: v for k, v in os.environ.items() if OF_DOWNLOADS.fullmatch(k)}
    return {**layout.base_env(), **kept}


def _apt(layout: Layout, folder: Path, *words: str) -> str:
    """Run apt-get with all of its state in one folder of ours, so that its lists are
    downloaded once. It downloads packages into the folder `debs`."""
    state = layout.cache / "apt"
    options = [f"Dir::State::Lists={state}/lists", f"Dir::Cache={state}/cache"]
    # We may neither change to apt's own user nor take the system's lock.
    options += ["APT::Sandbox::User=", "Debug::NoLocking=1"]
    command = ["apt-get", *(f"-o{option}" for option in options), *words]
    what = f"apt-get {words[0]}"
    return run(Job(what, command, folder / "debs", download_env(layout)))[0]


def _newest(kind: Kind, root: Path) -> Path | None:
    """The program of the highest version under this root that runs here."""
    folders = [folder for place in PLACES for folder in root.glob(place)]
    if root == MACHINE:
        folders += map(Path, os.environ.get("PATH", "").split(":"))
    paths = [folder / name for folder in folders for name in kind.programs]
    found = [(_version(kind, path, libraries(root)), path) for path in paths]
    good = [each for each in found if each[0]]
    return max(good)[1] if good else None


def _version(kind: Kind, path: Path, folders: str = "") -> list[int]:
    """The program's version; empty if it is too old, or lacks one of `others`."""
    needed = (path.with_name(name) for name in (path.name, *kind.others))
    if not all(os.access(each, os.X_OK) for each in needed):
        return []
    option, _, pattern = kind.version.partition(" ")
    env = {"PATH": ":".join(FOLDERS), "LD_LIBRARY_PATH": folders}
    done = subprocess.run([path, option], env=env, capture_output=True, check=False)
    match = re.search(pattern, (done.stdout + done.stderr).decode(errors="replace"))
    version = [int(part or 0) for part in match.groups()] if match else []
    return version if version >= list(kind.least) else []
