"""Debian and Ubuntu: unpack packages into a folder of ours.

Nothing is installed: no root is needed, no service is started, no file outside the
folder changes. apt's own sources and signatures are used as the machine has them.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from .problems import Problem
from .programs import Command, find, run

# Dependencies that an unpacked server does not need to run: what set packages up,
# what every Debian has, and LLVM, 130 MB for a just-in-time compiler we turn off.
UNNEEDED = re.compile(
    r"perl.*|.*-common(-.*)?|libc6|libc-bin|debconf|libllvm.*|libz3.*|ssl-cert|adduser"
    r"|ucf|lsb-base|sysvinit-utils|init-system-helpers|iproute2|libjson-perl"
    r"|lib.*-perl|netbase|tzdata|postgresql|locales|sensible-utils|postgresql-client"
)
KEPT_VARIABLES = re.compile(r"(?i)(http|https|ftp|no|all)_proxy|APT_CONFIG|SSL_CERT_.*")


def usable() -> bool:
    return all(find(program) for program in ("apt-get", "apt-cache", "dpkg"))


def unpack(
    folder: Path, wanted: Sequence[Sequence[str]], env: Mapping[str, str]
) -> None:
    """Unpack the first available package of each group, with its libraries.

    The tree appears under its final name only when complete.
    """
    fetcher = Fetcher(folder, env)
    fetcher.update()
    names = [fetcher.first_available(group) for group in wanted]
    fetcher.download(fetcher.missing_packages(names))
    fetcher.extract()


def library_path(root: Path) -> str:
    folders = [*root.glob("usr/lib/*-linux-*"), *root.glob("lib/*-linux-*")]
    folders += root.glob("usr/lib/*-linux-*/pulseaudio")  # parts of libpulse
    return ":".join(str(path) for path in sorted(folders))


class Fetcher:
    """apt with all of its state in one folder of ours."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.downloads = folder / "debs"
        self.root = folder / "root"
        kept = {k: v for k, v in os.environ.items() if KEPT_VARIABLES.fullmatch(k)}
        self.env = {**env, **kept, "DEBIAN_FRONTEND": "noninteractive"}
        for path in (folder / "lists" / "partial", folder / "cache", self.downloads):
            path.mkdir(parents=True, exist_ok=True)

    def update(self) -> None:
        self._apt("apt-get", "update", what="Reading the package lists")

    def first_available(self, names: Sequence[str]) -> str:
        for name in names:
            shown = self._apt("apt-cache", "policy", name, what=f"Looking for {name}")
            if re.search(r"Candidate: [^(\s]", shown):
                return name
        raise Problem(f"apt knows no package {' or '.join(names)}.")

    def missing_packages(self, names: Sequence[str]) -> list[str]:
        """The packages, and those of their dependencies the machine has not."""
        try:
            plan = self._resolve(names)
        except Problem:
            # A half-installed package blocks all planning. As if nothing were
            # installed: more is fetched, and nothing depends on the machine.
            plan = self._resolve(names, "-oDir::State::status=/dev/null")
        packages = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
        return [n for n in packages if n in names or not UNNEEDED.fullmatch(n)]

    def _resolve(self, names: Sequence[str], *options: str) -> str:
        words = ["--simulate", "--no-install-recommends", "--no-upgrade", *options]
        what = "Resolving dependencies"
        return self._apt("apt-get", *words, "install", *names, what=what)

    def download(self, packages: Sequence[str]) -> None:
        shutil.rmtree(self.downloads)
        self.downloads.mkdir()
        self._apt("apt-get", "download", *packages, what="Downloading packages")

    def extract(self) -> None:
        """Beside what is there already, then in one step into its place."""
        fresh = self.folder / "root.new"
        shutil.rmtree(fresh, ignore_errors=True)
        if self.root.exists():
            shutil.copytree(self.root, fresh, symlinks=True)
        for package in sorted(self.downloads.glob("*.deb")):
            command: Command = ["dpkg", "--extract", package, fresh]
            run(command, env=self.env, cwd=self.folder, what=f"Unpacking {package}")
        shutil.rmtree(self.root, ignore_errors=True)
        fresh.replace(self.root)
        shutil.rmtree(self.downloads)

    def _apt(self, program: str, *arguments: str, what: str) -> str:
        options = {
            "Dir::State::Lists": self.folder / "lists",
            "Dir::Cache": self.folder / "cache",
            # There is no other user to change to, and no lock we may take.
            "APT::Sandbox::User": "",
            "Debug::NoLocking": "1",
        }
        flags = [f"-o{name}={value}" for name, value in options.items()]
        command: Command = [program, *flags, *arguments]
        return run(command, env=self.env, cwd=self.downloads, what=what)
