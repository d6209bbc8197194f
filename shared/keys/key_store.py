"""Key pairs in two folders, and which of them signs.

`private/active` names the key that signs. It is next to the private keys, so only a
process that may sign can change it. Files give the other stages and their times: a key
was staged when its public half was written, superseded when `private/<kid>.superseded`
was written, and is retired if it has no private half.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ACTIVE_FILE = "active"
SHORTEST_PREFIX = 6  # characters of a kid


class KeyFault(ValueError):
    """A key is missing, unreadable, of a wrong size, misnamed, or in a stage that does
    not allow the action."""


class KeyMissing(KeyFault):
    """There is no such key, in a folder that could be read."""


@dataclass(frozen=True)
class KeyStore:
    """The pairs, single halves included, and the state of each."""

    public: Path
    private: Path

    @property
    def active(self) -> str | None:
        return active_kid(self.private)

    def kids(self) -> list[str]:
        return sorted(pem_files(self.public) | pem_files(self.private))

    def public_half(self, kid: str) -> Path:
        return self.public / f"{kid}.pem"

    def private_half(self, kid: str) -> Path:
        return self.private / f"{kid}.pem"

    def superseded_mark(self, kid: str) -> Path:
        return self.private / f"{kid}.superseded"

    def resolve_kid(self, text: str) -> str:
        """The one kid that begins with `text`. Raises KeyFault."""
        found = [kid for kid in self.kids() if kid.startswith(text)]
        if len(text) < SHORTEST_PREFIX or len(found) != 1:
            least = f"Give {SHORTEST_PREFIX} or more of its first characters."
            raise KeyFault(f"{text!r} does not name exactly one key. {least}")
        return found[0]

    def stage(self, kid: str) -> str:
        """The stage of a key: staged, active, superseded or retired."""
        if kid == self.active:
            return "active"
        if not self.private_half(kid).exists():
            return "retired"
        return "superseded" if self.superseded_mark(kid).exists() else "staged"

    def activate(self, kid: str) -> None:
        """Sign with `kid` from now on. The last write decides."""
        # If none is known to be active, each may have signed until now.
        for other in pem_files(self.private):
            if other != kid and self.active in (other, None):
                put(self.superseded_mark(other))
        put(self.private / ACTIVE_FILE, kid.encode())

    def remove(self, kid: str) -> None:
        """Delete a key, the public half first: that alone revokes it."""
        remove(self.public_half(kid))
        remove(self.private_half(kid))
        remove(self.superseded_mark(kid))


def active_kid(private: Path) -> str | None:
    """The kid of the key that signs. Raises KeyFault.

    If none is named and there is only one private key, it is that one.
    """
    try:
        return (private / ACTIVE_FILE).read_text().strip()
    except FileNotFoundError:
        kids = list(pem_files(private))
        return kids[0] if len(kids) == 1 else None
    except (OSError, ValueError) as exc:
        raise KeyFault(f"{private / ACTIVE_FILE} cannot be read.") from exc


@contextmanager
def locked_key_store(public: Path, private: Path) -> Iterator[KeyStore]:
    """The store, locked: other changes wait."""
    for folder in (public, private):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(private, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for draft in (*public.glob(".*.draft"), *private.glob(".*.draft")):
            draft.unlink()  # of an action that was interrupted
        yield KeyStore(public, private)
    finally:
        os.close(handle)  # which unlocks, as the end of the process does


# --- Files: written and removed atomically and durably --------------------------------


def put(path: Path, content: bytes = b"", mode: int = 0o600) -> None:
    """Write or replace a file, whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as f:
        os.fchmod(f.fileno(), mode)  # whatever the umask
        f.write(content)
        f.flush()
        os.fsync(f.fileno())
    draft.rename(path)
    sync(path.parent)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Write the names in a folder to the disk, which fsync of a file does not do."""
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


def written_at(path: Path) -> datetime:
    """When a file was written; now, if there is none."""
    if not path.exists():
        return datetime.now(UTC)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
