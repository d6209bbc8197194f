"""Secrets of TOTP, encrypted with AES-256-GCM by keys that are not in the database.

A key is a file `<name>.key` of 64 hexadecimal digits in FACTOR_KEYS_DIR. The last name
encrypts, all decrypt. Keys are read at every use, so processes see a new one at once.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from shared.keys.key_store import sync
from users.factors.models import Factor, Type

KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D, section 8.2: the length that AES-GCM is made for
PAGE = 1000
NAME = "{:%Y%m%dT%H%M%SZ}.key"


class KeyFault(Exception):
    """A key is missing or malformed, or no key decrypts a secret. This is our error:
    the user's code cannot be checked."""


def encrypt(secret: str, user_id: UUID, factor_id: UUID) -> bytes:
    """Encrypt for this row: in another row it does not decrypt. Raises KeyFault."""
    nonce, row = os.urandom(NONCE_BYTES), user_id.bytes + factor_id.bytes
    return nonce + keys()[0].encrypt(nonce, secret.encode(), row)


def decrypt(factor: Factor, among: list[AESGCM] | None = None) -> str:
    """The secret of this factor, decrypted by any of the keys. Raises KeyFault."""
    for key in among or keys():
        try:
            return decrypt_by(key, factor)
        except InvalidTag:
            continue
    raise KeyFault(f"No key in {settings.FACTOR_KEYS_DIR} decrypts factor {factor.pk}.")


def decrypt_by(key: AESGCM, factor: Factor) -> str:
    """Raises InvalidTag if another key has encrypted it, or if it is another row's."""
    stored = bytes(factor.secret or b"")
    nonce, ciphertext = stored[:NONCE_BYTES], stored[NONCE_BYTES:]
    row = factor.user_id.bytes + factor.pk.bytes
    return key.decrypt(nonce, ciphertext, row).decode()


def keys() -> list[AESGCM]:
    """All keys. The first one encrypts. Raises KeyFault."""
    return [AESGCM(read(file)) for file in key_files()]


def key_files() -> list[Path]:
    """The files of all keys. That of the first one encrypts. Raises KeyFault."""
    files = sorted(Path(settings.FACTOR_KEYS_DIR).glob("*.key"), reverse=True)
    if not files:
        raise KeyFault(f"{settings.FACTOR_KEYS_DIR} has no key.")
    return files


def read(file: Path) -> bytes:
    """The key in the file. The message of KeyFault does not quote it."""
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFault(f"{file} cannot be read or is no key.")
    return key


def add_key() -> Path:
    """Create a key that encrypts from now on. It appears whole or not at all, and never
    replaces another one. Raises KeyFault if another one would still encrypt."""
    folder = Path(settings.FACTOR_KEYS_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / NAME.format(datetime.now(UTC))
    last = max(folder.glob("*.key"), default=path)
    if last > path:
        raise KeyFault(f"{last} has a later name than {path.name}: rename it first.")
    with NamedTemporaryFile("w", dir=folder, encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o400)
        file.write(os.urandom(KEY_BYTES).hex())
        file.flush()
        os.fsync(file.fileno())
        os.link(file.name, path)
    sync(folder)
    return path


def totp_factors() -> Iterator[Factor]:
    """All, by short statements. `iterator` would have PostgreSQL copy them all before
    the first, and with a pooler keep them all in memory."""
    rows = Factor.objects.filter(type=Type.TOTP).order_by("pk")
    page = [*rows[:PAGE]]
    while page:
        yield from page
        page = [*rows.filter(pk__gt=page[-1].pk)[:PAGE]]


def count_lost() -> int:
    """The number of secrets that no key decrypts. Raises KeyFault."""
    found, lost = keys(), 0
    for factor in totp_factors():
        try:
            decrypt(factor, found)
        except KeyFault:
            lost += 1
    return lost


def reencrypt() -> int:
    """Encrypt the secrets of older keys with the newest key, and return their number.
    Secrets that change meanwhile are left alone. Raises KeyFault, if no key decrypts
    one of them, after all others."""
    found, changed = keys(), 0
    fault: KeyFault | None = None
    for factor in totp_factors():
        try:
            changed += encrypt_again(factor, found)
        except KeyFault as exc:
            fault = exc
    if fault:
        raise fault
    return changed


def encrypt_again(factor: Factor, found: list[AESGCM]) -> int:
    """Encrypt the secret with the first key unless it is. Return 1 if it was stored,
    else 0. Raises KeyFault."""
    try:
        decrypt_by(found[0], factor)
    except InvalidTag:
        row = Factor.objects.filter(pk=factor.pk, secret=factor.secret)
        new = encrypt(decrypt(factor, found), factor.user_id, factor.pk)
        return row.update(secret=new)
    return 0
