"""The keys of this process, live: a key added to a folder is found, and a removed one
is gone, within a second and without a restart."""

import logging
from functools import lru_cache, partial
from pathlib import Path

from django.conf import settings
from jwt import PyJWK

from shared.file_watcher import INTERVAL, FileWatcher
from shared.keys import signing_keys
from shared.keys.jwks_client import JWKSetClient
from shared.keys.key_store import KeyFault, KeyMissing, pem_files
from shared.keys.signing_keys import SigningKey
from shared.structured_logging import dependency_logger

# Seconds between two checks of the active key. Short, so that a key that is being
# revoked signs hardly anything more.
SIGNER_INTERVAL = 0.1
# Trouble with one file. Other OSErrors (no file handles left, a disk that fails) say
# nothing about the file: the last keys stay.
FILE_FAULTS = FileNotFoundError, PermissionError, IsADirectoryError

log = logging.LoggerAdapter(dependency_logger, {"event": "key_skipped"})


class FolderKeys:
    """The public keys of a folder.

    A bad file is skipped and logged. `all` raises KeyMissing if no file is good. If the
    folder cannot be read, the last keys stay.
    """

    def __init__(self, folder: Path, interval: float = INTERVAL) -> None:
        self.folder = Path(folder)
        self.files = FileWatcher(self.load, self.folder, interval)

    def find(self, kid: str) -> PyJWK | None:
        return self.all().get(kid)

    def all(self) -> dict[str, PyJWK]:
        found = self.files.get()
        if not found:
            raise KeyMissing(f"There is no usable public key in {self.folder}.")
        return found

    def load(self) -> dict[str, PyJWK]:
        found = {}
        for kid, path in pem_files(self.folder).items():
            try:
                found[kid] = signing_keys.load_public_key(path)
            except KeyFault as fault:
                cause = fault.__cause__ or fault
                if isinstance(cause, OSError) and not isinstance(cause, FILE_FAULTS):
                    raise
                if not isinstance(cause, FileNotFoundError):  # removed meanwhile
                    reason = type(cause).__name__
                    log.error("the key file %s is left out: %s", path.name, reason)
        return found


def load_signer(folder: Path) -> SigningKey | None:
    """The active key. None if it was removed: an error would keep the last one."""
    try:
        return signing_keys.load_signing_key(folder)
    except KeyMissing:
        return None


@lru_cache
def _signer(folder: Path) -> FileWatcher[SigningKey | None]:
    return FileWatcher(partial(load_signer, folder), folder, SIGNER_INTERVAL)


_folder_keys = lru_cache(FolderKeys)
_jwk_set = lru_cache(JWKSetClient)


def verifying_keys() -> FolderKeys | JWKSetClient:
    """The public keys of this process, from JWT_JWKS_URL or JWT_PUBLIC_KEYS_DIR.

    `find` and `all` raise KeyFault or DependencyUnavailable: not a token's fault.
    """
    if settings.JWT_JWKS_URL:
        return _jwk_set(settings.JWT_JWKS_URL)
    return _folder_keys(settings.JWT_PUBLIC_KEYS_DIR)


def signing_key() -> SigningKey:
    """The private key of this process, from JWT_PRIVATE_KEYS_DIR (auth alone).

    Raises KeyFault, also if its public half is missing: then the key was revoked, or no
    service could verify its tokens.
    """
    folder = settings.JWT_PRIVATE_KEYS_DIR
    signer = _signer(folder).get() or signing_keys.load_signing_key(folder)
    if verifying_keys().find(signer.kid) is None:
        raise KeyMissing(f"The public half of the signing key {signer.kid} is missing.")
    return signer
