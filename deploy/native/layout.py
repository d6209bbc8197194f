"""Where everything lies: one checkout, its stacks, and the files of each."""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from .problems import USAGE, Problem

# What django-environ, Compose, bash and psql all read the same, unquoted.
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./:@=,+-]+")
# A socket's path may have 107 bytes; the longest we add is about 35.
LONGEST_SOCKET_FOLDER = 70


@dataclass(frozen=True)
class Layout:
    """The paths of one stack of one checkout. The primary stack has no name."""

    root: Path
    stack: str = ""

    @property
    def base(self) -> Path:
        """Folder of everything the checkout's stacks share."""
        return self.root / ".run"

    @property
    def state(self) -> Path:
        return self.base / "stacks" / self.stack if self.stack else self.base

    @property
    def cache(self) -> Path:
        """Downloads and unpacked engines; several checkouts may share one."""
        return Path(os.environ.get("MEMO_CACHE_DIR") or self.base / "cache")

    @property
    def venv(self) -> Path:
        return self.base / "venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def home(self) -> Path:
        """HOME of whatever we start: it may have none that can be written."""
        return self.base / "home"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets" if self.stack else self.root / ".secrets"

    @property
    def keys(self) -> Path:
        return self.secrets / "keys"

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def static(self) -> Path:
        return self.state / "static"

    @property
    def gateway(self) -> Path:
        """Folder of the gateway's rendered configuration and temporary files."""
        return self.state / "gateway"

    @property
    def plan(self) -> Path:
        """What the supervisor of this stack runs."""
        return self.state / "plan.json"

    @property
    def gateway_env(self) -> Path:
        return self.state / "env" / "gateway.env" if self.stack else self.root / ".env"

    @property
    def command(self) -> str:
        """How to call us for this stack, for messages."""
        prefix = f"MEMO_STACK={self.stack} " if self.stack else ""
        return f"{prefix}./manage_all.sh"

    @property
    def sockets(self) -> Path:
        """Folder of all sockets: in the state, unless its path is too long or odd."""
        here = self.state / "sock"
        text = str(here)
        if len(text.encode()) <= LONGEST_SOCKET_FOLDER and PLAIN_PATH.fullmatch(text):
            return here
        return Path(f"/tmp/memo-{os.getuid()}-{fingerprint(text)}")  # noqa: S108 (checked in make_folders)

    def work(self, process: str) -> Path:
        """Working folder of a process. By it, strays are found after a crash."""
        return self.state / "work" / process

    def log(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def socket_folder(self, process: str) -> Path:
        return self.sockets / process

    def make_folders(self) -> None:
        for folder in (self.base, self.state, self.home, self.logs, self.cache):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.work("supervisor"), self.gateway_env.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        _insist_on_ours(self.sockets)
        ignore = self.base / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")


def of(root: Path, stack: str) -> Layout:
    """The layout of a stack, after refusing names and paths we cannot serve."""
    if stack and not re.fullmatch(r"[a-z][a-z0-9-]{0,15}", stack):
        raise Problem(
            f"MEMO_STACK={stack} is not a stack's name.",
            hint="Use up to 16 lower-case letters, digits and hyphens.",
            code=USAGE,
        )
    if re.search(r'[\n"$\\]', str(root)):
        raise Problem(
            "The path of this checkout has a character Nginx cannot quote"
            ' (one of " $ \\ or a line break).',
            hint="Move the checkout.",
        )
    return Layout(root, stack)


def all_stacks(root: Path) -> list[Layout]:
    """The primary stack and every named one that was ever made."""
    names = sorted(path.name for path in (root / ".run" / "stacks").glob("*"))
    return [Layout(root, name) for name in ["", *names]]


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _insist_on_ours(folder: Path) -> None:
    """In /tmp somebody else may have made the folder first, or a link."""
    found = folder.lstat()
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not mode & 0o77:
        return
    raise Problem(f"{folder} is not a private folder of this user.", hint="Remove it.")
