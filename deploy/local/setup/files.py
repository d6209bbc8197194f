"""Private files, `.env` files, logs and locks."""

import errno
import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# On Debian, the PATH of ordinary users lacks sbin, where Nginx is.
FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
BUSY = "memo: waiting for another ./manage_all.sh command to end ..."
NAME = re.compile(r"(?:export )?([A-Za-z_][A-Za-z0-9_]*)=")


def read_env(path: Path) -> dict[str, str]:
    """Names and values, as the services themselves read them: by django-environ. To it,
    a file that may not be read has no settings. Raises OSError; ImportError without the
    Python packages."""
    if not read_text(path):
        return {}
    import environ  # Needs the virtual environment; the rest of this module does not.

    # It logs a line that it cannot parse, and that may be a secret.
    logging.getLogger("environ").setLevel(logging.ERROR)

    found: dict[str, str] = {}
    file: Any = type("File", (environ.Env,), {"ENVIRON": found})
    file.read_env(path, encoding="utf-8-sig")
    return found


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace the file in one step, so that a kill leaves the old one or the new one.

    In a checkout of root's, the `.env` files are ours, but their folders are not. No
    file can be renamed there, so the file is overwritten in place.
    """
    if path.exists() and read_text(path) == text:
        return
    flags, target = os.O_NOFOLLOW, path
    if os.access(path.parent, os.W_OK):
        flags = os.O_CREAT | os.O_EXCL
        target = path.with_name(f".{path.name}.{os.getpid()}")
        target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | flags, mode), "wb") as file:
        file.write(text.encode())
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    if target != path:
        target.replace(path)


def read_text(path: Path) -> str:
    """The text of the file; empty when there is none. Raises OSError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise OSError(errno.EILSEQ, f"line {line} is not UTF-8", str(path)) from exc


def tail(log: Path) -> str:
    """The last lines of a log, for a message."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return "\n".join([f"The end of {log}:", *text.splitlines()[-20:]])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock; print a line if another command has it. The kernel releases a lock
    when its holder ends, so there is never a stale one."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(BUSY, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
