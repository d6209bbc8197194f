"""Which key of a folder signs, and what became of the others: `private/keyring.json`.

It lies beside the private keys: who may not sign may not choose the signer either.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "keyring.json"


class KeyFault(ValueError):
    """A key is missing, unreadable, of a wrong size, or not the one its name says."""


@dataclass
class Times:
    """What happened to a key, and when."""

    staged_at: datetime | None = None
    activated_at: datetime | None = None
    superseded_at: datetime | None = None
    retired_at: datetime | None = None


@dataclass
class State:
    """The key that signs, by its kid, and the times of all keys."""

    active: str | None = None
    keys: dict[str, Times] = field(default_factory=dict)

    def activate(self, kid: str, moment: datetime) -> None:
        """Have `kid` sign from `moment` on, in place of the one that did."""
        if self.active is not None and self.active != kid:
            self.keys.setdefault(self.active, Times()).superseded_at = moment
        self.active = kid
        times = self.keys.setdefault(kid, Times())
        times.activated_at = moment
        times.superseded_at = times.retired_at = None


def load(folder: Path) -> State:
    """The state of the private folder. Raises KeyFault.

    Where it names no key, the only private key there is is the active one: so it is
    in installations that have never had two.
    """
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        text = "{}"
    except (OSError, UnicodeError) as exc:
        raise KeyFault(f"{folder / FILE} cannot be read.") from exc
    try:
        state = parse(json.loads(text))
    except (ValueError, TypeError, AttributeError) as exc:
        raise KeyFault(f"{folder / FILE} is not what `keys` writes.") from exc
    private = pem_files(folder)
    if state.active is None and len(private) == 1:
        ((kid, path),) = private.items()
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        state.keys.setdefault(kid, Times(staged_at=made))
        state.activate(kid, made)
    return state


def parse(content: dict[str, Any]) -> State:
    """What `save` wrote. Raises ValueError, TypeError or AttributeError."""
    active = content.get("active")
    if not isinstance(active, str | None):
        raise TypeError(type(active))
    found = content.get("keys", {}).items()
    keys = {kid: Times(**{n: time_of(v) for n, v in t.items()}) for kid, t in found}
    return State(active, keys)


def time_of(text: str | None) -> datetime | None:
    """A time of the file: ISO 8601, with its offset from UTC."""
    found = None if text is None else datetime.fromisoformat(text)
    if found is not None and found.tzinfo is None:
        raise ValueError(text)
    return found


def save(folder: Path, state: State) -> None:
    """Write the state in one step: readers find the old one or the new one."""
    text = json.dumps(asdict(state), indent=2, default=datetime.isoformat)
    put(folder / FILE, f"{text}\n".encode(), 0o600)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone with the keys of `folder`; what else wants to change them waits."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # which unlocks, as the end of the process does


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
    """Names of a folder, too, are on the disk only after this."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def pem_files(folder: Path) -> dict[str, Path]:
    """Key files of a folder by the kid that each is named by. Raises KeyFault."""
    try:
        # Not glob(), for which a folder that cannot be read is an empty one.
        return {p.stem: p for p in sorted(folder.iterdir()) if p.suffix == ".pem"}
    except OSError as exc:
        raise KeyFault(f"{folder} cannot be read.") from exc
