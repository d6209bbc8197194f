"""The base of all opponents: a server that the bench installs, starts and stops."""

import contextlib
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from urllib.parse import quote

import psycopg
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from bench.memo import Memo
from bench.processes import family
from bench.wrk import Target

HERE = Path(__file__).parent


class Opponent(ABC):
    """Another server. Its databases are in our PostgreSQL, next to ours."""

    name: str
    paths: tuple[str, ...]  # those that it has an answer for
    port: int
    application: str  # for gunicorn
    process: "subprocess.Popen[bytes]"

    def __init__(self, ours: Memo, folder: Path) -> None:
        self.ours = ours
        self.base = f"http://127.0.0.1:{self.port}"
        self.folder = folder / self.name.replace(" ", "-")
        self.folder.mkdir(exist_ok=True)

    def prepare(self) -> None:
        """Install the server and what it needs."""
        return

    def env(self) -> dict[str, str]:
        """Variables for the environment of the server and of its installer."""
        return {}

    def command(self) -> list[str]:
        """The command line of the server: gunicorn, as our services run."""
        words = [sys.executable, "-m", "gunicorn", self.application]
        words += ["--workers", "2", "--worker-class", "gthread", "--threads", "8"]
        words += ["--keep-alive", "75", "--no-control-socket"]
        return [*words, "--bind", f"127.0.0.1:{self.port}"]

    @abstractmethod
    def target(self, path: str, connections: int) -> Target:
        """The requests to send. Tokens that work once are new with every call."""

    def start(self) -> None:
        """Start the server, and return when it answers."""
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env={**os.environ, **self.env()},
                stdout=log,
                stderr=log,
            )
        with requests.Session() as session:
            until_it_listens = Retry(connect=8, backoff_factor=0.1)  # 25 seconds
            session.mount("http://", HTTPAdapter(max_retries=until_it_listens))
            session.get(self.base, timeout=10)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def pids(self) -> list[int]:
        return family(self.process.pid)

    def stores(self) -> list[int]:
        return self.ours.stores()

    def run(self, *command: str | Path) -> None:
        """Run an installer. What it prints goes to stderr."""
        env = {**os.environ, **self.env()}
        subprocess.run(command, cwd=self.folder, env=env, stdout=sys.stderr, check=True)

    def database(self, name: str) -> str:
        """The URL of a database, which is created if it is missing."""
        connection = self.ours.checkout.connect("users")
        with connection, contextlib.suppress(psycopg.errors.DuplicateDatabase):
            connection.execute(f"CREATE DATABASE {name}")
        found = self.ours.checkout.database("users")
        password, host = (quote(found[key], safe="") for key in ("password", "host"))
        return f"postgresql://{found['user']}:{password}@/{name}?host={host}"
