"""API keys between services: those that a service accepts, and those it presents.

A key from a file (NAME_FILE) follows the file, so keys are rotated without a restart
(docs/operations/key-rotation.md). If the file becomes empty or malformed, the last
value stays and the log names the file.
"""

import hmac
import re
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from django.conf import settings

from shared.env import api_key_pairs, read_secret
from shared.file_watcher import FileWatcher

MINIMUM_KEY_LENGTH = 43  # characters of base64 for 256 bits
# Long enough, allowed in a header, and accepted by `Env` at the next start.
PLAIN = re.compile(rf"(?!\$)[!-~]{{{MINIMUM_KEY_LENGTH},}}")


def current(name: str) -> Any:
    """The value of a setting; if a file sets it, the file's present content."""
    path = settings.SECRET_FILES.get(name)
    return getattr(settings, name) if path is None else watched(name, path).get()


def presented(name: str) -> str:
    """Our key for another service, from the setting `name` (AUTH_SERVICE_API_KEY)."""
    return str(current(name))


def caller_of(offered: str) -> str | None:
    """The name of the caller that this key belongs to. None if no caller has it.

    Compares with all keys in constant time, so that the duration reveals nothing.
    """
    name = None
    for caller, key in current("INTERNAL_API_KEYS"):
        if hmac.compare_digest(offered.encode(), key.encode()):
            name = caller
    return name


@lru_cache
def watched(name: str, path: Path) -> FileWatcher[Any]:
    """A watcher of a setting's file. It begins with the value read at the start: if
    the file cannot be read later, the service continues with that value."""
    watcher: FileWatcher[Any] = FileWatcher(partial(read, name, path), path)
    watcher.loaded = (getattr(settings, name),)
    return watcher


def read(name: str, path: Path) -> Any:
    """The value in a setting's file: one or more pairs for INTERNAL_API_KEYS, else one
    key. Raises ValueError, OSError."""
    text = read_secret(path)
    pairs = api_key_pairs(text) if name == "INTERNAL_API_KEYS" else [(name, text)]
    if not all(PLAIN.fullmatch(key) for _, key in pairs) or not pairs:
        raise ValueError
    return pairs if name == "INTERNAL_API_KEYS" else text
