"""CPU time of running processes. No pid file is read: the kernel says which processes
serve a port or a socket."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def listening(kind: str, address: str) -> list[int]:
    """The processes that hold a listening socket, by a filter of ss(8): gunicorn's
    masters and workers, or Nginx's. A supervisor that opened it for them is idle."""
    command = ["ss", "--no-header", "--listening", "--numeric", "--processes"]
    output = subprocess.check_output([*command, f"--{kind}", address], text=True)
    found = [int(pid) for pid in re.findall(r"pid=(\d+)", output)]
    if not found:
        raise SystemExit(f"bench: no process of this user listens: {kind} {address}")
    return found


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes, and of children that have ended."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # Its parent's count includes it now.
        fields = text.rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / TICKS
