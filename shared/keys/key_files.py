"""Files of a key folder: written and removed in one step, and for good."""

import os
from pathlib import Path


class KeyFault(ValueError):
    """A key is missing, unreadable, of a wrong size, or not the one its name says."""


class KeyMissing(KeyFault):
    """There is no such key, in a folder that could be read."""


def put(path: Path, content: bytes, mode: int) -> None:
    """Replace `path`, whole or not at all, and on the disk when this returns."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as f:
        os.fchmod(f.fileno(), mode)  # whatever the umask
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
    draft.rename(path)
    sync(path.parent)


def remove(path: Path) -> None:
    """Delete `path`, if it is there, for good."""
    path.unlink(missing_ok=True)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Names in a folder, too, are on the disk only after this."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def pem_files(folder: Path) -> dict[str, Path]:
    """Key files of a folder by the kid in their names. Raises KeyFault."""
    try:
        # Not glob(), which takes a folder that cannot be read for an empty one.
        return {p.stem: p for p in sorted(folder.iterdir()) if p.suffix == ".pem"}
    except OSError as exc:
        raise KeyFault(f"{folder} cannot be read.") from exc
