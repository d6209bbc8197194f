"""API keys between services: who is accepted by which, and what is presented.

A key that came by file (NAME_FILE) is what the file says now: keys are rotated without
a restart (docs/operations/key-rotation.md). A file that is empty or wrong changes
nothing: the last value stays, and the log names the file.
"""

import hmac
import re
from functools import lru_cache, partial
from pathlib import Path

from django.conf import settings

from shared.env import Malformed, api_key_pairs
from shared.file_watcher import FileWatcher

MINIMUM_KEY_LENGTH = 43  # characters of base64 for 256 bits
# What a header can carry and `Env` would take at the next start.
PLAIN = re.compile(r"(?!\$)[!-~]+")


class TooShort(ValueError):
    """A key of less than 256 bits."""


def accepted() -> list[tuple[str, str]]:
    """The pairs (caller, key) of those who may call this service."""
    path = settings.SECRET_FILES.get("INTERNAL_API_KEYS")
    pairs: list[tuple[str, str]] = settings.INTERNAL_API_KEYS
    return pairs if path is None else _accepted(path).get()


def presented(name: str) -> str:
    """The key in the setting `name` (AUTH_SERVICE_API_KEY): ours, at that service."""
    path = settings.SECRET_FILES.get(name)
    key: str = getattr(settings, name)
    return key if path is None else _presented(name, path).get()


def caller_of(offered: str) -> str | None:
    """The name of the caller whose key this is.

    All keys are compared, in constant time: how long it takes tells nothing.
    """
    name = None
    for caller, key in accepted():
        if hmac.compare_digest(offered.encode(), key.encode()):
            name = caller
    return name


# What was read at the start stands until the first look at the file: should that fail,
# the service continues with what it was started with.


@lru_cache
def _accepted(path: Path) -> FileWatcher[list[tuple[str, str]]]:
    keys = FileWatcher(partial(read_accepted, path), path)
    keys.loaded = (settings.INTERNAL_API_KEYS,)
    return keys


@lru_cache
def _presented(name: str, path: Path) -> FileWatcher[str]:
    key = FileWatcher(partial(read_presented, path), path)
    key.loaded = (getattr(settings, name),)
    return key


def read_accepted(path: Path) -> list[tuple[str, str]]:
    """The pairs in the file, one at least. Raises Malformed, TooShort, OSError."""
    pairs = api_key_pairs(path.read_text(encoding="utf-8").strip())
    if not pairs:
        raise Malformed
    for _, key in pairs:
        _insist(key)
    return pairs


def read_presented(path: Path) -> str:
    """The key in the file. Raises Malformed, TooShort, OSError."""
    key = path.read_text(encoding="utf-8").strip()
    _insist(key)
    return key


def _insist(key: str) -> None:
    if not PLAIN.fullmatch(key):
        raise Malformed
    if len(key) < MINIMUM_KEY_LENGTH:
        raise TooShort
