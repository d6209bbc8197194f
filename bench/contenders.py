"""Who is measured: what our services and their opponents have in common."""

import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import requests

from .processes import family
from .stack import PASSWORD, ROOT, Stack
from .wrk import Request

JSON = {"Content-Type": "application/json"}
PEOPLE = 64  # whose tokens are sent, in turn


class NotAvailable(RuntimeError):
    """An opponent that cannot be set up here, and why."""


@dataclass(frozen=True)
class Aim:
    """What is sent to whom on one path."""

    url: str
    requests: Sequence[Request]
    tokens: Sequence[str] = ()
    patient: bool = False  # see Load


class Contender(ABC):
    """One that answers. `paths` are those it has an answer to."""

    name: str
    paths: Sequence[str]

    @abstractmethod
    def start(self) -> None:
        """Run until `stop`, and answer when this returns. Raises NotAvailable."""

    @abstractmethod
    def stop(self) -> None:
        """End what `start` has started."""

    @abstractmethod
    def pids(self) -> list[int]:
        """The processes that do its work, databases apart."""

    @abstractmethod
    def aim(self, path: str, connections: int) -> Aim:
        """What to send. Tokens that are used once are made anew with every call."""


def credentials(name: str) -> str:
    return json.dumps({"username": name, "password": PASSWORD})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Opponent(Contender):
    """One that the bench starts itself."""

    port: int

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = stack.folder / self.name.replace(" ", "-")
        self.folder.mkdir(exist_ok=True)

    def prepare(self) -> None:
        """Install what it takes. Raises NotAvailable."""
        return

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def command(self) -> list[str]: ...

    def env(self) -> dict[str, str]:
        return {}

    def cwd(self) -> Path:
        return self.folder

    def start(self) -> None:
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.cwd(),
                env={**os.environ, **self.env()},
                stdout=log,
                stderr=log,
            )
        for _ in range(300):
            try:
                requests.get(self.url, timeout=1)
                return
            except requests.RequestException:
                time.sleep(0.1)
                if self.process.poll() is not None:
                    break
        self.stop()
        raise NotAvailable(f"it did not start: {self.end_of_log()}")

    def end_of_log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-600:]

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def pids(self) -> list[int]:
        assert self.process is not None
        return family(self.process.pid)

    def install(self, *command: str | Path) -> None:
        """Run an installer. Raises NotAvailable with what it said last."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise NotAvailable(f"{command[0]}: {done.stdout[-600:]}")

    def gunicorn(self, application: str, folder: Path) -> list[str]:
        """As our services are run: the same file, two workers, eight threads."""
        config = ROOT / "gunicorn.conf.py"
        words = [sys.executable, "-m", "gunicorn", application]
        return [*words, "--config", str(config), "--chdir", str(folder)]

    def our_env(self) -> dict[str, str]:
        """For opponents that verify our tokens and read our users."""
        settings = self.stack.env("users")
        password = self.stack.secret("users_db_app_password")
        return {
            "JWT_ISSUER": settings["JWT_ISSUER"],
            "JWT_PUBLIC_KEYS_DIR": str(self.stack.public_keys),
            "REDIS_URL": settings["REDIS_URL"],
            "REDIS_PASSWORD": self.stack.secret("users_redis_password"),
            "DATABASE_DSN": f"postgresql://users_app:{quote(password, safe='')}@/users"
            f"?host={self.stack.socket('users')}",
            "API_KEY": self.stack.secret("users_auth_service_api_key"),
            "BIND": f"127.0.0.1:{self.port}",
        }

    def own_database(self, name: str) -> str:
        """A database beside ours, on the same server; the password of its owner, who is
        called as it is."""
        password = "bench"  # noqa: S105 - of a server that has no port
        with self.stack.database("users", "postgres") as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if not connection.execute(query, [name]).fetchone():
                connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
                connection.execute(f"CREATE DATABASE {name} OWNER {name}")
        return password
