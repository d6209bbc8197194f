"""The file of erasures: the id of each user who was erased, and when.

It is outside the databases, so that the same users can be erased again in a restored
one (docs/operations/backup.md).
"""

import argparse
import errno
import fcntl
import os
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from shared.keys.key_store import sync

# A line that was cut off, by a full disk for example, belongs to no committed erasure.
ID, TIME = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"[0-9T:-]{19}\+00:00"
LINE = re.compile(rf"^({ID}) {TIME}\n", re.MULTILINE)


def append(path: Path, user_ids: Iterable[UUID]) -> None:
    """Add a line for each user, on the disk when this returns. Raises OSError."""
    is_new = not path.exists()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lines = "".join(f"{user_id} {now}\n" for user_id in user_ids)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    with open(os.open(path, flags, 0o600), "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if size and os.pread(file.fileno(), 1, size - 1) != b"\n":  # It was cut.
            lines = f"\n{lines}"
        data = lines.encode()
        if file.write(data) < len(data):  # A disk that is nearly full takes a part.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    if is_new:
        sync(path.parent)


def read(file: str) -> list[UUID]:
    """The users in a file or, for `-`, in the standard input. Raises OSError."""
    text = sys.stdin.read() if file == "-" else Path(file).read_text("ascii")
    return [UUID(found) for found in dict.fromkeys(LINE.findall(text))]


def add_file_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="The file of erasures; - for the standard input.")
