"""The keys of this process, live: what is added to a folder is seen, and what is taken
out of it is gone, within a second and without a restart."""

import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

from django.conf import settings
from jwt import PyJWK

from shared.file_watcher import INTERVAL, Reloading
from shared.keys import key_state, signing_keys
from shared.keys.signing_keys import KeyFault, KeyMissing, SigningKey
from shared.structured_logging import dependency_logger

T = TypeVar("T")

# Seconds between two looks for kids that are not known, which anybody can make up.
UNKNOWN_INTERVAL = 0.1
# How late the signer follows the state of the ceremony. Short, so that next to nothing
# is signed with a key that is just being revoked.
SIGNER_INTERVAL = 0.1

_remote: dict[str, "KeySource"] = {}
_making = threading.Lock()  # never held while anything is fetched


class KeySource(Protocol):
    """Where verifying keys come from. What these raise is not a token's fault."""

    def find(self, kid: str) -> PyJWK | None:
        """The key of this name. Raises KeyFault, or Unavailable for a remote source."""

    def all(self) -> dict[str, PyJWK]:
        """All keys by kid, at least one. Raises as `find` does."""


class FolderKeys:
    """The public keys of a folder.

    A file that is no good key is left out and logged. Without any good one there is
    KeyFault; a folder that cannot be read leaves what was read before.
    """

    def __init__(self, folder: Path, interval: float = INTERVAL) -> None:
        self.folder = Path(folder)
        self.files = Reloading(self.load, self.folder, interval=interval)
        self.turn = threading.Lock()  # never held while files are read
        self.next_turn = 0.0

    def find(self, kid: str) -> PyJWK | None:
        """The key of this name; an unknown one may have come this very moment."""
        found = self.all().get(kid)
        if found is None and self.may_look():
            self.files.expire()
            found = self.all().get(kid)
        return found

    def all(self) -> dict[str, PyJWK]:
        found = readable(self.files)
        if not found:
            raise KeyMissing(f"There is no usable public key in {self.folder}.")
        return found

    def may_look(self) -> bool:
        """Whether it is time to look for an unknown kid again."""
        now = time.monotonic()
        with self.turn:
            if now < self.next_turn:
                return False
            self.next_turn = now + UNKNOWN_INTERVAL
            return True

    def load(self) -> dict[str, PyJWK]:
        found = {}
        for kid, path in key_state.pem_files(self.folder).items():
            try:
                found[kid] = signing_keys.load_public_key(path)
            except KeyFault as fault:
                self.skip(path, fault)
        return found

    def skip(self, path: Path, fault: KeyFault) -> None:
        """Leave a bad file out. Raises where it may be good: all stays as it was."""
        cause = fault.__cause__
        if isinstance(cause, FileNotFoundError):
            return  # taken out since the folder was listed
        if isinstance(cause, OSError) and not isinstance(
            cause, PermissionError | IsADirectoryError
        ):
            raise fault  # no file handles left, a disk that fails: try again
        dependency_logger.error(
            "the key file %s is left out: %s",
            path.name,
            type(cause or fault).__name__,
            extra={"event": "key_skipped"},
        )


class FolderSigner:
    """The private key of a folder that is active."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.files = Reloading(self.load, self.folder, interval=SIGNER_INTERVAL)

    def get(self) -> SigningKey:
        """Raises KeyFault."""
        found = readable(self.files)
        if found is None:
            return signing_keys.load_signing_key(self.folder)
        return found

    def load(self) -> SigningKey | None:
        """None where the key was taken away: who removes a key must win, so the one
        that was read before is not good any more."""
        try:
            return signing_keys.load_signing_key(self.folder)
        except KeyMissing:
            return None


def readable(files: Reloading[T]) -> T:
    """What the files say. Raises KeyFault where they could never be read."""
    try:
        return files.get()
    except OSError as exc:
        raise KeyFault(f"{files.paths[0]} cannot be read.") from exc


@lru_cache
def _folder_keys(folder: Path) -> KeySource:
    return FolderKeys(folder)


def _remote_keys(url: str) -> KeySource:
    """One in a process, each having a thread that fetches: of callers that come at once
    `lru_cache` lets every one make its own."""
    from shared.keys.jwks_client import JWKSKeys

    with _making:
        if url not in _remote:
            _remote[url] = JWKSKeys(url)
        return _remote[url]


@lru_cache
def _signer(folder: Path) -> FolderSigner:
    return FolderSigner(folder)


def verifying_keys() -> KeySource:
    """The public keys of this process, from JWT_JWKS_URL or JWT_PUBLIC_KEYS_DIR."""
    if settings.JWT_JWKS_URL:
        return _remote_keys(settings.JWT_JWKS_URL)
    return _folder_keys(settings.JWT_PUBLIC_KEYS_DIR)


def signing_key() -> SigningKey:
    """The private key of this process, from JWT_PRIVATE_KEYS_DIR (auth alone).

    Raises KeyFault, also where its public half is not published: nobody could verify
    what it signs, and revoked keys look like that.
    """
    folder = getattr(settings, "JWT_PRIVATE_KEYS_DIR", None)
    if folder is None:
        raise KeyFault("JWT_PRIVATE_KEYS_DIR is not set: this service signs nothing.")
    signer = _signer(folder).get()
    if verifying_keys().find(signer.kid) is None:
        raise KeyMissing(f"The public half of the signing key {signer.kid} is missing.")
    return signer
