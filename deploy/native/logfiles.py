"""Log files of the processes: appended to, and kept from growing for ever."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

LARGEST = 10 * 1024 * 1024
KEPT = 3


def open_for_append(path: Path) -> BinaryIO:
    """Appending is what makes truncation safe: the next line lands at the new end."""
    return path.open("ab", buffering=0)


def rotate(folder: Path, largest: int = LARGEST) -> None:
    """Copy and truncate: it needs no signal, so it works for every program alike."""
    for path in folder.glob("*.log"):
        if path.stat().st_size > largest:
            _shift(path)
            shutil.copyfile(path, _numbered(path, 1))
            os.truncate(path, 0)


def _shift(path: Path) -> None:
    for number in range(KEPT - 1, 0, -1):
        older = _numbered(path, number)
        if older.exists():
            older.replace(_numbered(path, number + 1))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
