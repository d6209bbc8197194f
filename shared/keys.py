"""RSA key pairs for RS256: files, thumbprints, JWK Set.

A folder holds `private/<kid>.pem` (the Auth Service alone) and `public/<kid>.pem`.
A pair is made by `python -m shared.keys generate FOLDER`; a management command could
not do it, since settings need the keys.
"""

import argparse
import base64
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

ALGORITHM = "RS256"  # a constant, never read from a token (RFC 8725 section 3.1)
MINIMUM_BITS = 2048  # RFC 7518 section 3.3
RECOMMENDED_BITS = 3072  # ASVS 5.0 11.2.3


class KeyFault(ValueError):
    """A key is missing, unreadable, too small, or not the one its name says."""


@dataclass(frozen=True)
class SigningKey:
    kid: str
    key: RSAPrivateKey


def generate(folder: Path, bits: int = RECOMMENDED_BITS) -> str:
    """Make a key pair under `folder` and return its kid. Raises KeyFault."""
    if bits < MINIMUM_BITS:
        raise KeyFault(f"{bits} bits are too few; {MINIMUM_BITS} is the least.")
    key = generate_private_key(public_exponent=65537, key_size=bits)
    kid = thumbprint(key.public_key())
    private_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    # The public half first: a verifier must know a key before anybody signs with it.
    write(folder / "public" / f"{kid}.pem", public_pem, mode=0o444)
    write(folder / "private" / f"{kid}.pem", private_pem, mode=0o400)
    return kid


def write(path: Path, content: bytes, mode: int) -> None:
    """Create `path` with `mode`, whatever the umask; it must not exist."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)


def load_public_keys(folder: Path) -> dict[str, RSAPublicKey]:
    """All public keys of a folder by kid. Raises KeyFault."""
    keys = {}
    for path in sorted(folder.glob("*.pem")):
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as exc:
            raise KeyFault(f"{path} cannot be read as a public key.") from exc
        if not isinstance(key, RSAPublicKey):
            raise KeyFault(f"{path} is not an RSA key.")
        check(path, key)
        keys[path.stem] = key
    if not keys:
        raise KeyFault(f"There is no public key in {folder}.")
    return keys


def load_signing_key(folder: Path) -> SigningKey:
    """The newest private key of a folder. Raises KeyFault."""
    paths = sorted(folder.glob("*.pem"), key=lambda path: path.stat().st_mtime)
    if not paths:
        raise KeyFault(f"There is no private key in {folder}.")
    path = paths[-1]
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        raise KeyFault(f"{path} cannot be read as a private key.") from exc
    if not isinstance(key, RSAPrivateKey):
        raise KeyFault(f"{path} is not an RSA key.")
    check(path, key.public_key())
    return SigningKey(kid=path.stem, key=key)


def check(path: Path, key: RSAPublicKey) -> None:
    """A key's size, and that its file is named by its thumbprint."""
    if key.key_size < MINIMUM_BITS:
        raise KeyFault(f"{path} has {key.key_size} bits; {MINIMUM_BITS} is the least.")
    if path.stem != thumbprint(key):
        raise KeyFault(f"{path} must be named {thumbprint(key)}.pem (RFC 7638).")


def thumbprint(key: RSAPublicKey) -> str:
    """The kid: SHA-256 thumbprint of the key (RFC 7638 section 3)."""
    canonical = json.dumps(jwk(key), sort_keys=True, separators=(",", ":"))
    return b64url(hashlib.sha256(canonical.encode()).digest())


def jwk(key: RSAPublicKey) -> dict[str, str]:
    """Public members of an RSA key (RFC 7518 section 6.3.1)."""
    numbers = key.public_numbers()
    return {"kty": "RSA", "n": b64uint(numbers.n), "e": b64uint(numbers.e)}


def jwk_set(keys: dict[str, RSAPublicKey]) -> dict[str, list[dict[str, str]]]:
    """The JWK Set (RFC 7517 section 5) of verifying keys."""
    return {
        "keys": [
            {**jwk(key), "use": "sig", "alg": ALGORITHM, "kid": kid}
            for kid, key in keys.items()
        ]
    }


def b64uint(number: int) -> str:
    """Base64urlUInt of RFC 7518 section 2."""
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def b64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@lru_cache
def verifying_keys() -> dict[str, RSAPublicKey]:
    """The public keys of this process, from JWT_PUBLIC_KEYS_DIR."""
    from django.conf import settings

    return load_public_keys(Path(settings.JWT_PUBLIC_KEYS_DIR))


@lru_cache
def signing_key() -> SigningKey:
    """The private key of this process, from JWT_PRIVATE_KEYS_DIR (auth alone)."""
    from django.conf import settings

    folder = getattr(settings, "JWT_PRIVATE_KEYS_DIR", None)
    if folder is None:
        raise KeyFault("JWT_PRIVATE_KEYS_DIR is not set: this service signs nothing.")
    return load_signing_key(Path(folder))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.keys", description=__doc__)
    parser.add_argument("action", choices=["generate", "check"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bits", type=int, default=RECOMMENDED_BITS)
    options = parser.parse_args()
    try:
        if options.action == "generate":
            sys.stdout.write(f"{generate(options.folder, options.bits)}\n")
        else:
            key = load_signing_key(options.folder / "private")
            kids = load_public_keys(options.folder / "public")
            if key.kid not in kids:
                raise KeyFault(f"The public half of {key.kid} is missing.")
            sys.stdout.write(f"signs with {key.kid}, verifies {', '.join(kids)}\n")
    except (KeyFault, OSError, ValueError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
