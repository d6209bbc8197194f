"""A scratch copy of this checkout, driven by its own manage_all.sh."""

import json
import os
import shutil
import signal
import subprocess
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from deploy.local import startservice
from deploy.local.servers import orphans, processes
from deploy.local.setup import ports
from deploy.local.setup.layout import Layout
from deploy.local.setup.virtualenv import STAMP
from deploy.tests.stack import as_it_was

SOURCE = Path(__file__).resolve().parents[3]
MADE = (".git", ".run", ".secrets", ".backups", ".env", ".env.migrate", ".venv")
MADE += ("__pycache__", ".*_cache")

# A line of auth_project/.env, and what commands say to it.
WITHOUT_EFFECT = "ARGON2_TIME_COST=2\n"
SAYS_SO = "auth_project/.env: ARGON2_TIME_COST has no effect here; users reads it"


@dataclass
class Checkout:
    path: Path

    @classmethod
    def copy_to(cls, path: Path) -> Self:
        """The code, without settings, state, history and added services. An
        installation takes long: packages, bytecode and downloads are this checkout's.
        """
        shutil.copytree(SOURCE, path, ignore=shutil.ignore_patterns(*MADE))
        source, target = Layout(SOURCE), Layout(path)
        for name in {each.name for each in source.services} - {"auth", "users"}:
            routes, project = startservice.places(path, name)
            routes.unlink()
            shutil.rmtree(project)
        target.base.mkdir(mode=0o700)
        for name in ("cache", "pycache", "install.lock"):
            (target.base / name).symlink_to(source.base / name)
        venv.create(target.venv, symlinks=True)
        [packages] = source.venv.glob("lib/python*/site-packages")
        file = target.venv / packages.relative_to(source.venv) / "memo.pth"
        file.write_text(f"{path}\n{packages}\n")
        stamp = (source.venv / STAMP).read_text()
        stamp = stamp.replace(str(source.venv), str(target.venv))
        (target.venv / STAMP).write_text(stamp)
        return cls(path)

    @property
    def layout(self) -> Layout:
        return Layout(self.path)

    @property
    def ports(self) -> dict[str, int]:
        """Those of the services and of the gateway, by their names."""
        return ports.written(self.layout)

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The command; both of its outputs in one."""
        with self.start(*words, **env) as process:
            said = process.communicate(timeout=300)[0]
        return subprocess.CompletedProcess(words, process.returncode, said)

    def ok(self, *words: str, **env: str) -> str:
        """What a command printed that has to succeed."""
        done = self.run(*words, **env)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Without waiting for its end; in a process group of its own, as in a shell."""
        user, kept = options.pop("user", None), dict(os.environ)
        kept.pop("MEMO_STACK", None)
        return subprocess.Popen(
            [self.path / "manage_all.sh", *words],
            env={**kept, **options},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            user=user,
        )

    def up_to(self, stage: str) -> subprocess.Popen[str]:
        """A running `up` that has said what it does now."""
        process = self.start("up")
        if stage:
            assert process.stdout
            next(line for line in process.stdout if stage in line)
        return process

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = processes.gather(self.layout)
        return found

    def pids(self) -> dict[str, list[int]]:
        return {name: x["pids"] for name, x in self.status()["processes"].items()}

    def is_ready(self) -> bool:
        return bool(self.status()["state"] == "ready")

    def files(self) -> set[str]:
        """Of the checkout, without packages."""
        found = [self.path, self.layout.base, *self.path.glob("*_project")]
        return {str(path) for folder in found for path in folder.iterdir()}

    def family(self) -> list[int]:
        """Every live process that works in this checkout."""
        return orphans.processes_in(self.path)

    def kill_all(self) -> None:
        """As a power cut: everything, at once."""
        while found := self.family():
            orphans.send(found, signal.SIGKILL)
            time.sleep(0.05)

    @contextmanager
    def edited(self, file: str, old: str, new: str) -> Iterator[None]:
        """With other text in a file; an empty `old` is its end."""
        path = self.path / file
        text = path.read_text()
        assert old in text
        with as_it_was(path):
            path.write_text(text.replace(old, new) if old else text + new)
            yield

    def service_at(self, name: str, at: str = "gateway") -> bool:
        """Whether a service answers as ready on a port of its own or the gateway's."""
        return processes.serves(f"127.0.0.1:{self.ports[at]}", name)

    def printed_state(self) -> dict[str, Any]:
        """`status --json` by the command itself."""
        lines = self.run("status", "--json").stdout.splitlines()
        found: dict[str, Any] = json.loads(lines[-1])  # Notes for the user come before.
        return found


# Each with the status of a command and what it printed.
FirstUps = list[tuple[Checkout, int, str]]
wait_for = orphans.wait_until


def slowness() -> float:
    """How many programs there are for each processor, at least one."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
