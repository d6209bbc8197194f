"""Key pairs in two folders, and which of them signs.

`private/keyring.json` names the active key and says when each key was staged,
activated, superseded and retired. It lies next to the private keys: only a process that
may sign may choose the signing key.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.keys import key_files
from shared.keys.key_files import KeyFault, pem_files

STATE_FILE = "keyring.json"
SHORTEST_PREFIX = 6  # characters of a kid


class KeyActionRefused(Exception):
    """The action would do harm. It has changed nothing."""


@dataclass
class KeyTimestamps:
    """What happened to a key, and when."""

    staged_at: datetime | None = None
    activated_at: datetime | None = None
    superseded_at: datetime | None = None
    retired_at: datetime | None = None


@dataclass
class KeyStore:
    """The pairs, single halves included, and the state of each."""

    public: Path
    private: Path
    active: str | None
    keys: dict[str, KeyTimestamps]

    def public_half(self, kid: str) -> Path:
        return self.public / f"{kid}.pem"

    def private_half(self, kid: str) -> Path:
        return self.private / f"{kid}.pem"

    def stage(self, kid: str) -> str:
        """Where a key stands in its life."""
        if kid == self.active:
            return "active"
        used = self.keys[kid].superseded_at is not None
        if self.private_half(kid).exists():
            return "superseded" if used else "staged"
        return "retired" if used else "unfinished"

    def resolve_kid(self, text: str) -> str:
        """The one kid that is `text` or begins with it. Raises KeyActionRefused."""
        if text in self.keys:
            return text
        if len(text) < SHORTEST_PREFIX:
            raise KeyActionRefused(f"Give {SHORTEST_PREFIX} characters of a kid.")
        found = [kid for kid in self.keys if kid.startswith(text)]
        if len(found) != 1:
            some = "Several keys begin" if found else "No key begins"
            raise KeyActionRefused(f"{some} with {text}.")
        return found[0]

    def activate(self, kid: str) -> None:
        """Sign with `kid` from now on. One write decides."""
        now = clock()
        if self.active is not None and self.active != kid:
            self.keys[self.active].superseded_at = now
        self.active = kid
        self.keys[kid].activated_at = now
        self.keys[kid].superseded_at = self.keys[kid].retired_at = None
        self.save()

    def remove(self, kid: str) -> None:
        """Delete both halves, the public one first: that alone revokes the key."""
        key_files.remove(self.public_half(kid))
        key_files.remove(self.private_half(kid))
        del self.keys[kid]
        self.save()

    def save(self) -> None:
        """Write the state in one step: readers find the old one or the new one."""
        keys = {kid: asdict(times) for kid, times in self.keys.items()}
        state = {"active": self.active, "keys": keys}
        text = json.dumps(state, indent=2, default=datetime.isoformat)
        key_files.put(self.private / STATE_FILE, f"{text}\n".encode(), 0o600)

    def clean_up(self) -> None:
        """Remove what an interrupted action has left. None of it was ever used."""
        for folder in (self.public, self.private):
            for draft in folder.glob(".*.draft"):
                draft.unlink()
        for kid in list(self.keys):
            if self.stage(kid) == "unfinished":
                key_files.remove(self.public_half(kid))
            halves = self.public_half(kid), self.private_half(kid)
            if kid != self.active and not any(half.exists() for half in halves):
                del self.keys[kid]


def clock() -> datetime:
    return datetime.now(UTC)


def load(public: Path, private: Path) -> KeyStore:
    """The store as it is on the disk. Raises KeyFault.

    Files that the state does not name were copied by hand. They may have signed until
    now.
    """
    active, keys = load_state(private)
    now = clock()
    for kid in pem_files(public) | pem_files(private):
        superseded_at = None if kid == active else now
        keys.setdefault(kid, KeyTimestamps(now, superseded_at=superseded_at))
    return KeyStore(public, private, active, keys)


def load_state(private: Path) -> tuple[str | None, dict[str, KeyTimestamps]]:
    """The active kid, and what was written about each key. Raises KeyFault.

    If no key is named and there is only one private key, that one is active: as in
    installations that have never had two.
    """
    path = private / STATE_FILE
    try:
        active, keys = parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        active, keys = None, {}
    except OSError as exc:
        raise KeyFault(f"{path} cannot be read.") from exc
    except (ValueError, TypeError, AttributeError) as exc:
        raise KeyFault(f"{path} is not what `keys` writes.") from exc
    paths = pem_files(private)
    if active is None and len(paths) == 1:
        ((active, only),) = paths.items()
        made = datetime.fromtimestamp(only.stat().st_mtime, UTC)
        keys[active] = KeyTimestamps(staged_at=made, activated_at=made)
    return active, keys


def parse(state: dict[str, Any]) -> tuple[str | None, dict[str, KeyTimestamps]]:
    """What `save` wrote. Raises ValueError, TypeError or AttributeError."""
    active = state.get("active")
    if not isinstance(active, str | None):
        raise TypeError(type(active))
    keys = {
        kid: KeyTimestamps(**{name: parse_time(text) for name, text in times.items()})
        for kid, times in state.get("keys", {}).items()
    }
    return active, keys


def parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


@contextmanager
def locked_key_store(public: Path, private: Path) -> Iterator[KeyStore]:
    """The store, cleaned up and locked: other changes wait. Raises KeyFault."""
    for folder in (public, private):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(private, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        store = load(public, private)
        store.clean_up()
        yield store
    finally:
        os.close(handle)  # which unlocks, as the end of the process does
