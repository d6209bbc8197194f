"""A scratch copy of this checkout, driven by its own manage_all.sh."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from deploy.local import orphans, status
from deploy.local.layout import Layout

SOURCE = Path(__file__).resolve().parents[3]
MADE = (".git", ".run", ".secrets", ".env", ".env.migrate", ".venv")
MADE += ("__pycache__", ".*_cache")
NAMES = ("GATEWAY_PORT", "AUTH_PORT", "USERS_PORT")


@dataclass
class Checkout:
    path: Path
    ports: dict[str, str] = field(default_factory=dict)

    @classmethod
    def copy_to(cls, path: Path, *ignored: str) -> Self:
        copy_code(path, *ignored)
        _link_packages(Layout(SOURCE), Layout(path))
        return cls(path, dict(zip(NAMES, map(str, free_ports(3)), strict=True)))

    @property
    def layout(self) -> Layout:
        return Layout(self.path)

    def env(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k != "MEMO_STACK"}
        return {**kept, **self.ports, **more}

    def command(self, *words: str) -> list[str]:
        return [str(self.path / "manage_all.sh"), *words]

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The command; both of its outputs in one."""
        return subprocess.run(
            self.command(*words),
            env=self.env(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    def ok(self, *words: str, **env: str) -> str:
        """What a command printed that has to succeed."""
        done = self.run(*words, **env)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Without waiting for its end; in a process group of its own, as in a shell."""
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
        found: dict[str, Any] = status.gather(self.layout)
        return found

    def pids(self) -> dict[str, list[int]]:
        return {name: x["pids"] for name, x in self.status()["processes"].items()}

    def is_ready(self) -> bool:
        return bool(self.status()["state"] == "ready")

    def family(self) -> list[int]:
        """Every live process whose folder or command line is in this checkout."""
        return [
            pid
            for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
            if self._owns(pid)
        ]

    def kill_all(self) -> None:
        """As a power cut: everything, at once."""
        while found := self.family():
            orphans.send(found, signal.SIGKILL)
            time.sleep(0.05)

    def edit(self, file: str, change: Callable[[str], str]) -> Callable[[], object]:
        """Change a file; returns what changes it back."""
        path = self.path / file
        text, times = path.read_text(), path.stat()
        path.write_text(change(text))

        def back() -> None:
            path.write_text(text)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

        return back

    def _owns(self, pid: int) -> bool:
        try:
            cwd = os.readlink(f"/proc/{pid}/cwd")
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        mark = str(self.path)
        inside = (
            cwd == mark or cwd.startswith(f"{mark}/") or f"{mark}/".encode() in line
        )
        return inside and state not in "ZX" and pid != os.getpid()


def copy_code(path: Path, *ignored: str) -> None:
    """The checkout without settings, state and history."""
    shutil.copytree(SOURCE, path, ignore=shutil.ignore_patterns(*MADE, *ignored))


def _link_packages(source: Layout, target: Layout) -> None:
    """The packages of this checkout, by hard links: an installation takes long. And
    what it has downloaded."""
    target.base.mkdir(mode=0o700)
    target.cache.symlink_to(source.cache)
    shutil.copytree(source.venv, target.venv, symlinks=True, copy_function=os.link)
    for path in target.venv.glob("lib/python*/site-packages/memo.pth"):
        path.unlink()
        path.write_text(f"{target.root}\n")
    stamp = json.loads((source.base / "venv.stamp").read_text())
    (target.base / "venv.stamp").write_text(
        json.dumps({**stamp, "path": str(target.venv)})
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> bool:
    return orphans.wait_until(condition, seconds)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has; others may take them at any time."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return numbers


def service_at(port: str, name: str) -> str:
    """The name that answers on a port as a ready service."""
    return name if status.serves(f"127.0.0.1:{port}", name) else ""


def state_of(checkout: Checkout) -> dict[str, Any]:
    """`status --json` by the command itself."""
    lines = checkout.run("status", "--json").stdout.splitlines()
    found: dict[str, Any] = json.loads(lines[-1])  # Notes for the user come before.
    return found
