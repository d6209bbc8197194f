"""API keys between services: those that a service accepts, and those it presents.

A key that came by file (NAME_FILE) is what the file says now: keys are rotated without
a restart (docs/operations/key-rotation.md). A file that is empty or wrong changes
nothing: the last value stays, and the log names the file.
"""

import hmac
import re
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from django.conf import settings

from shared.env import api_key_pairs
from shared.file_watcher import FileWatcher

MINIMUM_KEY_LENGTH = 43  # characters of base64 for 256 bits
# Long enough, and what a header can carry and `Env` would take at the next start.
PLAIN = re.compile(rf"(?!\$)[!-~]{{{MINIMUM_KEY_LENGTH},}}")


def current(name: str) -> Any:
    """The value of a setting: what its file says now, if it came by one."""
    path = settings.SECRET_FILES.get(name)
    return getattr(settings, name) if path is None else watched(name, path).get()


def presented(name: str) -> str:
    """The key in the setting `name` (AUTH_SERVICE_API_KEY): ours, at that service."""
    return str(current(name))


def caller_of(offered: str) -> str | None:
    """The name of the caller whose key this is, of those who may call this service.

    All keys are compared, in constant time: how long it takes tells nothing.
    """
    name = None
    for caller, key in current("INTERNAL_API_KEYS"):
        if hmac.compare_digest(offered.encode(), key.encode()):
            name = caller
    return name


@lru_cache
def watched(name: str, path: Path) -> FileWatcher[Any]:
    """The file of a setting. What was read at the start stands until the first look at
    it: should that fail, the service continues with what it was started with."""
    watcher: FileWatcher[Any] = FileWatcher(partial(read, name, path), path)
    watcher.loaded = (getattr(settings, name),)
    return watcher


def read(name: str, path: Path) -> Any:
    """The value in the file of a setting: pairs, one at least, or one key. Raises
    ValueError, OSError."""
    text = path.read_text(encoding="utf-8").strip()
    pairs = api_key_pairs(text) if name == "INTERNAL_API_KEYS" else [(name, text)]
    if not all(PLAIN.fullmatch(key) for _, key in pairs) or not pairs:
        raise ValueError
    return pairs if name == "INTERNAL_API_KEYS" else text
