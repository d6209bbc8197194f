"""Values that are made of files, and made anew when the files change: keys and secrets
are rotated without a restart."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from shared.structured_logging import dependency_logger

T = TypeVar("T")

INTERVAL = 1.0  # seconds; how late a change of a file is seen at most


class Reloading(Generic[T]):
    """What `load` made of `paths` (files, or folders with the files in them).

    Threads that read do not wait while one of them loads: they get the value there is,
    unless it is out of date by more than one interval, as after a time without readers.
    Where loading fails that value stays, the failure is logged and it is tried again;
    the first load raises what `load` raises.
    """

    def __init__(
        self, load: Callable[[], T], *paths: Path, interval: float = INTERVAL
    ) -> None:
        self.load = load
        self.paths = paths
        self.interval = interval
        self.loading = threading.Lock()
        self.loaded: tuple[T] | None = None  # replaced, never changed in place
        self.seen: object = None
        self.next_look = 0.0

    def get(self) -> T:
        """The value, no older than twice `interval` and the time of a load."""
        if self.loaded is None:
            with self.loading:
                if self.loaded is None:
                    self.look()
        elif (late := time.monotonic() - self.next_look) >= 0 and self.loading.acquire(
            blocking=late > self.interval
        ):
            try:
                # Who waited for the lock finds that another has looked.
                if time.monotonic() >= self.next_look:
                    self.look_again()
            finally:
                self.loading.release()
        assert self.loaded is not None
        return self.loaded[0]

    def expire(self) -> None:
        """Have the next `get` look at the files, whatever the interval."""
        self.next_look = 0.0

    def look(self) -> None:
        """Load, where the files are not those that were loaded."""
        # Taken before the files are read: what changes meanwhile is seen next time.
        found = fingerprint(*self.paths)
        if self.loaded is None or found != self.seen:
            self.loaded, self.seen = (self.load(),), found
        self.next_look = time.monotonic() + self.interval

    def look_again(self) -> None:
        try:
            self.look()
        except Exception as exc:  # noqa: BLE001 - the value there is still serves
            self.next_look = time.monotonic() + self.interval
            dependency_logger.error(
                "reading %s failed: %s",
                ", ".join(map(str, self.paths)),
                type(exc).__name__,
                extra={"event": "reload"},
            )


def fingerprint(*paths: Path) -> list[tuple[str | int, ...]]:
    """Changes when a file of these is added, removed, replaced or written.

    By every file and not by the folder's time, whose clock is too coarse to show two
    changes that follow each other at once.
    """
    found: list[tuple[str | int, ...]] = []
    for path in paths:
        names = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
        for name in names:
            try:
                stat = os.stat(name)
            except FileNotFoundError:
                continue
            # st_ctime shows what `cp -p` hides, and that a file may now be read.
            times = stat.st_mtime_ns, stat.st_ctime_ns
            found.append((str(name), stat.st_size, stat.st_ino, *times))
    return found
