"""The folder in which a service's processes count: a scrape of one has the sums of all.

PROMETHEUS_MULTIPROC_DIR names the folder: one for all processes of a service on a host.
Each process has a slot, and a file there for each kind of metric. The next process of a
slot continues its files, so a restart loses no count and files stay few. A slot is a
locked file: the kernel frees it however the process ends.
"""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

from shared.structured_logging import dependency_logger

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
REFRESHED = "refreshed"  # file whose time is the last refresh of looked-up gauges
# Bytes by kind, more than our own routes need. They are allocated before use: a write
# to a mapped file for which a full disk has no room would end the process.
FILES = {
    "counter": 1 << 18,
    "histogram": 1 << 21,
    "gauge_livemax": 1 << 16,
    "gauge_livesum": 1 << 16,
    "gauge_mostrecent": 1 << 16,
}


class Slot(NamedTuple):
    """A number that no other process has while the file is locked."""

    number: int
    lock: int


class State:
    """The metrics folder and the slot of this process. Without a folder it counts in
    memory only. `is_faulty` if it needs a folder and cannot use one."""

    folder: Path | None = None
    is_faulty = False
    slot: Slot


def join() -> None:
    """Call this before the first metric is made. The first of all processes empties the
    folder. If the folder cannot be used, the service continues without metrics."""
    name = os.environ.get(VARIABLE)
    if name is None:
        return
    try:
        enter(Path(name))
        State.slot = take()
    except OSError as exc:
        State.folder, State.is_faulty = None, True
        values.ValueClass = values.MutexValue
        note_fault(f"{name or VARIABLE}: {exc.strerror}")
    else:
        values.ValueClass = values.MultiProcessValue(lambda: State.slot.number)


def note_fault(reason: str) -> None:
    dependency_logger.warning("no metrics: %s", reason, extra={"event": "metrics"})


def enter(folder: Path) -> None:
    """Lock the folder until this process and its forks end. Raises OSError, also for
    an empty path, which gunicorn.conf.py sets if no folder is named."""
    if folder == Path():
        raise FileNotFoundError(errno.ENOENT, "is not set")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for file in [*folder.glob("*.db"), *folder.glob(REFRESHED)]:
            file.unlink()
    fcntl.flock(lock, fcntl.LOCK_SH)
    State.folder = folder


def take() -> Slot:
    """The first free slot, its files in place. Raises OSError."""
    assert State.folder
    number = 1
    while (lock := try_lock(State.folder / f"{number}.slot")) is None:
        number += 1
    try:
        make_room(State.folder, number)
    except OSError:
        os.close(lock)
        raise
    return Slot(number, lock)


def try_lock(file: Path) -> int | None:
    """The descriptor of the locked file, or None if another process has locked it."""
    lock = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def make_room(folder: Path, number: int) -> None:
    """No file has its name before it has its size: an empty one ends every scrape."""
    mark_process_dead(number, str(folder))  # drops the gauges of a killed one
    for kind, size in FILES.items():
        path = folder / f"{kind}_{number}.db"
        draft = path if path.exists() else path.with_suffix(".new")
        with draft.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        draft.rename(path)


# --- For gunicorn, whose master forks workers -----------------------------------------


def reserve() -> Slot | None:
    """A slot for a worker that is about to be forked, or None if there is none."""
    if State.folder is None:
        return None
    try:
        return take()
    except OSError as exc:
        note_fault(f"{State.folder}: {exc.strerror}")
        return None


def use(slot: Slot | None) -> None:
    """Count in this slot from now on. A worker without one counts nothing: two writers
    would spoil a file."""
    if slot:
        State.slot = slot
    elif State.folder:
        cls: Any = values.ValueClass
        cls.inc = cls.set = lambda self, *args: None
        values.ValueClass = values.MutexValue


def give_back(slot: Slot | None) -> None:
    """Free the slot of a worker that has ended. Its counts stay, its gauges go."""
    if slot:
        mark_process_dead(slot.number, str(State.folder))
        # Closing it is not enough: workers forked meanwhile have copies of it.
        fcntl.flock(slot.lock, fcntl.LOCK_UN)
        os.close(slot.lock)
