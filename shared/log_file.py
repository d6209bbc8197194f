"""A log that several processes write and any of them rotates.

Python's own rotating handler loses lines there, as each process rotates for itself.
"""

import fcntl
import io
import os
from contextlib import suppress
from itertools import pairwise
from logging import LogRecord
from logging.handlers import WatchedFileHandler
from os.path import samestat

FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
LONG = 10 * 1024 * 1024  # bytes; then FILE becomes FILE.1, FILE.1 becomes FILE.2


class SharedFileHandler(WatchedFileHandler):
    """Appends each line in one write, so lines never mix. A process that finds the file
    renamed opens the new one; a line written meanwhile is at the end of the old one.
    `kept` older files stay."""

    def __init__(self, filename: str, kept: int) -> None:
        self.kept = kept
        super().__init__(filename, delay=True)

    def _open(self) -> io.TextIOWrapper:
        # Without a buffer, which would split a long line. The formatter writes ASCII.
        raw = io.FileIO(os.open(self.baseFilename, FLAGS, 0o600), "a")
        return io.TextIOWrapper(raw, "ascii", write_through=True)

    def emit(self, record: LogRecord) -> None:
        """As of Python's handlers: a fault is shown on stderr, and no request fails."""
        try:
            super().emit(record)
            if self.stream and os.fstat(self.stream.fileno()).st_size > LONG:
                self.rotate()
        except OSError:  # The folder is gone or not ours, or no descriptor is left.
            self.handleError(record)

    def rotate(self) -> None:
        """Rename the file, unless another process has done so."""
        # Locked by a new descriptor: forked processes share the lock of the stream's.
        with suppress(FileNotFoundError), open(self.baseFilename, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            found = os.fstat(file.fileno())
            if found.st_size > LONG and samestat(os.stat(self.baseFilename), found):
                self.rename_all()

    def rename_all(self) -> None:
        """Raise the number of each file, the highest first. The oldest is replaced."""
        older = [f"{self.baseFilename}.{number}" for number in range(self.kept, 0, -1)]
        for new, old in pairwise([*older, self.baseFilename]):
            with suppress(FileNotFoundError):  # there are not so many yet
                os.replace(old, new)
