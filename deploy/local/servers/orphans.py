"""Processes that a killed parent left behind, found in /proc by their working folder.

Pid files are no help: after a reboot the number belongs to another program. Each
program of a stack works in a folder of its own, and passes that on to its children.

supervisord runs this file in front of a program. It ends processes that a killed
predecessor left, removes the predecessor's lock files, and becomes the program.

    orphans.py [--remove=FILE] ... -- COMMAND ...

It imports only the standard library, because supervisord runs it by its path.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

PAUSE = 0.02  # seconds, as KILLED_WITHIN
KILLED_WITHIN = 10


def end_all(*folders: Path, patience: float = 5) -> bool:
    """End the processes in the folders, and those they fork meanwhile: by one TERM (a
    second one may cut their work), and by KILL after `patience` seconds. Returns if
    there were any."""
    found = left = processes_in(*folders)
    begun, asked = time.monotonic(), set[int]()
    while left and (passed := time.monotonic() - begun) < patience + KILLED_WITHIN:
        if passed < patience:
            send([pid for pid in left if pid not in asked], signal.SIGTERM)
            asked.update(left)
        else:
            send(left, signal.SIGKILL)
        time.sleep(PAUSE)
        left = processes_in(*folders)
    return bool(found)


def processes_in(*folders: Path) -> list[int]:
    """Live processes, except this one, that work in one of the folders or below. Those
    with a terminal do not count: a developer's shell may be there too."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            cwd = os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)")
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:  # It has ended, or is another user's.
            continue
        # The name, in brackets, may itself contain brackets and spaces.
        state, _, _, _, terminal = stat.rpartition(")")[2].split()[:5]
        inside = any(cwd == str(x) or cwd.startswith(f"{x}/") for x in folders)
        if inside and state not in "ZX" and terminal == "0" and pid != os.getpid():
            found.append(pid)
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    """Send the signal to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition became true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


def main(words: list[str]) -> None:
    """End the predecessor's processes, remove its files, and become the program."""
    options, command = words[: words.index("--")], words[words.index("--") + 1 :]
    end_all(Path.cwd(), patience=0)
    for option in options:
        Path(option.removeprefix("--remove=")).unlink(missing_ok=True)
    os.execv(command[0], command)  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
