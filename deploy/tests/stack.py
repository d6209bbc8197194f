"""The stack under test: its addresses, secrets and processes."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis

from deploy.local.servers import orphans, processes, supervisor
from deploy.local.setup import files
from deploy.local.setup import layout as layouts
from deploy.tests.waiting import wait_until
from shared.db import POOL_TIMEOUT

__all__ = ["ROOT", "SERVICES", "System", "wait_until"]
ROOT = Path(__file__).resolve().parents[2]
GUNICORN_CONF = ROOT / "deploy" / "gunicorn.conf.py"
SETTINGS = Path(__file__).parent / "settings"
SERVICES = ("auth", "users")


class System:
    """A named stack of this checkout, started by the project's own script.

    Its settings are those of the folder `settings`; a folder of the stack's name in it
    has those that differ.
    """

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.layout = layouts.of(stack)
        self.state = self.layout.state

    # ---- The command line ----------------------------------------------------

    def run(self, *words: str, timeout: float = 300) -> str:
        """`./manage_all.sh` for this stack; what it printed."""
        done = subprocess.run(
            ["./manage_all.sh", *words],
            cwd=ROOT,
            env={**os.environ, "MEMO_STACK": self.stack},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def up(self) -> None:
        """Running, with the settings of the suite."""
        if self.configure():
            self.run("down")
        self.run("up")
        self.write_without_waiting()

    def write_without_waiting(self) -> None:
        """Databases of tests need not outlive the machine. What is committed still
        outlives a server that is killed."""
        for data in self.state.glob("postgres/*/*/data"):
            file = data / "postgresql.auto.conf"
            if "fsync = off" not in file.read_text():
                file.write_text("fsync = off\n")
                pid = (data / "postmaster.pid").read_text().split()[0]
                os.kill(int(pid), signal.SIGHUP)

    def configure(self) -> bool:
        """Write what the suite sets; whether anything was new."""
        changed = False
        self.run("init")  # the files are there, and belong to the stack's user
        for target in (self.state / "env").glob("*.env"):
            wanted: dict[str, str] = {}
            for folder in (SETTINGS, SETTINGS / self.stack):
                wanted |= files.read_env(folder / target.name)
            if not wanted.items() <= files.read_env(target).items():
                target.write_text(with_lines(target.read_text(), wanted))
                changed = True
        return changed

    # ---- Its processes, without the half second that a command takes ----------

    def status(self) -> dict[str, Any]:
        return processes.gather(self.layout)

    def stop(self, *programs: str) -> None:
        for program in programs:
            supervisor.stop_program(self.layout, program)

    def start(self, *programs: str) -> None:
        """Returns when they are ready."""
        processes.start_and_wait(self.layout, *programs)

    def restart(self, *services: str) -> None:
        """With their workers, all at once: one by one, as users need it, takes long."""
        each = [x.programs for x in self.layout.services if x.name in services]
        self.stop(*chain(*each))
        self.start(*chain(*each))

    def workers(self, program: str) -> list[int]:
        """The descendants of a program's processes."""
        return self.family(program)[len(self.pids(program)) :]

    def family(self, program: str) -> list[int]:
        """The pids of a program's processes and of all their descendants."""
        found = self.pids(program)
        for pid in found:
            with suppress(OSError):  # has just ended
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
                found += map(int, children.split())
        return found

    def pids(self, program: str) -> list[int]:
        found = supervisor.processes(self.layout)[program]
        return [each["pid"] for each in found if each["pid"]]

    # ---- Addresses and secrets -----------------------------------------------

    def settings(self, name: str) -> dict[str, str]:
        """The env file `name` of the stack."""
        return files.read_env(self.state / "env" / f"{name}.env")

    def secret(self, name: str) -> str:
        return (self.state / "secrets" / name).read_text().strip()

    def api_key(self, service: str) -> str:
        """A key that auth or users accepts: the other's."""
        caller = {"auth": "users", "users": "auth"}[service]
        return self.secret(f"{caller}_{service}_service_api_key")

    @cached_property
    def gateway_url(self) -> str:
        url: str = self.status()["url"]
        return url

    @cached_property
    def auth_url(self) -> str:
        return self.settings("users")["AUTH_SERVICE_URL"]

    @cached_property
    def users_url(self) -> str:
        return self.settings("auth")["USERS_SERVICE_URL"]

    def redis(self, user: str = "admin") -> redis.Redis:
        path = urlsplit(self.settings("auth")["REDIS_URL"]).path
        name = "redis_admin_password" if user == "admin" else f"{user}_redis_password"
        client: redis.Redis = redis.Redis(
            unix_socket_path=path,
            username=user,
            password=self.secret(name),
            socket_timeout=2,
            decode_responses=True,
        )
        return client

    def query(
        self, service: str, sql: str, *parameters: Any, role: str = "app"
    ) -> list[tuple[Any, ...]]:
        """Rows from a service's database, as its application or as the owner."""
        password = self.secret(f"{service}_db_{role}_password")
        with self.connect(service, f"{service}_{role}", password) as connection:
            done = connection.execute(sql, parameters)
            return done.fetchall() if done.description else []

    def connect(
        self, service: str, role: str, password: str
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """To a service's database, by the socket its settings name."""
        path = urlsplit(self.settings(service)["DATABASE_URL"]).path
        folder, _, name = path.rpartition("/")
        return psycopg.connect(
            host=folder.replace("//", "/", 1),
            dbname=name,
            user=role,
            password=password,
            connect_timeout=3,
        )

    def log(self, process: str) -> str:
        """A service has a log for each of its processes, one after the other here."""
        paths = [*(self.state / "log").glob(f"{process}-[1-9].log")]
        paths.append(self.state / "log" / f"{process}.log")
        found = [path for path in sorted(paths) if path.exists()]
        return "".join(path.read_text(errors="replace") for path in found)

    # ---- Faults --------------------------------------------------------------

    @contextmanager
    def stopped(self, *programs: str) -> Iterator[None]:
        """Without these programs; healthy again afterwards."""
        self.stop(*programs)
        try:
            yield
        finally:
            self.start(*programs)
            wait_for_pools(programs)

    @contextmanager
    def paused(self, *programs: str) -> Iterator[None]:
        """With these programs paused: they exist and do not answer."""
        pids = [pid for program in programs for pid in self.family(program)]
        try:
            orphans.send(pids, signal.SIGSTOP)
            yield
        finally:
            # Children first: a parent that wakes before them may take them for dead,
            # and end them.
            orphans.send(pids[::-1], signal.SIGCONT)
            wait_for_pools(programs)

    @contextmanager
    def with_settings(self, **services: Mapping[str, str]) -> Iterator[None]:
        """With other settings of these services; as they were afterwards."""
        with ExitStack() as edits:
            for name, wanted in services.items():
                path = self.state / "env" / f"{name}.env"
                text = with_lines(path.read_text(), wanted)
                edits.enter_context(as_it_was(path, text))
            try:
                self.restart(*services)
                yield
            finally:
                edits.close()
                self.restart(*services)

    @contextmanager
    def redis_setting(self, name: str, value: str) -> Iterator[None]:
        with self.redis() as admin:
            before = admin.config_get(name)[name]
            admin.config_set(name, value)
            try:
                yield
            finally:
                admin.config_set(name, before)

    def full_redis(self) -> AbstractContextManager[None]:
        """It takes no write; with `noeviction` DEL still works."""
        return self.redis_setting("maxmemory", "1")


def wait_for_pools(programs: Iterable[str]) -> None:
    """Until each worker that had no database has asked it again: what one of them
    answers says nothing of the others."""
    if any(program.endswith("-db") for program in programs):
        time.sleep(POOL_TIMEOUT)


def with_lines(text: str, settings: Mapping[str, str]) -> str:
    """The text of an env file with these settings in place of its own."""
    names = tuple(f"{name}=" for name in settings)
    kept = [line for line in text.splitlines() if not line.startswith(names)]
    lines = [f"{name}={value}" for name, value in settings.items()]
    return "\n".join([*kept, *lines]) + "\n"


@contextmanager
def as_it_was(path: Path, meanwhile: str | None = None) -> Iterator[None]:
    """A file, perhaps with another text, has afterwards its own text and times, by
    which `up` sees whether anything has changed."""
    text, times = path.read_text(), path.stat()
    try:
        if meanwhile is not None:
            path.write_text(meanwhile)
        yield
    finally:
        path.write_text(text)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
