"""All paths: of a checkout, of its services, and of the files of each stack."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deploy.local.problems import USAGE, Problem

from .files import FOLDERS

ROOT = Path(__file__).resolve().parents[3]
SUFFIX = "_project"
WORKERS = {"users"}  # services with jobs, for which a worker runs
STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")
# Suffixes of the files that running processes have read, or Nginx has a copy of.
INPUTS = {
    *(".py", ".conf", ".template", ".types", ".sql", ".txt"),
    *(".html", ".css", ".js", ".mo"),
}
# Nginx cannot quote the first four. supervisord interprets the others.
REFUSED = re.compile(r'[\n"$\\;#%]')
# A socket's path has at most 107 bytes, of which we add at most 35. It is also part of
# URLs and settings, without quotes.
SOCKET_FOLDER = re.compile(r"[A-Za-z0-9_./:@=,+-]{1,70}")


@dataclass(frozen=True)
class Service:
    """A folder `<name>_project` with a manage.py. `database` is the name of its own
    PostgreSQL process."""

    name: str
    project: Path
    database: str
    env_file: Path
    migrate_env_file: Path

    @property
    def worker(self) -> str:
        """The name of its worker; empty if it has none."""
        return f"{self.name}-worker" if self.name in WORKERS else ""

    @property
    def programs(self) -> list[str]:
        """The names of the programs that run its code."""
        return [self.name, *filter(None, [self.worker])]


class Layout:
    """The paths of one stack of a checkout. The primary stack has no name.

    `base` is the folder that all stacks of the checkout share.
    """

    def __init__(self, root: Path, stack: str = "", base: Path | None = None) -> None:
        self.root, self.stack = root, stack
        self.command = f"MEMO_STACK={stack} " * bool(stack) + "./manage_all.sh"
        self.base = base or root / ".run"
        self.venv = self.base / "venv"
        self.python = self.venv / "bin" / "python"
        self.servers = self.base / "engines"
        self.home = self.base / "home"
        self.cache = self.base / "cache"
        self.state = self.base / "stacks" / stack if stack else self.base
        self.env_files = self.state / "env" if stack else root
        self.gateway_env = self.env_files / ("gateway.env" if stack else ".env")
        self.secrets = self.state / "secrets" if stack else root / ".secrets"
        self.keys = self.secrets / "keys"
        self.backups = root / ".backups"
        self.logs = self.state / "log"
        self.static = self.state / "static"
        self.mail = self.state / "mail"
        self.gateway = self.state / "gateway"
        self.work = self.state / "work"
        self.postgres = self.state / "postgres"
        # Outside of the databases, which a restore replaces.
        self.erasures = self.state / "erasures"
        # There while `restore` has databases of its own, and after it was killed.
        self.restoring = self.state / "restoring"
        self.sockets = self.state / "sock"
        if not SOCKET_FOLDER.fullmatch(str(self.sockets)):
            name = f"memo-{os.getuid()}-{short_hash(str(self.sockets))}"
            self.sockets = Path("/tmp", name)  # noqa: S108 (make_folders checks it)

    @cached_property
    def services(self) -> list[Service]:
        """All services of the checkout, by name."""
        found: list[Service] = []
        for path in sorted(self.root.glob(f"*{SUFFIX}/manage.py")):
            project = path.parent
            name = project.name.removesuffix(SUFFIX)
            env, migrate = project / ".env", project / ".env.migrate"
            if self.stack:
                env = self.env_files / f"{name}.env"
                migrate = self.env_files / f"{name}.migrate.env"
            found.append(Service(name, project, f"{name}-db", env, migrate))
        return found

    @property
    def programs(self) -> list[str]:
        """The names of the programs that run the code of services."""
        return [name for each in self.services for name in each.programs]

    def all_env_files(self) -> dict[str, Path]:
        """The files of the services, of their migrations and of the gateway, by the
        names that they have in a backup."""
        found = {"gateway.env": self.gateway_env}
        for each in self.services:
            found[f"{each.name}.env"] = each.env_file
            found[f"{each.name}.migrate.env"] = each.migrate_env_file
        return found

    def data_folder(self, service: Service, major: int) -> Path:
        """PostgreSQL's data. No server reads the data of another major version."""
        return self.postgres / service.name / str(major) / "data"

    def stacks(self) -> list["Layout"]:
        """The primary stack of the checkout and every named one that was made."""
        names = sorted(path.name for path in (self.base / "stacks").glob("*"))
        return [Layout(self.root, name, self.base) for name in ["", *names]]

    def fingerprint(self) -> str:
        """A hash of all that running processes have read once: code, settings, secrets,
        packages. When it changes, `up` starts them again, as after a killed restore."""
        files = [self.root / "requirements" / "local.txt", self.restoring]
        files += self.all_env_files().values()
        # Running services reread API keys, and everything in folders, by themselves.
        live = ("_service_api_key", "_internal_api_keys")
        secrets = filter(Path.is_file, self.secrets.glob("*"))
        files += [path for path in secrets if not path.name.endswith(live)]
        folders = [self.root / name for name in ("shared", "nginx", "deploy")]
        for folder in [*folders, *(service.project for service in self.services)]:
            files += [path for path in folder.rglob("*") if path.suffix in INPUTS]
        digest = hashlib.sha256()
        for path in sorted(filter(Path.exists, files)):
            if not {"tests", "__pycache__"} & set(path.parts[len(self.root.parts) :]):
                found = path.stat()
                line = f"{path} {found.st_mtime_ns} {found.st_size}\n"
                digest.update(line.encode())
        return digest.hexdigest()[:16]

    def base_env(self) -> dict[str, str]:
        """The environment of every program of ours, without the variables of the shell:
        PGOPTIONS, PYTHONPATH or http_proxy break a stack in ways that are hard to
        find."""
        return {
            "PATH": ":".join([str(self.servers), *FOLDERS]),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONPYCACHEPREFIX": str(self.base / "pycache"),
            "PYTHONUNBUFFERED": "1",
        }

    def make_folders(self) -> None:
        """Every folder that a command may write to, readable by its user alone."""
        folders = [self.base, self.state, self.home, self.logs, self.cache, self.work]
        folders += [self.gateway, self.env_files, self.secrets, self.erasures]
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()  # Another user may have made the one in /tmp.
        if found.st_uid != os.getuid() or found.st_mode & 0o77:
            text = f"{self.sockets} is not a private folder of this user."
            raise Problem(text, hint="Remove it, as root if another user owns it.")


def of(stack: str) -> Layout:
    """The layout of a stack of this checkout. Raises Problem for names and paths that
    servers cannot quote."""
    if stack and not STACK_NAME.fullmatch(stack):
        hint = "Use up to 16 lower-case letters, digits and hyphens."
        raise Problem(f"MEMO_STACK={stack} is not a valid name.", hint=hint, code=USAGE)
    if found := REFUSED.search(str(ROOT)):
        text = f"The path of this checkout contains {found[0]!r}, which servers"
        raise Problem(f"{text} cannot quote.", hint="Move the checkout.")
    return Layout(ROOT, stack)


def short_hash(text: str) -> str:
    """Eight characters that stand for a path."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
