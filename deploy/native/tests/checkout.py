"""A scratch copy of this checkout, driven by its own manage_all.sh."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.native import status, strays
from deploy.native.layout import Layout

SOURCE = Path(__file__).resolve().parents[3]
PARTS = (
    ".gitignore",
    "manage_all.sh",
    "compose.yaml",
    "deploy/gunicorn.conf.py",
    "pyproject.toml",
    "deploy",
    "nginx",
    "requirements",
    "shared",
    "auth_project",
    "users_project",
)
IGNORED = shutil.ignore_patterns("tests", "__pycache__", ".env", ".env.migrate")


def not_copied(folder: str, names: list[str]) -> set[str]:
    """Our own suites; the one that new services get is a part of the code."""
    ignored = IGNORED(folder, names)
    return ignored - {"tests"} if "service_template" in folder else ignored


@dataclass
class Checkout:
    path: Path
    ports: dict[str, str]

    @classmethod
    def copy_to(cls, path: Path) -> "Checkout":
        path.mkdir(parents=True)
        for name in PARTS:
            source = SOURCE / name
            if source.is_dir():
                shutil.copytree(source, path / name, ignore=not_copied)
            else:
                shutil.copy2(source, path / name)
        names = ("GATEWAY_PORT", "AUTH_PORT", "USERS_PORT")
        return cls(path, dict(zip(names, _free_ports(len(names)), strict=True)))

    @property
    def layout(self) -> Layout:
        return Layout(self.path)

    def command(self, *words: str) -> list[str]:
        return [str(self.path / "manage_all.sh"), *words]

    def env(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k != "MEMO_STACK"}
        return {**kept, **self.ports, **more}

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env=self.env(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Without waiting for its end."""
        return subprocess.Popen(
            self.command(*words),
            env=self.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def status(self) -> dict[str, Any]:
        """As `status --json`, without the time a command takes to start."""
        return status.gather(self.layout)

    def pids(self) -> dict[str, int]:
        return {
            name: found["pid"] for name, found in self.status()["processes"].items()
        }

    def becomes(self, condition: Callable[[], bool], seconds: float = 20) -> bool:
        return strays.wait_until(condition, seconds)

    def is_ready(self) -> bool:
        return bool(self.status()["state"] == "ready")

    def family(self) -> list[int]:
        """Every live process whose folder or command line is in this checkout."""
        return [found.pid for found in strays.processes() if self._owns(found)]

    def kill_all(self) -> None:
        """As a power cut would: everything, at once, without a word."""
        strays.kill_until_gone(self.family)

    def _owns(self, process: strays.Process) -> bool:
        if process.is_zombie or process.pid == os.getpid():
            return False
        try:
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:
            return False
        mark = str(self.path)
        return process.cwd.startswith(mark) or mark.encode() in line


def end(process: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM) -> str:
    """Send the signal, wait, and return what it printed."""
    if process.stdout and process.stdout.closed:
        return ""
    process.send_signal(how)
    output, _ = process.communicate(timeout=60)
    return output


def _free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [str(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return numbers
