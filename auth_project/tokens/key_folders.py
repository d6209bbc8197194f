"""Our key pairs as they lie on the disk, with what was written about each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from shared.keys import key_state
from shared.keys.key_state import State, Times

MARGIN = timedelta(seconds=10)  # beyond JWKS_MAX_AGE: clocks, requests on their way
SHORTEST_PREFIX = 6  # characters of a kid


class Refused(Exception):
    """What was asked for would do harm. Nothing was changed."""


def clock() -> datetime:
    return datetime.now(UTC)


def shown(moment: datetime) -> str:
    """A time for people, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@dataclass
class KeyFolders:
    """The pairs, halves included that are alone, and their state."""

    public: Path
    private: Path
    state: State

    def public_half(self, kid: str) -> Path:
        return self.public / f"{kid}.pem"

    def private_half(self, kid: str) -> Path:
        return self.private / f"{kid}.pem"

    def stage(self, kid: str) -> str:
        """Where a key stands in its life."""
        if kid == self.state.active:
            return "active"
        used = self.times(kid).superseded_at is not None
        if self.private_half(kid).exists():
            return "superseded" if used else "staged"
        return "retired" if used else "unfinished"

    def times(self, kid: str) -> Times:
        return self.state.keys[kid]

    def named(self, text: str) -> str:
        """The one kid that is `text` or begins with it. Raises Refused."""
        if text in self.state.keys:
            return text
        if len(text) < SHORTEST_PREFIX:
            raise Refused(f"A kid is named by {SHORTEST_PREFIX} characters or more.")
        found = [kid for kid in self.state.keys if kid.startswith(text)]
        if len(found) != 1:
            some = "Several keys begin" if found else "No key begins"
            raise Refused(f"{some} with {text}.")
        return found[0]

    def ready_at(self, kid: str) -> datetime:
        """From when on everybody who keeps the key set has this key in it."""
        staged_at = self.times(kid).staged_at or clock()
        return staged_at + timedelta(seconds=settings.JWKS_MAX_AGE) + MARGIN

    def needed_until(self, kid: str) -> datetime:
        """When the last token that a superseded key signed has expired everywhere."""
        longest = max(settings.REFRESH_TOKEN_LIFETIME, settings.ACCESS_TOKEN_LIFETIME)
        superseded_at = self.times(kid).superseded_at or clock()
        return superseded_at + timedelta(seconds=longest + settings.JWT_LEEWAY)

    def save(self) -> None:
        key_state.save(self.private, self.state)


def read() -> KeyFolders:
    """The folders of the settings, to look at. Raises KeyFault.

    Files that nothing was written about came by hand. They may have signed until now.
    """
    public, private = settings.JWT_PUBLIC_KEYS_DIR, settings.JWT_PRIVATE_KEYS_DIR
    assert public is not None  # though elsewhere an address may stand for it
    found = KeyFolders(public, private, key_state.load(private))
    now = clock()
    for kid in key_state.pem_files(public) | key_state.pem_files(private):
        used = None if kid == found.state.active else now
        found.state.keys.setdefault(kid, Times(staged_at=now, superseded_at=used))
    return found


@contextmanager
def opened() -> Iterator[KeyFolders]:
    """The folders, to change: alone with them, and tidy. Raises KeyFault."""
    with key_state.locked(settings.JWT_PRIVATE_KEYS_DIR):
        found = read()
        tidy(found)
        yield found


def tidy(folders: KeyFolders) -> None:
    """Remove what an interrupted act has left behind. None of it was ever used."""
    for folder in (folders.public, folders.private):
        for draft in folder.glob(".*.draft"):
            draft.unlink()
    for kid in list(folders.state.keys):
        if folders.stage(kid) == "unfinished":
            key_state.remove(folders.public_half(kid))
        if kid != folders.state.active and not (
            folders.public_half(kid).exists() or folders.private_half(kid).exists()
        ):
            del folders.state.keys[kid]
