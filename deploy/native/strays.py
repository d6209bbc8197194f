"""Finding what a killed supervisor left behind, by /proc.

Pid files lie: after a reboot the number belongs to somebody else, and a zombie looks
alive. A process is ours when its working folder is one we gave it, or when it still
has the mark in its environment (PostgreSQL and Nginx overwrite theirs).
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout

MARK = "MEMO_STATE"


@dataclass(frozen=True)
class Process:
    pid: int
    state: str
    parent: int
    terminal: int

    @property
    def is_zombie(self) -> bool:
        return self.state in "ZX"

    @property
    def cwd(self) -> str:
        try:
            return os.readlink(f"/proc/{self.pid}/cwd").removesuffix(" (deleted)")
        except OSError:  # Gone, or another user's.
            return ""

    def has_mark(self, mark: bytes) -> bool:
        try:
            environment = Path(f"/proc/{self.pid}/environ").read_bytes()
        except OSError:
            return False
        return mark in environment.split(b"\0")


def processes() -> Iterator[Process]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (found := read(int(entry))):
            yield found


def read(pid: int) -> Process | None:
    """The process, or None when there is none of that number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in brackets may itself hold brackets and spaces.
    state, parent, _group, _session, terminal = text.rpartition(")")[2].split()[:5]
    return Process(pid, state, int(parent), int(terminal))


def is_alive(pid: int) -> bool:
    found = read(pid)
    return found is not None and not found.is_zombie


def find(layout: Layout) -> list[int]:
    """Processes of this stack, whoever their parent is now."""
    folders = [layout.state / "work", layout.state / "postgres"]
    mark = f"{MARK}={layout.state}".encode()
    return _select(lambda process: _inside(process, folders) or process.has_mark(mark))


def find_in(folder: Path) -> list[int]:
    """Processes that work in the folder: backends outlive a killed PostgreSQL."""
    return _select(lambda process: _inside(process, [folder]))


def sweep(layout: Layout) -> list[int]:
    """End all strays of the stack: ask first, then insist."""
    found = find(layout)
    if found:
        _signal(found, signal.SIGTERM)
        wait_until(lambda: not find(layout), seconds=5)
        kill_until_gone(lambda: find(layout))
    return found


def kill_until_gone(look: Callable[[], list[int]], seconds: float = 10) -> None:
    """Kill what `look` finds, and what that forked meanwhile."""

    def none_left() -> bool:
        left = look()
        _signal(left, signal.SIGKILL)
        return not left

    wait_until(none_left, seconds)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _select(matches: Callable[[Process], bool]) -> list[int]:
    family = _ancestors()
    return [
        process.pid
        for process in processes()
        # A developer's shell may stand in our folders: it has a terminal.
        if process.terminal == 0
        and not process.is_zombie
        and process.pid not in family
        and matches(process)
    ]


def _inside(process: Process, folders: list[Path]) -> bool:
    cwd = process.cwd
    return any(cwd == str(path) or cwd.startswith(f"{path}/") for path in folders)


def _ancestors() -> set[int]:
    """Ourselves and all above us, who must survive a sweep."""
    family, pid = set(), os.getpid()
    while pid > 1 and (found := read(pid)):
        family.add(pid)
        pid = found.parent
    return family


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
