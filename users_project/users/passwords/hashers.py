"""Password hashers: Argon2id for all new hashes, bcrypt for imported ones."""

import bcrypt
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher, BCryptPasswordHasher
from django.core.exceptions import ImproperlyConfigured

# The minimum of OWASP Password Storage (ASVS 5.0 11.4.2).
FLOOR = {
    "ARGON2_MEMORY_COST": 19456,
    "ARGON2_TIME_COST": 2,
    "ARGON2_PARALLELISM": 1,
}
BCRYPT_LIMIT = 72  # bytes


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id (RFC 9106) with costs from the settings, not below the floor.

    Django's own costs take 100 MiB a hash and eight lanes.
    """

    def __init__(self) -> None:
        for name, least in FLOOR.items():
            value: int = getattr(settings, name)
            if value < least:
                raise ImproperlyConfigured(f"{name} is {value}; use {least} or more.")
            setattr(self, name.removeprefix("ARGON2_").lower(), value)


class TruncatingBCryptHasher(BCryptPasswordHasher):
    """Plain bcrypt, for imported hashes. Cuts long passwords at 72 bytes.

    bcrypt 5 refuses more than 72 bytes, older versions ignored the rest.
    """

    def encode(self, password: str, salt: str | bytes) -> str:
        cut = password.encode()[:BCRYPT_LIMIT]
        salt = salt.encode() if isinstance(salt, str) else salt
        return f"{self.algorithm}${bcrypt.hashpw(cut, salt).decode('ascii')}"
