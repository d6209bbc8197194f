"""Values that are read again when their files change: keys and secrets are rotated
without a restart."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from shared.structured_logging import dependency_logger

T = TypeVar("T")

INTERVAL = 1.0  # seconds between two looks at the files


class FileWatcher(Generic[T]):
    """The value that `load` returns for `path`: a file, or a folder with its files.

    If loading fails, the last value stays, the log says so, and the next look tries
    again. The first load raises its exception.
    """

    def __init__(
        self, load: Callable[[], T], path: Path, interval: float = INTERVAL
    ) -> None:
        self.load = load
        self.path = path
        self.interval = interval
        self.looking = threading.Lock()
        self.loaded: tuple[T] | None = None  # replaced, never changed in place
        self.seen: object = None
        self.next_look = 0.0

    def get(self) -> T:
        """The value, no older than `interval` and the time of a load."""
        if time.monotonic() >= self.next_look:
            with self.looking:
                # A thread that waited for the lock finds that another has looked.
                if time.monotonic() >= self.next_look:
                    self.look()
        assert self.loaded is not None
        return self.loaded[0]

    def look(self) -> None:
        """Load, if nothing is loaded yet or the files have changed since."""
        try:
            # Taken before the files are read: a change meanwhile is seen next time.
            found = fingerprint(self.path)
            if self.loaded is None or found != self.seen:
                self.loaded, self.seen = (self.load(),), found
        except Exception as exc:
            if self.loaded is None:
                raise
            dependency_logger.error(
                "reading %s failed: %s",
                self.path,
                type(exc).__name__,
                extra={"event": "reload"},
            )
        self.next_look = time.monotonic() + self.interval


def fingerprint(path: Path) -> list[tuple[str | int | None, ...]]:
    """Changes when a file is added, removed, replaced or written.

    Made of every file: the time of a folder is too coarse to show two quick changes.
    """
    found: list[tuple[str | int | None, ...]] = []
    for name in (path, *(path.iterdir() if path.is_dir() else ())):
        try:
            stat = os.stat(name)
        except OSError as exc:
            found.append((str(name), exc.errno))
        else:
            # st_ctime shows changes that `cp -p` hides, and a change of permissions.
            times = stat.st_mtime_ns, stat.st_ctime_ns
            found.append((str(name), stat.st_size, stat.st_ino, *times))
    return sorted(found)
